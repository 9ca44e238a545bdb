//! Renders the requests as a worker would, and sends none of them.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use job::file::Drawn;
use job::file::secrets::Secrets;
use job::wire::SKIPPED;
use job::{Code, Item, Job, Row};
use net::guard::Guard;
use serde::de::IgnoredAny;
use worker::request::{self, Prepared};

use super::findings::Findings;
use crate::local::now;
use crate::text;

/// Renders each line when the input is split.
pub(super) struct Preview {
    job: Arc<Job>,
    secrets: Arc<Secrets>,
    guard: Guard,
    columns: Arc<[String]>,
    /// How many of the first lines are shown.
    shown: u64,
    until: Option<Instant>,
    /// When the check began, in milliseconds since 1970.
    now: u64,
    bar: ProgressBar,
    previewed: Previewed,
}

/// The rendered requests and what is wrong with them.
#[derive(Default)]
pub(super) struct Previewed {
    /// The first requests by line number, or why a line has no request.
    pub(super) first: BTreeMap<u64, Result<Prepared, String>>,
    pub(super) findings: Findings,
}

impl Preview {
    /// Keeps the first `shown` requests, and renders further lines `until` this time.
    pub(super) fn new(job: &Arc<Job>, shown: usize, until: Option<Instant>) -> Self {
        // The bar is drawn only on a terminal.
        let bar = ProgressBar::new_spinner();
        bar.enable_steady_tick(Duration::from_millis(200));
        Self {
            job: job.clone(),
            secrets: Arc::new(Secrets::masked(job.secrets.keys().cloned())),
            guard: Guard::new(&job.request.allow),
            columns: Arc::from([]),
            shown: shown as u64,
            until,
            now: now(),
            bar,
            previewed: Previewed::default(),
        }
    }

    pub(super) fn end(self) -> Previewed {
        self.bar.finish_and_clear();
        self.previewed
    }

    fn item(&mut self, item: &Item<'_>) {
        let n = item.n.number();
        let late = self.until.is_some_and(|until| Instant::now() > until);
        if late && item.error.is_none() && n > self.shown {
            self.previewed.findings.skipped += 1;
            return;
        }
        if item.error.as_deref() == Some(SKIPPED) {
            self.previewed.findings.no_request += 1;
            return;
        }
        let rendered = self.render(item);
        match &rendered {
            Ok(request) => self.previewed.findings.add_request(
                n,
                request,
                self.job.request.json_body.then(|| json_error(request)).flatten(),
            ),
            Err((code, detail)) => self.previewed.findings.add_failure(n, code, detail),
        }
        self.previewed.findings.add_fields(item.v);
        if n <= self.shown {
            self.previewed.first.insert(n, rendered.map_err(|(code, detail)| format!("{code}: {detail}")));
        }
    }

    /// The line's request, or the code and the detail of its failure.
    fn render(&self, item: &Item<'_>) -> Result<Prepared, (String, String)> {
        if let Some(error) = &item.error {
            return Err((error.to_string(), item.detail.as_deref().unwrap_or_default().to_owned()));
        }
        let row = item.v.map(|v| Row::parse(&self.columns, v));
        let row = row
            .and_then(Result::ok)
            .ok_or_else(|| (Code::Parse.to_string(), "the line has no values".to_owned()))?;
        let row = self.job.row(row, || Drawn::new("check", self.now, item.n, item.n.number()));
        let request = request::render(&self.job, &row, &self.secrets, None);
        let request = request.map_err(|failure| (failure.code.to_string(), failure.detail))?;
        self.guard
            .check_without_lookup(&request.url)
            .map_err(|denied| (Code::AddressDenied.to_string(), denied.to_string()))?;
        Ok(request)
    }
}

/// Why the body is not valid JSON, although the request declares it as JSON.
fn json_error(request: &Prepared) -> Option<String> {
    serde_json::from_slice::<IgnoredAny>(request.body.as_deref()?).err().map(|error| error.to_string())
}

impl preprocess::Sink for Preview {
    fn items(&mut self, _lane: &str, items: Vec<u8>) -> io::Result<()> {
        for line in items.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            self.item(&Item::parse(line).map_err(io::Error::other)?);
        }
        Ok(())
    }

    fn columns(&mut self, columns: &Arc<[String]>) {
        self.columns = columns.clone();
    }

    fn progress(&mut self, lines: u64, _bytes: u64) {
        self.bar.set_message(format!("checking the input: {}", text::lines(lines)));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn after_the_time_limit_only_shown_lines_and_unreadable_lines_are_counted() {
        let job =
            Arc::new(Job::parse("[request]\nurl = \"https://a.example/{{ line }}\"", "job.toml").unwrap());
        let previewed = |until| {
            let mut preview = Preview::new(&job, 2, until);
            preprocess::split(&b"1\n2\n3\n\xff\n5\n"[..], &job, "in.txt", &mut preview).unwrap();
            preview.end()
        };
        let late = previewed(Some(Instant::now().checked_sub(Duration::from_secs(1)).unwrap()));
        assert_eq!((late.findings.skipped, late.findings.count("decode"), late.first.len()), (2, 1, 2));
        let all = previewed(None);
        assert_eq!((all.findings.skipped, all.findings.count("decode"), all.first.len()), (0, 1, 2));
    }
}
