//! Progress on a terminal, redrawn in place.

use console::{Term, measure_text_width};

use super::Snapshot;
use super::rows::rows;
use super::show::Rates;

pub(super) struct Bars {
    terminal: Term,
    /// The lines that are on the terminal.
    drawn: Vec<String>,
}

impl Bars {
    pub(super) fn new() -> Self {
        Self { terminal: Term::buffered_stderr(), drawn: Vec::new() }
    }

    pub(super) fn draw(&mut self, now: &Snapshot, rates: &Rates) {
        let (height, width) = self.terminal.size();
        self.replace(rows(now, rates, width.into(), height.into()));
    }

    pub(super) fn clear(mut self) {
        self.replace(Vec::new());
    }

    /// Replaces the lines one by one, because a terminal that is cleared from its top keeps the old lines in
    /// its history. Errors are ignored, because a closed terminal shows nothing.
    fn replace(&mut self, lines: Vec<String>) {
        let (height, width) = self.terminal.size();
        let width = usize::from(width).max(1);
        // A terminal that has become narrower has wrapped the lines.
        let rows: usize = self.drawn.iter().map(|line| measure_text_width(line).div_ceil(width).max(1)).sum();
        let rows = rows.min(usize::from(height).saturating_sub(1));
        let _ = self.terminal.move_cursor_up(rows);
        for line in &lines {
            let _ = self.terminal.clear_line();
            let _ = self.terminal.write_line(line);
        }
        let left = rows.saturating_sub(lines.len());
        for _ in 0..left {
            let _ = self.terminal.clear_line();
            let _ = self.terminal.move_cursor_down(1);
        }
        let _ = self.terminal.move_cursor_up(left);
        let _ = self.terminal.flush();
        self.drawn = lines;
    }
}
