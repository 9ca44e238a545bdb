//! Counts over many runs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::moment::Moment;

#[derive(Debug, Default)]
pub struct Tally {
    pub runs: usize,
    pub kills: usize,
    /// Processes that had ended before they could be killed.
    pub missed: usize,
    /// By moment: how many kills met it, and how many were planned for it.
    pub moments: BTreeMap<Moment, (usize, usize)>,
    pub lines_in: usize,
    pub lines_out: usize,
    pub lost: usize,
    pub duplicated: usize,
    /// Requests for lines that had been sent before.
    pub repeated: usize,
    /// The most of them in one run.
    pub most_repeated: usize,
}

impl Tally {
    pub fn kill(&mut self, killed: bool, met: Option<(Moment, bool)>) {
        self.kills += usize::from(killed);
        self.missed += usize::from(!killed);
        if let Some((moment, met)) = met {
            let (mets, all) = self.moments.entry(moment).or_default();
            *mets += usize::from(met);
            *all += 1;
        }
    }

    /// Fails when no process was killed, or when one of these moments was never met.
    pub fn met(&self, sure: &[Moment]) {
        assert!(self.kills > 0, "{self}");
        assert!(sure.iter().all(|moment| self.moments[moment].0 > 0), "{self}");
    }

    pub fn requests(&mut self, sent: usize, lines: usize) {
        self.repeated += sent - lines;
        self.most_repeated = self.most_repeated.max(sent - lines);
    }

    /// Counts the rows of an output, header first, whose first column is different in every line.
    pub fn lines(&mut self, lines: usize, rows: &[Vec<String>]) {
        let different: BTreeSet<_> = rows[1..].iter().map(|row| &row[0]).collect();
        self.runs += 1;
        self.lines_in += lines;
        self.lines_out += rows.len() - 1;
        self.lost += lines - different.len();
        self.duplicated += rows.len() - 1 - different.len();
    }

    pub fn add(&mut self, other: &Self) {
        self.runs += other.runs;
        self.kills += other.kills;
        self.missed += other.missed;
        for (moment, (met, all)) in &other.moments {
            let (mets, alls) = self.moments.entry(*moment).or_default();
            *mets += met;
            *alls += all;
        }
        self.lines_in += other.lines_in;
        self.lines_out += other.lines_out;
        self.lost += other.lost;
        self.duplicated += other.duplicated;
        self.repeated += other.repeated;
        self.most_repeated = self.most_repeated.max(other.most_repeated);
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (moment, (met, all)) in &self.moments {
            writeln!(f, "  {:32} {met:>5} of {all}", moment.name())?;
        }
        writeln!(
            f,
            "  {:32} {:>5}",
            "at random",
            self.kills + self.missed - self.moments.values().map(|(_, all)| all).sum::<usize>()
        )?;
        writeln!(
            f,
            "kills survived         {:>9}   (in {} runs; {} processes had ended before)",
            self.kills, self.runs, self.missed
        )?;
        writeln!(f, "lines in               {:>9}", self.lines_in)?;
        writeln!(f, "lines out              {:>9}", self.lines_out)?;
        writeln!(f, "lost                   {:>9}", self.lost)?;
        writeln!(f, "duplicated             {:>9}", self.duplicated)?;
        writeln!(
            f,
            "requests repeated      {:>9}   (in flight or not yet flushed; at most {} in a run)",
            self.repeated, self.most_repeated
        )
    }
}
