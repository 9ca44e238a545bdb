//! Renders the lines as a worker would, and sends none.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use job::file::secrets::Secrets;
use job::{Code, Item, Job, Row};
use net::guard::Guard;
use serde::de::IgnoredAny;
use worker::request::{self, Prepared};

use super::findings::Findings;
use crate::text;

/// The lines as they are split.
pub(super) struct Look {
    job: Arc<Job>,
    secrets: Arc<Secrets>,
    guard: Guard,
    columns: Arc<[String]>,
    /// The first lines, whose requests are shown.
    shown: u64,
    until: Option<Instant>,
    bar: ProgressBar,
    seen: Seen,
}

/// What was seen.
#[derive(Default)]
pub(super) struct Seen {
    /// The first requests by line, or why there is none.
    pub(super) first: BTreeMap<u64, Result<Prepared, String>>,
    pub(super) findings: Findings,
}

impl Look {
    /// Shows the first `shown` requests, and renders lines `until` then.
    pub(super) fn new(job: &Arc<Job>, shown: usize, until: Option<Instant>) -> Self {
        // It draws only on a terminal.
        let bar = ProgressBar::new_spinner();
        bar.enable_steady_tick(Duration::from_millis(200));
        Self {
            job: job.clone(),
            secrets: Arc::new(Secrets::masked(job.secrets.keys().cloned())),
            guard: Guard::new(&job.request.allow),
            columns: Arc::from([]),
            shown: shown as u64,
            until,
            bar,
            seen: Seen::default(),
        }
    }

    pub(super) fn end(self) -> Seen {
        self.bar.finish_and_clear();
        self.seen
    }

    fn item(&mut self, item: &Item<'_>) {
        let n = item.n.number();
        let late = self.until.is_some_and(|until| Instant::now() > until);
        if late && item.error.is_none() && n > self.shown {
            self.seen.findings.missed += 1;
            return;
        }
        let rendered = self.render(item);
        match &rendered {
            Ok(request) => self.seen.findings.sends(
                n,
                request,
                self.job.request.json_body.then(|| no_json(request)).flatten(),
            ),
            Err((code, detail)) => self.seen.findings.fails(n, code, detail),
        }
        self.seen.findings.value(item.v);
        if n <= self.shown {
            self.seen.first.insert(n, rendered.map_err(|(code, detail)| format!("{code}: {detail}")));
        }
    }

    /// The line's request, or the code and the detail that it fails with.
    fn render(&self, item: &Item<'_>) -> Result<Prepared, (String, String)> {
        if let Some(error) = &item.error {
            return Err((error.to_string(), item.detail.as_deref().unwrap_or_default().to_owned()));
        }
        let row = item.v.map(|v| Row::parse(&self.columns, v));
        let row = row
            .and_then(Result::ok)
            .ok_or_else(|| (Code::Parse.to_string(), "the line has no values".to_owned()))?;
        let request = request::render(&self.job, &Arc::new(row), &self.secrets, None);
        let request = request.map_err(|failure| (failure.code.to_string(), failure.detail))?;
        self.guard
            .foresee(&request.url)
            .map_err(|denied| (Code::AddressDenied.to_string(), denied.to_string()))?;
        Ok(request)
    }
}

/// Why the body is not the JSON that it says it is.
fn no_json(request: &Prepared) -> Option<String> {
    serde_json::from_slice::<IgnoredAny>(request.body.as_deref()?).err().map(|error| error.to_string())
}

impl preprocess::Sink for Look {
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
        self.bar.set_message(format!("looking at the input: {}", text::lines(lines)));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn without_time_only_what_is_shown_and_what_the_split_finds_is_counted() {
        let job =
            Arc::new(Job::parse("[request]\nurl = \"https://a.example/{{ line }}\"", "job.toml").unwrap());
        let seen = |until| {
            let mut look = Look::new(&job, 2, until);
            preprocess::split(&b"1\n2\n3\n\xff\n5\n"[..], &job, "in.txt", &mut look).unwrap();
            look.end()
        };
        let late = seen(Some(Instant::now().checked_sub(Duration::from_secs(1)).unwrap()));
        assert_eq!((late.findings.missed, late.findings.of("decode"), late.first.len()), (2, 1, 2));
        let all = seen(None);
        assert_eq!((all.findings.missed, all.findings.of("decode"), all.first.len()), (0, 1, 2));
    }
}
