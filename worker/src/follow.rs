//! The requests that follow the first one of a line: `[[then]]` and `[pages]`.

mod link;
mod pages;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{HeaderMap, HeaderValue};
use job::file::secrets::Secrets;
use job::file::{Job, Step, Until};
use job::json::Document;
use job::wire::Begun;
use job::{Code, LineId, Row};
use url::Url;

use crate::failure::{FailedAttempt, Failure};
use crate::request::{self, Prepared};
use crate::response::retry_after;
use crate::response::{Seen, Sender};

/// Where a line is among its requests.
#[derive(Debug, Clone)]
pub(crate) struct Chain {
    /// What templates see, without the responses.
    row: Arc<Row>,
    secrets: Arc<Secrets>,
    /// The key of the line's requests, if one of them has a key.
    key: Option<String>,
    /// The URL of the first request: the other ones stay at its origin.
    first: Url,
    /// The step whose request this is: 0 is the first request.
    step: usize,
    /// When the step began, in milliseconds since 1970.
    since: u64,
    /// The responses to the steps before.
    responses: Vec<Document>,
    /// What the pages so far have, and how many they are.
    items: Vec<Bytes>,
    pages: u32,
}

/// What follows a response that counts as success.
pub(crate) enum Follows {
    Request(Box<Following>),
    /// Nothing; with `[pages]` the whole that the columns see.
    Nothing(Option<Bytes>),
}

/// A request that follows.
pub(crate) struct Following {
    pub(crate) prepared: Box<Prepared>,
    pub(crate) wait: Duration,
    /// What is kept of the line, so that its earlier requests are not sent again.
    pub(crate) begun: Option<Begun>,
}

impl Chain {
    pub(crate) fn new(row: Arc<Row>, secrets: Arc<Secrets>, key: Option<String>, first: Url) -> Self {
        Self {
            row,
            secrets,
            key,
            first,
            step: 0,
            since: 0,
            responses: Vec::new(),
            items: Vec::new(),
            pages: 0,
        }
    }

    /// The step whose request this is: 0 is the first request.
    pub(crate) fn step(&self) -> usize {
        self.step
    }

    /// The request to go on with, after what was kept of the line.
    pub(crate) fn resume(mut self, job: &Job, begun: &Begun) -> Result<Prepared, Failure> {
        let damaged =
            |why: String| Failure::new(Code::Render, format!("the kept responses cannot be read: {why}"));
        self.step = begun.step;
        self.since = begun.since;
        let responses = begun.responses.iter().map(|response| Document::parse(response));
        self.responses = responses.collect::<Result<_, _>>().map_err(|error| damaged(error.to_string()))?;
        let base = Url::parse(&begun.url).map_err(|error| damaged(error.to_string()))?;
        self.request(job, &base)
    }

    /// The request of the step. A relative URL is relative to `base`.
    fn request(self, job: &Job, base: &Url) -> Result<Prepared, Failure> {
        let step = &job.follow.as_ref().expect("the chain has steps").steps[self.step - 1];
        let row = Arc::new(Row::After { row: self.row.clone(), responses: self.responses.clone() });
        let key = self.key.as_ref().filter(|_| step.sends_idempotency_keys());
        let key = key.map(|key| request::key_of_step(key, self.step));
        let mut prepared = request::render_step(job, step, &row, &self.secrets, base, key.as_deref())?;
        self.check_origin(&prepared.url)?;
        prepared.chain = Some(Box::new(self));
        Ok(prepared)
    }

    /// Fails if a request would leave the origin of the first one, whose limit and secrets it has.
    fn check_origin(&self, url: &Url) -> Result<(), Failure> {
        if url.origin() == self.first.origin() {
            return Ok(());
        }
        let (to, of) = (url.origin().ascii_serialization(), self.first.origin().ascii_serialization());
        let detail = format!("the next request leads to {to}, and all requests of a line go to {of}");
        Err(Failure::new(Code::Url, detail))
    }
}

impl Sender {
    /// What follows a response.
    pub(crate) fn follow(&self, chain: &Chain, seen: &Seen<'_>) -> Result<Follows, FailedAttempt> {
        let follow = self.job.follow.as_ref().expect("the chain has requests that follow");
        let status = seen.status.as_u16();
        let failed = |failure: Failure| FailedAttempt::from(Failure { status, ..failure });
        let step = chain.step.checked_sub(1).map(|at| &follow.steps[at]);
        if let Some(Step { until: Some(until), .. }) = step
            && let Some(wait) = self.repeats(until, chain, seen)?
        {
            let prepared = Box::new(Prepared { hops: 0, ..seen.prepared.clone() });
            return Ok(Follows::Request(Box::new(Following { prepared, wait, begun: None })));
        }
        if let Some(next) = follow.steps.get(chain.step) {
            let text = seen.as_json().map_err(|why| failed(Failure::new(Code::Extract, why)))?;
            let response = Document::parse(&text)
                .map_err(|error| failed(Failure::new(Code::Extract, error.to_string())))?;
            let mut chain = chain.clone();
            chain.responses.push(response);
            chain.step += 1;
            chain.since = self.wall.now().millis;
            let begun = self.begun(&chain, &seen.prepared.url);
            let wait = match &next.until {
                Some(until) => self.interval(until, seen),
                None => Duration::ZERO,
            };
            let next = chain.request(&self.job, &seen.prepared.url).map_err(failed)?;
            let prepared = Box::new(Prepared { identity: seen.prepared.identity, ..next });
            return Ok(Follows::Request(Box::new(Following { prepared, wait, begun: Some(begun) })));
        }
        match &follow.pages {
            Some(pages) => self.next_page(pages, chain, seen).map_err(failed),
            None => Ok(Follows::Nothing(None)),
        }
    }

    /// How long to wait until a step is repeated; `None` if its condition holds.
    fn repeats(
        &self,
        until: &Until,
        chain: &Chain,
        seen: &Seen<'_>,
    ) -> Result<Option<Duration>, FailedAttempt> {
        let failed = |detail: String| {
            let status = seen.status.as_u16();
            FailedAttempt::from(Failure { status, ..Failure::new(Code::Pending, detail) })
        };
        let quoted = || self.excerpt(seen.body, seen.headers).unwrap_or_default();
        match seen.holds(&until.holds) {
            Ok(true) => return Ok(None),
            Ok(false) => {}
            Err(why) => {
                return Err(failed(format!(
                    "until cannot be evaluated for this response: {why}: {}",
                    quoted()
                )));
            }
        }
        let passed = Duration::from_millis(self.wall.now().millis.saturating_sub(chain.since));
        let wait = self.interval(until, seen);
        if passed + wait > until.within {
            return Err(failed(format!("until does not hold within {:?}: {}", until.within, quoted())));
        }
        Ok(Some(wait))
    }

    /// The wait that the response asks for, at least that of the job.
    fn interval(&self, until: &Until, seen: &Seen<'_>) -> Duration {
        let asked = retry_after::read(seen.headers, self.wall.now().millis);
        asked.unwrap_or_default().max(until.every)
    }

    /// What is kept of a line. Secrets in its responses are masked.
    fn begun(&self, chain: &Chain, url: &Url) -> Begun {
        let text = |response: &Document| {
            let mut text = response.root().raw().as_bytes().to_vec();
            self.mask.value(&mut text, 0);
            String::from_utf8_lossy(&text).into_owned()
        };
        let responses = chain.responses.iter().map(text).collect();
        // A key of the query is not needed for a URL that is relative to this one.
        let mut base = url.clone();
        base.set_query(None);
        // The loop knows the line.
        let n = LineId::default();
        Begun { n, step: chain.step, since: chain.since, url: self.mask.text(base.as_str()), responses }
    }
}

/// The headers of a response whose body was made of those of several.
pub(crate) fn of_whole(headers: &HeaderMap) -> HeaderMap {
    let mut headers = headers.clone();
    headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    headers
}
