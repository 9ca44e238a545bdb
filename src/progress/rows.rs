//! A run at one moment as rows for a terminal: the total, a row for each lane, and the status. Rows are never
//! wider than the terminal: the least important columns are left out, and no number is cut.

use std::fmt::Write;

use console::{measure_text_width, truncate_str};

use super::show::Rates;
use super::{LaneSnapshot, Phase, Snapshot, plain};
use crate::text;

/// The maximum width of a lane's name, and the width below which a column is left out instead.
const NAME: (usize, usize) = (40, 12);
/// The maximum and the minimum width of a bar.
const BAR: (usize, usize) = (24, 8);

/// The columns after the name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Column {
    Done,
    Percent,
    Rate,
    Left,
    Failed,
    Throttled,
}

/// The columns in their order.
const COLUMNS: [Column; 6] =
    [Column::Done, Column::Percent, Column::Rate, Column::Left, Column::Failed, Column::Throttled];
/// The columns that are left out if there is no room, the least important one first.
const EXPENDABLE: [Column; 5] =
    [Column::Throttled, Column::Percent, Column::Failed, Column::Left, Column::Rate];

/// The rows for a terminal of this width and height.
pub(super) fn rows(now: &Snapshot, rates: &Rates, width: usize, height: usize) -> Vec<String> {
    // The last column stays free, because some terminals start a new line after it.
    let width = width.saturating_sub(1).max(1);
    let mut lines = Vec::new();
    if !now.lanes.is_empty() {
        let mut rows = Vec::new();
        if now.lanes.len() > 1 {
            rows.push(now.total());
        }
        // Three more rows: the hidden lanes, the status, and the row of the cursor.
        let room = height.saturating_sub(rows.len() + 3).max(1);
        let (shown, hidden) = choose(&now.lanes, rates, room);
        rows.extend(shown.into_iter().cloned());
        lines.extend(table(&rows, rates, width));
        if !hidden.is_empty() {
            lines.push(fit(&hidden_lanes(&hidden), width));
        }
    }
    lines.push(fit(&status(now, width), width));
    lines
}

/// Divides the lanes into shown and hidden ones, in the plan's order. Lanes that send are shown first, then
/// lanes that wait, then finished ones.
fn choose<'a>(
    lanes: &'a [LaneSnapshot],
    rates: &Rates,
    room: usize,
) -> (Vec<&'a LaneSnapshot>, Vec<&'a LaneSnapshot>) {
    let rank = |lane: &LaneSnapshot| match lane {
        lane if lane.done >= lane.lines => 3,
        lane if rates.requests(&lane.name) > 0.0 => 0,
        lane if lane.held_seconds.is_some() || lane.waits_for.is_some() => 1,
        _ => 2,
    };
    let mut order: Vec<usize> = (0..lanes.len()).collect();
    order.sort_by_key(|index| rank(&lanes[*index]));
    let mut shown = vec![false; lanes.len()];
    order.into_iter().take(room).for_each(|index| shown[index] = true);
    let (shown, hidden): (Vec<_>, Vec<_>) = lanes.iter().zip(shown).partition(|(_, shown)| *shown);
    (shown.into_iter().map(|(lane, _)| lane).collect(), hidden.into_iter().map(|(lane, _)| lane).collect())
}

/// A summary of the lanes without a row.
pub(super) fn hidden_lanes(lanes: &[&LaneSnapshot]) -> String {
    let finished = lanes.iter().filter(|lane| lane.done >= lane.lines).count();
    let held = lanes.iter().filter(|lane| lane.held_seconds.is_some()).count();
    let mut text = format!("and {} more", lanes.len());
    let counts = [(finished, "finished"), (held, "asked to wait")];
    let counts: Vec<String> = counts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    if !counts.is_empty() {
        let _ = write!(text, ": {}", counts.join(", "));
    }
    text
}

fn table(rows: &[LaneSnapshot], rates: &Rates, width: usize) -> Vec<String> {
    let cells: Vec<Vec<String>> =
        rows.iter().map(|row| COLUMNS.iter().map(|column| cell(*column, row, rates)).collect()).collect();
    // An empty column takes no room.
    let widths: Vec<usize> = (0..COLUMNS.len())
        .map(|at| cells.iter().map(|row| measure_text_width(&row[at])).max().unwrap_or(0))
        .collect();
    let longest = rows.iter().map(|row| measure_text_width(&row.name)).max().unwrap_or(0).min(NAME.0);
    let mut shown: Vec<bool> = widths.iter().map(|width| *width > 0).collect();
    let taken = |shown: &[bool]| {
        widths.iter().zip(shown).filter(|(_, shown)| **shown).map(|(width, _)| width + 2).sum::<usize>()
    };
    for column in EXPENDABLE {
        if taken(&shown) + longest.min(NAME.1) <= width {
            break;
        }
        shown[COLUMNS.iter().position(|known| *known == column).expect("every column is among them")] = false;
    }
    let name = longest.min(width.saturating_sub(taken(&shown)));
    let bar = width.saturating_sub(name + taken(&shown) + 2).min(BAR.0);
    let row = |(lane, cells): (&LaneSnapshot, &Vec<String>)| {
        let mut line = padded(&truncate_str(&lane.name, name, "…"), name);
        for (at, cell) in cells.iter().enumerate().filter(|(at, _)| shown[*at]) {
            let gap = " ".repeat(widths[at] - measure_text_width(cell) + 2);
            // Numbers are aligned to the right, words to the left.
            let _ = if matches!(COLUMNS[at], Column::Done | Column::Percent | Column::Rate) {
                write!(line, "{gap}{cell}")
            } else {
                write!(line, "  {cell}{}", &gap[2..])
            };
        }
        if bar >= BAR.1 {
            let _ = write!(line, "  {}", bar_of(lane, bar));
        }
        line.trim_end().to_owned()
    };
    rows.iter().zip(&cells).map(row).collect()
}

fn cell(column: Column, lane: &LaneSnapshot, rates: &Rates) -> String {
    match column {
        Column::Done => format!("{} of {}", text::count(lane.done), text::count(lane.lines)),
        Column::Percent => text::percent(lane.done, lane.lines),
        Column::Rate => rates.in_words(&lane.name).unwrap_or_default(),
        // The status says the rest.
        Column::Left if lane.waits_for.is_some() => "waits".to_owned(),
        Column::Left => plain::left(lane, rates).unwrap_or_default(),
        Column::Failed if lane.failed > 0 => format!("{} failed", text::count(lane.failed)),
        Column::Throttled if lane.throttled > 0 => format!("{} throttled", text::count(lane.throttled)),
        Column::Failed | Column::Throttled => String::new(),
    }
}

fn bar_of(lane: &LaneSnapshot, width: usize) -> String {
    let share = if lane.lines == 0 { 1.0 } else { lane.done as f64 / lane.lines as f64 };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "at most the width of a terminal"
    )]
    let done = ((share * width as f64) as usize).min(width);
    format!("{}{}", "━".repeat(done), "─".repeat(width - done))
}

fn padded(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(measure_text_width(text))))
}

fn fit(text: &str, width: usize) -> String {
    truncate_str(text, width, "…").into_owned()
}

/// The status of the run, in the longest form that fits.
fn status(now: &Snapshot, width: usize) -> String {
    let before = || match now.done_before {
        0 => String::new(),
        done => format!(" ({} were done before)", text::lines(done)),
    };
    let other = now.lanes.iter().find_map(|lane| lane.waits_for.as_ref());
    let variants = match (now.phase, other) {
        _ if now.stopping => vec![
            "stopping: waiting for requests in flight; Ctrl-C again stops at once".to_owned(),
            "stopping; Ctrl-C again stops at once".to_owned(),
        ],
        (Phase::Starting, _) => {
            now.unclaimed.map(plain::unclaimed).into_iter().chain(["starting".to_owned()]).collect()
        }
        (Phase::Queued, _) => plain::queue(now),
        (Phase::Splitting, _) if now.remote => vec!["splitting the input".to_owned()],
        (Phase::Merging, _) if now.remote => vec!["merging the output".to_owned()],
        (Phase::Sending, _) if now.remote => {
            vec![
                format!("sending{}; Ctrl-C leaves the run alone", plain::batches(now)),
                "sending; Ctrl-C leaves the run alone".to_owned(),
            ]
        }
        (Phase::Splitting, _) => vec![format!("splitting the input: {}", text::lines(now.split_lines))],
        (Phase::Sending, Some(other)) => vec![
            format!("{other}; Ctrl-C stops, the same command continues"),
            other.to_string(),
            format!("waits for {}", other.job),
        ],
        (Phase::Sending, None) => vec![
            format!("sending{}; Ctrl-C stops, the same command continues", before()),
            "sending; Ctrl-C stops, the same command continues".to_owned(),
            "sending; Ctrl-C stops".to_owned(),
        ],
        (Phase::Merging, _) => vec![format!("merging the output: {}", text::lines(now.merged_lines))],
    };
    let fits = variants.iter().find(|text| measure_text_width(text) <= width);
    fits.or(variants.last()).cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::OtherJob;

    fn lane(name: &str, done: u64, lines: u64) -> LaneSnapshot {
        LaneSnapshot {
            lane: String::new(),
            name: name.to_owned(),
            lines,
            done,
            failed: 0,
            throttled: 0,
            sent: done,
            held_seconds: None,
            waits_for: None,
        }
    }

    fn now(lanes: Vec<LaneSnapshot>) -> Snapshot {
        Snapshot { phase: Phase::Sending, lanes, ..Snapshot::default() }
    }

    #[test]
    fn rows_fit_every_width_and_numbers_are_never_cut() {
        let mut slow = lane("a-very-long-name-of-a-host.eu-central-1.example.com", 1_234_567, 99_999_999);
        (slow.failed, slow.throttled, slow.held_seconds) = (123_456, 789, Some(3_600));
        let now = now(vec![slow, lane("b.example.com", 5, 10)]);
        for width in 40..200 {
            let lines = rows(&now, &Rates::default(), width, 24);
            assert_eq!(lines.len(), 4);
            for line in &lines {
                assert!(measure_text_width(line) < width, "{width}: {line}");
            }
            assert!(lines[0].starts_with("all"), "{width}: {}", lines[0]);
            assert!(lines[1].contains("1,234,567 of 99,999,999"), "{width}: {}", lines[1]);
            for part in lines[..3].iter().flat_map(|line| line.split("  ")).filter(|part| part.contains('…'))
            {
                assert!(
                    part.starts_with("a-very") || part.starts_with("b.exam"),
                    "{width}: only names are cut: {part}"
                );
            }
        }
        let wide = rows(&now, &Rates::default(), 160, 24);
        assert!(wide[1].find("failed") < wide[1].find('─'), "numbers come before bars\n{}", wide[1]);
        let narrow = rows(&now, &Rates::default(), 40, 24);
        assert!(!narrow[1].contains('─'), "{}", narrow[1]);
    }

    #[test]
    fn sending_lanes_are_shown_first_and_the_total_counts_all_lanes() {
        let mut lanes: Vec<LaneSnapshot> = (0..20).map(|n| lane(&format!("done-{n}"), 10, 10)).collect();
        lanes.extend((0..5).map(|n| lane(&format!("idle-{n}"), 0, 10)));
        lanes.extend((0..5).map(|n| lane(&format!("moves-{n}"), 5, 10)));
        let now = now(lanes);
        let rates = Rates::of_test(&["moves-0", "moves-1", "moves-2", "moves-3", "moves-4"]);
        let lines = rows(&now, &rates, 80, 18);
        assert_eq!(lines.len(), 17, "{lines:#?}");
        assert!(lines[0].starts_with("all") && lines[0].contains("225 of 300"), "{}", lines[0]);
        for name in (0..5).flat_map(|n| [format!("idle-{n}"), format!("moves-{n}")]) {
            assert!(lines.iter().any(|line| line.starts_with(&name)), "{name}\n{lines:#?}");
        }
        assert!(lines[15].starts_with("and 16 more: 16 finished"), "{}", lines[15]);
        // With one lane there is no total, and every height has at least a lane and the status.
        assert_eq!(rows(&self::now(vec![lane("a", 1, 2)]), &rates, 80, 24).len(), 2);
        assert_eq!(rows(&now, &rates, 80, 1).len(), 4);
    }

    #[test]
    fn status_is_shortened_to_fit() {
        let mut run = now(vec![lane("a", 1, 2)]);
        run.done_before = 1_000;
        let status = |width| rows(&run, &Rates::default(), width, 24).pop().unwrap_or_default();
        assert_eq!(
            status(120),
            "sending (1,000 lines were done before); Ctrl-C stops, the same command continues"
        );
        assert_eq!(status(60), "sending; Ctrl-C stops, the same command continues");
        assert_eq!(status(40), "sending; Ctrl-C stops");
        assert_eq!(status(12), "sending; C…");
        run.lanes[0].waits_for = Some(OtherJob { job: "places".into(), limit: "a".into() });
        let lines = rows(&run, &Rates::default(), 100, 24);
        assert!(lines[0].contains("1 of 2") && lines[0].contains("waits"), "{lines:?}");
        assert!(lines[1].starts_with("waits for places, which uses the limit a; Ctrl-C"), "{lines:?}");
    }
}
