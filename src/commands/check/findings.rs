//! What will go wrong in the run, counted by reason.

use std::collections::BTreeMap;

use postprocess::ErrorCount;
use serde_json::value::RawValue;
use worker::request::Prepared;

use super::super::summary::reason;
use crate::text;

/// Lines named as examples of each reason.
const EXAMPLES: usize = 5;
/// Separators that a file may use instead of the one it is read with.
pub(super) const SEPARATORS: [char; 4] = [';', '\t', '|', ','];

/// Counts over the lines that were rendered.
#[derive(Default)]
pub(in crate::commands) struct Findings {
    /// Lines that were not rendered for lack of time.
    pub(super) skipped: u64,
    /// Lines that make no request, because `where` of the job does not hold for them.
    pub(super) no_request: u64,
    rendered: u64,
    failing: u64,
    /// Bytes of all requests together.
    request_bytes: u64,
    codes: BTreeMap<String, ErrorCount>,
    /// Bodies that are declared as JSON and are not valid JSON.
    bodies: ErrorCount,
    first: Option<(u64, Prepared)>,
    /// Whether every request so far is the same.
    pub(super) equal: bool,
    /// How often each separator occurs in the first field of a line, if that number is the same in all lines;
    /// otherwise 0.
    separators: Option<[usize; SEPARATORS.len()]>,
}

impl Findings {
    /// Adds a line that has a request. `json_error` says why its body is not the JSON that it should be.
    pub(super) fn add_request(&mut self, n: u64, request: &Prepared, json_error: Option<String>) {
        self.rendered += 1;
        self.request_bytes += bytes(request);
        match &self.first {
            None => {
                self.equal = true;
                self.first = Some((n, request.clone()));
            }
            Some((_, first)) if self.equal => {
                self.equal = first.url == request.url
                    && first.headers == request.headers
                    && first.body == request.body
                    && first.upload == request.upload;
            }
            Some(_) => {}
        }
        if let Some(error) = json_error {
            "body".clone_into(&mut self.bodies.code);
            add(&mut self.bodies, n, &error);
        }
    }

    /// Adds a line that fails without a request.
    pub(super) fn add_failure(&mut self, n: u64, code: &str, detail: &str) {
        self.rendered += 1;
        self.failing += 1;
        let empty = || ErrorCount { code: code.to_owned(), ..ErrorCount::default() };
        add(self.codes.entry(code.to_owned()).or_insert_with(empty), n, detail);
    }

    /// Adds the fields of a line, if it has any.
    pub(super) fn add_fields(&mut self, fields: Option<&RawValue>) {
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
        self.rendered > 0 && self.failing + self.bodies.count >= self.rendered
    }

    /// Bytes of a request on average: its first line, its headers and its body.
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    pub(super) fn mean_request(&self) -> f64 {
        self.request_bytes as f64 / (self.rendered - self.failing).max(1) as f64
    }

    /// The number of lines that fail with this code.
    pub(super) fn count(&self, code: &str) -> u64 {
        self.codes.get(code).map_or(0, |found| found.count)
    }

    /// The detail of the first failure with this code.
    pub(super) fn detail(&self, code: &str) -> &str {
        self.codes.get(code).map_or("", |found| &found.detail)
    }

    /// The request that several lines have in common, if all requests are the same.
    pub(super) fn common_request(&self) -> Option<&Prepared> {
        self.first
            .as_ref()
            .filter(|_| self.equal && self.rendered - self.failing > 1)
            .map(|(_, request)| request)
    }

    /// The separator that occurs in the first field of every line, and equally often in each.
    pub(super) fn separator(&self) -> Option<char> {
        let counts = self.separators.filter(|_| self.rendered > 0)?;
        SEPARATORS.into_iter().zip(counts).find(|(_, count)| *count > 0).map(|(separator, _)| separator)
    }

    /// How many of all `lines` were checked.
    pub(super) fn checked(&self, lines: u64) -> u64 {
        lines.saturating_sub(self.skipped)
    }

    /// The number of lines that fail without a request.
    pub(super) fn failing(&self) -> u64 {
        self.failing
    }

    /// The number of lines whose body is declared as JSON and is not valid JSON.
    pub(super) fn bodies(&self) -> u64 {
        self.bodies.count
    }

    /// The reasons why lines fail without a request, the most frequent one first.
    pub(super) fn by_frequency(&self) -> Vec<&ErrorCount> {
        let mut codes: Vec<&ErrorCount> = self.codes.values().collect();
        codes.sort_by_key(|found| std::cmp::Reverse(found.count));
        codes
    }

    /// Prints what was found among all `lines`, and how many of them were checked.
    pub(super) fn print(&self, lines: u64) {
        if self.no_request > 0 {
            println!("\n{} of {} make no request", text::count(self.no_request), text::lines(lines));
        }
        if self.failing > 0 {
            let (more, all) = (if self.skipped > 0 { "at least " } else { "" }, text::lines(lines));
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
        if self.skipped > 0 {
            println!(
                "\nchecked {} of {}; --all checks every line",
                text::count(self.checked(lines)),
                text::lines(lines)
            );
        }
    }
}

/// Bytes of a request in HTTP/1.1, without the headers that every request has.
fn bytes(Prepared { method, url, headers, body, .. }: &Prepared) -> u64 {
    let target = url[url::Position::BeforePath..url::Position::AfterQuery].len();
    let first_line = method.as_str().len() + target + " HTTP/1.1\r\n".len() + 1;
    let host = "host: \r\n".len() + url.authority().len();
    let headers: usize =
        headers.iter().map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len()).sum();
    (first_line + host + headers + body.as_ref().map_or(0, |body| body.len())) as u64
}

/// Counts one more line, and keeps the first lines as examples.
fn add(found: &mut ErrorCount, n: u64, detail: &str) {
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
