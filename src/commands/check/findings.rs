//! What will go wrong, counted by reason.

use std::collections::BTreeMap;

use postprocess::ErrorCount;
use serde_json::value::RawValue;
use worker::request::Prepared;

use super::super::summary::reason;
use crate::text;

/// Examples of each reason.
const EXAMPLES: usize = 5;
/// Separators that a file may have in place of the one that it is read with.
pub(super) const SEPARATORS: [char; 4] = [';', '\t', '|', ','];

/// The lines that were looked at.
#[derive(Default)]
pub(super) struct Findings {
    /// Lines that were not looked at, for lack of time.
    pub(super) missed: u64,
    looked: u64,
    failing: u64,
    codes: BTreeMap<String, ErrorCount>,
    /// Bodies that are not the JSON that they say they are.
    bodies: ErrorCount,
    first: Option<(u64, Prepared)>,
    /// Every request so far is the same.
    pub(super) equal: bool,
    /// How often each separator stands in a line's first field, while that is the same in all lines.
    separators: Option<[usize; SEPARATORS.len()]>,
}

impl Findings {
    /// A line has a request, whose body may be `no_json`.
    pub(super) fn sends(&mut self, n: u64, request: &Prepared, no_json: Option<String>) {
        self.looked += 1;
        match &self.first {
            None => {
                self.equal = true;
                self.first = Some((n, request.clone()));
            }
            Some((_, first)) if self.equal => {
                self.equal = first.url == request.url
                    && first.headers == request.headers
                    && first.body == request.body;
            }
            Some(_) => {}
        }
        if let Some(error) = no_json {
            "body".clone_into(&mut self.bodies.code);
            count(&mut self.bodies, n, &error);
        }
    }

    /// A line fails without a request.
    pub(super) fn fails(&mut self, n: u64, code: &str, detail: &str) {
        self.looked += 1;
        self.failing += 1;
        let empty = || ErrorCount { code: code.to_owned(), ..ErrorCount::default() };
        count(self.codes.entry(code.to_owned()).or_insert_with(empty), n, detail);
    }

    /// The fields of a line, where it has some.
    pub(super) fn value(&mut self, fields: Option<&RawValue>) {
        let Some(fields) = fields
            .filter(|fields| fields.get().starts_with('[') && self.separators != Some([0; SEPARATORS.len()]))
        else {
            return;
        };
        let fields: Vec<String> = serde_json::from_str(fields.get()).unwrap_or_default();
        let Some(field) = fields.first() else { return };
        let counts = SEPARATORS.map(|separator| field.matches(separator).count());
        let known = self.separators.get_or_insert(counts);
        known
            .iter_mut()
            .zip(counts)
            .for_each(|(known, count)| *known = if *known == count { count } else { 0 });
    }

    /// Whether no line can succeed.
    pub(super) fn hopeless(&self) -> bool {
        self.looked > 0 && self.failing + self.bodies.count >= self.looked
    }

    /// How many lines fail with this code.
    pub(super) fn of(&self, code: &str) -> u64 {
        self.codes.get(code).map_or(0, |found| found.count)
    }

    /// What the first line with this code fails with.
    pub(super) fn detail(&self, code: &str) -> &str {
        self.codes.get(code).map_or("", |found| &found.detail)
    }

    /// The request of the first line that has one, where all requests of several lines are the same.
    pub(super) fn only(&self) -> Option<&Prepared> {
        self.first
            .as_ref()
            .filter(|_| self.equal && self.looked - self.failing > 1)
            .map(|(_, request)| request)
    }

    /// The separator that stands in the first field of every line, equally often.
    pub(super) fn separator(&self) -> Option<char> {
        let counts = self.separators.filter(|_| self.looked > 0)?;
        SEPARATORS.into_iter().zip(counts).find(|(_, count)| *count > 0).map(|(separator, _)| separator)
    }

    /// How many of `lines` were looked at.
    pub(super) fn looked(&self, lines: u64) -> u64 {
        lines.saturating_sub(self.missed)
    }

    /// Lines that fail without a request.
    pub(super) fn failing(&self) -> u64 {
        self.failing
    }

    /// Lines whose body is not the JSON that it says it is.
    pub(super) fn bodies(&self) -> u64 {
        self.bodies.count
    }

    /// Why lines fail without a request, the most frequent reason first.
    pub(super) fn by_frequency(&self) -> Vec<&ErrorCount> {
        let mut codes: Vec<&ErrorCount> = self.codes.values().collect();
        codes.sort_by_key(|found| std::cmp::Reverse(found.count));
        codes
    }

    /// Prints what was found among `lines`, and how far the look went.
    pub(super) fn print(&self, lines: u64) {
        if self.failing > 0 {
            let (more, all) = (if self.missed > 0 { "at least " } else { "" }, text::lines(lines));
            println!("\n{more}{} of {all} will fail without a request:", text::count(self.failing));
            self.by_frequency().into_iter().for_each(|found| println!("{}", reason(found)));
        }
        if self.bodies.count > 0 {
            println!(
                "\n{} of {} would send a body that is not JSON:",
                text::count(self.bodies.count),
                text::lines(lines)
            );
            println!("{}", reason(&self.bodies));
        }
        if self.missed > 0 {
            println!(
                "\nlooked at {} of {}; --all looks at all",
                text::count(self.looked(lines)),
                text::lines(lines)
            );
        }
    }
}

fn count(found: &mut ErrorCount, n: u64, detail: &str) {
    found.count += 1;
    let at = found.lines.partition_point(|line| *line < n);
    if at < EXAMPLES {
        if at == 0 {
            detail.clone_into(&mut found.detail);
        }
        found.lines.insert(at, n);
        found.lines.truncate(EXAMPLES);
    }
}
