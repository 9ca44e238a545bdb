//! The counts of a merge: lines, requests, latencies, and why lines failed.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use job::Code;
use job::run::CONNECT_CAUSES;
use serde::{Deserialize, Serialize};

use super::Histogram;
use crate::input::{RequestCounts, ResultView, Writer};

/// Lines whose numbers are kept for each code, as examples.
const EXAMPLES: usize = 5;
/// [`Code::NotProcessed`] and [`Code::Stopped`] as strings, since each line is compared with them.
pub(crate) const WITHOUT_RESULT: [&str; 2] = ["not_processed", "stopped"];

/// The classes of a line's last attempt, as the report names them.
pub(crate) const CLASSES: [&str; 5] = ["ok", "429", "4xx", "5xx", "other"];
/// Separates a code from its cause.
const CAUSE_SEPARATOR: char = ' ';

/// Counts of one lane, or of all.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Tally {
    pub(crate) ok: u64,
    pub(crate) failed: u64,
    pub(crate) not_processed: u64,
    /// Lines that make no request.
    #[serde(default)]
    pub(crate) skipped: u64,
    pub(crate) throttled: u64,
    pub(crate) spent: RequestCounts,
    /// The first begin and the last end of this generation's last attempts: milliseconds since 1970.
    span: Option<(u64, u64)>,
    /// How long the lines' last attempts took.
    pub(crate) latency: Histogram,
    /// The same by class: indexes of [`CLASSES`].
    pub(crate) classes: BTreeMap<u8, Histogram>,
}

impl Tally {
    /// Counts the last attempt of a line, if this run made it.
    pub(crate) fn attempt(&mut self, result: &ResultView<'_>, writer: Writer) {
        if result.tries == 0 || writer == Writer::RunBefore {
            return;
        }
        self.latency.add(result.ms);
        self.classes.entry(class(result.error.as_deref())).or_default().add(result.ms);
        if writer == Writer::ThisGeneration {
            let began = result.t.saturating_sub(u64::from(result.ms));
            self.span = Some(
                self.span.map_or((began, result.t), |(first, last)| (first.min(began), last.max(result.t))),
            );
        }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        let Self { ok, failed, not_processed, skipped, throttled, spent, span, latency, classes } = other;
        self.ok += ok;
        self.failed += failed;
        self.not_processed += not_processed;
        self.skipped += skipped;
        self.throttled += throttled;
        self.spent.add(*spent);
        self.latency.merge(latency);
        classes.iter().for_each(|(class, latency)| self.classes.entry(*class).or_default().merge(latency));
        self.span = match (self.span, *span) {
            (Some((a, b)), Some((c, d))) => Some((a.min(c), b.max(d))),
            (one, other) => one.or(other),
        };
    }

    pub(crate) fn lines(&self) -> u64 {
        self.ok + self.failed + self.not_processed + self.skipped
    }

    /// Requests per second of this generation, from the first to the last; 0 if no time passed.
    pub(crate) fn rate(&self) -> f64 {
        match self.span {
            Some((first, last)) if last > first => self.spent.current as f64 * 1000.0 / (last - first) as f64,
            _ => 0.0,
        }
    }
}

/// The class of a line's last attempt: an index of [`CLASSES`].
fn class(error: Option<&str>) -> u8 {
    match error {
        None => 0,
        Some("http_429" | "rate_limited") => 1,
        Some(code) if code.starts_with("http_4") => 2,
        Some(code) if code.starts_with("http_5") => 3,
        Some(_) => 4,
    }
}

/// Why lines failed.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Codes {
    by_code: BTreeMap<String, Failures>,
}

/// The lines that failed with one code.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Failures {
    pub(crate) count: u64,
    /// The numbers of the first few.
    pub(crate) lines: Vec<u64>,
    /// The detail of the first.
    pub(crate) detail: String,
}

impl Codes {
    /// Counts a failed line. Lost connections are counted by their causes. Returns whether the line was
    /// processed.
    pub(crate) fn add(&mut self, n: u64, code: &str, detail: &str) -> bool {
        if let Some(cause) = cause(code, detail) {
            return self.add_to(n, &format!("{code}{CAUSE_SEPARATOR}{cause}"), detail);
        }
        self.add_to(n, code, detail)
    }

    fn add_to(&mut self, n: u64, code: &str, detail: &str) -> bool {
        if !self.by_code.contains_key(code) {
            self.by_code
                .insert(code.to_owned(), Failures { detail: detail.to_owned(), ..Failures::default() });
        }
        if let Some(failures) = self.by_code.get_mut(code) {
            failures.count += 1;
            if failures.lines.len() < EXAMPLES {
                failures.lines.push(n);
            }
        }
        !WITHOUT_RESULT.contains(&code)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.by_code.is_empty()
    }

    pub(crate) fn count(&self, code: Code) -> u64 {
        self.by_code.get(&code.to_string()).map_or(0, |failures| failures.count)
    }

    /// All codes with their causes, the most frequent first.
    pub(crate) fn by_frequency(&self) -> Vec<(&str, Option<&str>, &Failures)> {
        let all = self.by_code.iter().map(|(code, failures)| match code.split_once(CAUSE_SEPARATOR) {
            Some((code, cause)) => (code, Some(cause), failures),
            None => (code.as_str(), None, failures),
        });
        let mut all: Vec<_> = all.collect();
        all.sort_by_key(|(_, _, failures)| Reverse(failures.count));
        all
    }
}

/// The cause of a lost connection, see [`CONNECT_CAUSES`].
fn cause(code: &str, detail: &str) -> Option<&'static str> {
    let word = if code == "connect" { detail.split_once(':')?.0 } else { return None };
    CONNECT_CAUSES.into_iter().find(|cause| *cause == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lost_connections_are_counted_by_their_causes() {
        let mut codes = Codes::default();
        for (n, detail) in (1..).zip(["refused: a", "dns: b", "dns: c", "odd: d", "odd"]) {
            codes.add(n, &Code::Connect.to_string(), detail);
        }
        let all: Vec<_> = codes
            .by_frequency()
            .into_iter()
            .map(|(code, cause, failures)| (code, cause, failures.count, &*failures.detail))
            .collect();
        let expected = [(Some("dns"), 2, "dns: b"), (None, 2, "odd: d"), (Some("refused"), 1, "refused: a")];
        for (cause, count, detail) in expected {
            assert!(all.contains(&("connect", cause, count, detail)), "{all:?}");
        }
        assert_eq!(all.len(), 3);
    }

    #[test]
    fn the_codes_of_lines_that_were_not_processed() {
        assert_eq!(WITHOUT_RESULT, [Code::NotProcessed.to_string(), Code::Stopped.to_string()]);
    }
}
