//! A job whose requests a test can foretell, and its lines.

use std::collections::BTreeMap;

use testing::{Api, JobFile, ReceivedRequest};

/// How often something occurs.
pub(super) type Counts = BTreeMap<String, usize>;

pub(super) fn counts(of: impl IntoIterator<Item = String>) -> Counts {
    of.into_iter().fold(Counts::new(), |mut counts, one| {
        *counts.entry(one).or_default() += 1;
        counts
    })
}

/// The parts of a job that edits change.
#[derive(Debug, Clone)]
pub(super) struct Job {
    pub(super) method: &'static str,
    pub(super) query: &'static str,
    pub(super) header: &'static str,
    pub(super) body: &'static str,
    /// Columns besides `got`.
    pub(super) columns: &'static [(&'static str, &'static str)],
    pub(super) rate: &'static str,
    /// Lines of `[request]`.
    pub(super) request: &'static str,
    /// Whole tables, or a comment.
    pub(super) tables: &'static str,
}

impl Job {
    pub(super) fn new(method: &'static str) -> Self {
        Self {
            method,
            query: "",
            header: "1",
            body: if method == "GET" { "" } else { "first" },
            columns: &[],
            rate: "unlimited",
            request: "",
            tables: "",
        }
    }

    pub(super) fn text(&self, api: &Api) -> String {
        let url = api.url(&format!("/{{{{ kind }}}}/{{{{ id }}}}{}", self.query));
        let headers =
            format!("headers = {{ version = \"{}\", key = \"{{{{ secret.KEY }}}}\" }}", self.header);
        let mut job = JobFile::with_method(self.method, url)
            .request(headers)
            .limit(api.host(), format!("rate = \"{}\"\nin_flight = 2", self.rate))
            .column("got", "$.id")
            .request(self.request)
            .tables(self.tables);
        if !self.body.is_empty() {
            job = job.request(format!("body = \"{} {{{{ id }}}}\"", self.body));
        }
        self.columns.iter().fold(job, |job, (name, source)| job.column(name, source)).to_string()
    }

    /// What the API sees of the request for a line.
    pub(super) fn key(&self, line: &Line) -> String {
        let Line { kind, id, .. } = line;
        let body = if self.body.is_empty() { String::new() } else { format!("{} {id}", self.body) };
        format!("{} /{kind}/{id}{} {} {body}", self.method, self.query, self.header)
    }
}

/// What a request says, in the form of [`Job::key`].
pub(super) fn key_of(request: &ReceivedRequest) -> String {
    let version = request.header("version").unwrap_or_default();
    format!("{} {} {version} {}", request.method, request.uri, request.body)
}

/// A line of the input. `note` is in no request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) kind: &'static str,
    pub(super) id: String,
    pub(super) note: &'static str,
}

impl Line {
    pub(super) fn new(id: impl Into<String>) -> Self {
        Self { kind: "ok", id: id.into(), note: "a" }
    }
}

/// Twelve lines. Every fourth fails while the API is broken.
pub(super) fn lines() -> Vec<Line> {
    (0..12)
        .map(|n| Line { kind: if n % 4 == 0 { "flaky" } else { "ok" }, ..Line::new(format!("n{n:02}")) })
        .collect()
}

pub(super) fn input(lines: &[Line]) -> String {
    let rows = lines.iter().map(|Line { kind, id, note }| format!("{kind},{id},{note}\n"));
    format!("kind,id,note\n{}", rows.collect::<String>())
}
