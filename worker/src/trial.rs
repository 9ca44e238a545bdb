//! One line's request, sent outside any run: for a person who wants to see what happens.

use std::sync::Arc;
use std::time::Duration;

use http::header::HeaderName;
use job::file::OutputFormat;
use job::text::visible;
use job::{Code, Job, LineId, LineResult, Row, StepError};
use net::guard::{Guard, SystemLookUp};
use tokio::time::Instant;

use crate::attempt::{Attempt, Ended, Outgoing, Success};
use crate::auth::Ready;
use crate::budget::Budget;
use crate::context::{Rng, SecretSource, SystemRng};
use crate::failure::Failure;
use crate::pace::Wall;
use crate::request::{self, Unit};
use crate::response::{Sender, readable};
use crate::run::{Access, Mask, TokenSource};
use crate::sockets::{self, Sockets};
use crate::tap::{Tap, Tapped};

/// Bytes of the responses that are held at once.
const MEMORY: usize = 64 << 20;

/// Sends single requests of a job. It keeps to no limit and writes nothing.
pub struct Trial {
    sender: Sender,
    tokens: Arc<dyn TokenSource>,
}

/// A request of a line, and what came back. Secrets are masked.
#[derive(Debug)]
pub struct Exchange {
    /// The method.
    pub method: String,
    /// The URL.
    pub url: String,
    /// How long it took, in milliseconds.
    pub millis: u32,
    /// The response, if there was one.
    pub response: Option<Response>,
    /// How it ended.
    pub end: Result<End, Failure>,
}

/// A response. Secrets are masked.
#[derive(Debug)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// The headers in the order in which they came.
    pub headers: Vec<(String, String)>,
    /// The text of the body; `None` if it is not text.
    pub body: Option<String>,
    /// Bytes of the body, without its content codings, that were read.
    pub bytes: usize,
    /// Only the beginning of the body was read.
    pub cut: bool,
}

/// The end of an exchange that did not fail.
#[derive(Debug)]
pub enum End {
    /// The values of the columns as JSON, in the order of the job.
    Values(Vec<String>),
    /// Another request follows: after a redirect, or with a new token.
    Again,
}

impl Trial {
    /// Reads the secrets of a job.
    ///
    /// # Errors
    /// `Job.Invalid` if a secret has no value or cannot be used.
    pub async fn new(
        job: Arc<Job>,
        name: &str,
        output: OutputFormat,
        source: Arc<dyn SecretSource>,
    ) -> Result<Self, StepError> {
        let mask = Arc::new(Mask::default());
        let guard = Guard::looking_up(&job.request.allow, Arc::new(SystemLookUp));
        let sockets = Arc::new(Sockets::new(sockets::descriptors()));
        let secrets = (source, Duration::MAX);
        let Access { tokens, connections, signer } =
            Access::open(&job, name, secrets, &mask, &guard, &sockets).await?;
        let sender = Sender {
            connections,
            signer,
            learns: false,
            job,
            output,
            mask,
            guard,
            budget: Arc::new(Budget::new(MEMORY)),
            wall: Wall::start(),
            tap: Some(Tap::default()),
        };
        Ok(Self { sender, tokens })
    }

    /// Sends the request of a line once, and follows its redirects.
    ///
    /// # Errors
    /// Why the line makes no request.
    pub async fn send(&self, row: &Arc<Row>) -> Result<Vec<Exchange>, Failure> {
        let secrets = self.tokens.secrets().await?;
        // No run has this key, so nothing is taken for a repetition of what a run sends.
        let run = format!("trial-{:016x}", SystemRng.next_u64());
        let key = request::idempotency_key(&self.sender.job, [(&*run, LineId::nth(1))]);
        let masked = |failure: Failure| Failure { detail: self.sender.mask.text(&failure.detail), ..failure };
        let job = &self.sender.job;
        let mut first = request::render(job, row, &secrets, key.as_deref()).map_err(masked)?;
        if let Some(packing) = &job.packing {
            first.unit = Some(Arc::new(Unit::new(job, packing, std::slice::from_ref(row)).map_err(masked)?));
        }
        let mut next = Some(first);
        let mut exchanges = Vec::new();
        while let Some(prepared) = next.take() {
            self.await_credential().await?;
            let (method, url) = (prepared.method.to_string(), self.text(prepared.url.as_str()));
            let outgoing = Outgoing {
                prepared: Box::new(prepared),
                lines: vec![LineId::nth(1)],
                provider: String::new(),
                tries: 1,
                earlier: Vec::new(),
            };
            let Attempt { millis, result, .. } = self.sender.attempt(outgoing).await;
            let end = match result {
                Ok(Success::Results(results)) => end_of(&results),
                Ok(Success::Next(following)) => {
                    tokio::time::sleep(following.wait).await;
                    next = Some(*following.prepared);
                    Ok(End::Again)
                }
                Ok(Success::Again(prepared)) => {
                    next = Some(*prepared);
                    Ok(End::Again)
                }
                Err(failed) => Err(failed.failure),
            };
            let response = self.sender.tap.as_ref().and_then(Tap::take).map(|tapped| self.shown(&tapped));
            exchanges.push(Exchange { method, url, millis, response, end });
        }
        Ok(exchanges)
    }

    async fn await_credential(&self) -> Result<(), Failure> {
        loop {
            match self.sender.signer.ready(Instant::now()) {
                Ready::Now => return Ok(()),
                Ready::At(at) => tokio::time::sleep_until(at).await,
                Ready::Never(reason) => return Err(Failure::new(Code::SecretDenied, reason)),
            }
        }
    }

    fn shown(&self, tapped: &Tapped) -> Response {
        let Tapped { status, headers, body, cut } = tapped;
        let text = readable(body, *cut, headers).map(|text| self.sender.mask.text(&text));
        let value = |name: &HeaderName, value: &http::HeaderValue| {
            (name.to_string(), self.text(&String::from_utf8_lossy(value.as_bytes())))
        };
        Response {
            status: status.as_u16(),
            headers: headers.iter().map(|(name, text)| value(name, text)).collect(),
            body: text.filter(|_| !body.is_empty()).or_else(|| body.is_empty().then(String::new)),
            bytes: body.len(),
            cut: *cut,
        }
    }

    fn text(&self, text: &str) -> String {
        visible(&self.sender.mask.text(text)).into_owned()
    }
}

/// The result of the one line that was sent.
fn end_of(results: &[Ended]) -> Result<End, Failure> {
    let Some(Ended { result, error, .. }) = results.first() else { return Ok(End::Values(Vec::new())) };
    let result = LineResult::parse(result).ok();
    match error {
        None => {
            let values = result.and_then(|result| result.v).unwrap_or_default();
            Ok(End::Values(values.into_iter().map(|value| value.get().to_owned()).collect()))
        }
        Some(code) => {
            let detail = result.and_then(|result| result.detail).unwrap_or_default();
            Err(Failure::new(*code, detail))
        }
    }
}
