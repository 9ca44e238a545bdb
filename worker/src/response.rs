//! One attempt: sends a request, reads the response, and reduces it to results or a failure.

mod body;
mod charset;
pub(crate) mod coding;
mod cookies;
mod extract;
mod fault;
mod judge;
mod redirect;
mod refusal;
pub(crate) mod retry_after;
mod sent_body;
mod spread;

use std::sync::Arc;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use bytes::Bytes;
use http::header::{AUTHORIZATION, COOKIE, HeaderValue, LOCATION};
use http::{HeaderMap, Request, StatusCode, Uri};
use http_body_util::Full;
use job::file::OutputFormat;
use job::{Code, Job};
use net::guard::Guard;
use percent_encoding::percent_decode_str;
use tokio::time::{Instant, timeout_at};
use url::{Position, Url};

use self::body::BodyError;
pub(crate) use self::body::prefix;
pub(crate) use self::charset::readable;
pub(crate) use self::extract::{Seen, not_json};
pub(crate) use self::fault::of_request as failed_request;
pub(crate) use self::retry_after::{Left, RetryAfter};
use crate::attempt::{Attempt, Ended, Outgoing, Success};
use crate::auth::Signer;
use crate::budget::Budget;
use crate::client;
use crate::failure::{FailedAttempt, Nature};
use crate::follow::{self, Follows};
use crate::pace::Wall;
use crate::request::Prepared;
use crate::result_line::{self, Figures};
use crate::run::{Connections, Mask};
use crate::tap::Tap;

/// Bytes of a refusal that are read: for its excerpt, and so that the connection can be used again.
const REFUSAL: u64 = 64 << 10;
/// The most bytes that the values of a response may have together, as a multiple of the largest body.
const COPIES: usize = 2;
/// Characters of a body that are quoted.
const EXCERPT: usize = 200;
/// Characters of the detail of a failure.
const DETAIL: usize = 400;

/// Sends requests of one job.
pub(crate) struct Sender {
    pub(crate) job: Arc<Job>,
    pub(crate) output: OutputFormat,
    pub(crate) mask: Arc<Mask>,
    pub(crate) guard: Guard,
    pub(crate) connections: Arc<Connections>,
    pub(crate) signer: Arc<Signer>,
    pub(crate) budget: Arc<Budget>,
    pub(crate) wall: Wall,
    /// Headers of responses say how many requests are left.
    pub(crate) learns: bool,
    /// Keeps the last response, for a person who wants to see it.
    pub(crate) tap: Option<Tap>,
}

impl Sender {
    /// Sends one request.
    pub(crate) async fn attempt(&self, outgoing: Outgoing) -> Attempt {
        let sent = Instant::now();
        let mut left = None;
        let mut result = self.exchange(&outgoing, sent, &mut left).await;
        if let Err(FailedAttempt { failure, .. }) = &mut result {
            failure.detail = shorten(&self.mask.text(&failure.detail), DETAIL);
        }
        Attempt { sent, millis: millis(sent), prepared: Some(outgoing.prepared), left, result }
    }

    async fn exchange(
        &self,
        outgoing: &Outgoing,
        sent: Instant,
        left: &mut Option<Left>,
    ) -> Result<Success, FailedAttempt> {
        let Outgoing { prepared, lines, provider, tries, earlier } = outgoing;
        let job = &*self.job;
        let mut deadline = sent + job.request.timeout;
        let silence = job.request.wire.read_timeout;
        self.guard
            .check(&prepared.url)
            .map_err(|denied| FailedAttempt::unsent(Code::AddressDenied, denied.to_string()))?;
        if self.connections.is_readable(&prepared.url) && job.carries_secret() {
            let reason = "the request carries a secret, and over http the proxy can read it";
            return Err(FailedAttempt::unsent(Code::SecretDenied, reason));
        }
        let unsent = |failure| FailedAttempt { on_wire: false, ..FailedAttempt::from(failure) };
        let is_plain = prepared.upload.is_none() && job.request.wire.compress.is_none();
        let (body, headers) = if is_plain {
            (prepared.body.clone(), None)
        } else {
            let (body, headers) = Box::pin(self.body_of(prepared)).await.map_err(unsent)?;
            (body, Some(headers))
        };
        let mut request = request(prepared, body.clone(), headers)?;
        let used = self.signer.sign(&mut request, body.as_ref()).map_err(unsent)?;
        let head = silence.map_or(deadline, |silence| {
            deadline.min(Instant::now() + self.connections.connect_timeout() + silence)
        });
        let response = timeout_at(head, self.connections.send(&prepared.url, request)).await;
        let response = response
            .map_err(|_| self.timeout("no response", head < deadline))?
            .map_err(|error| self.lost(&error, prepared))?;
        if let Some(tap) = &self.tap {
            tap.head(&response);
        }
        let status = response.status();
        if self.learns {
            *left = retry_after::left_until(response.headers(), self.wall.now().millis);
        }
        // Bytes after this length do not belong to the body.
        let whole = body::length_of_identity(&response);
        if self.signer.renews(status, used, prepared.has_new_token) {
            // The body is only read so that the connection can be used again.
            drop(timeout_at(deadline, body::prefix(response, whole.unwrap_or(REFUSAL).min(REFUSAL))).await);
            let again = Prepared { has_new_token: true, ..(**prepared).clone() };
            return Ok(Success::Again(Box::new(again)));
        }
        let rules = &job.response;
        let succeeds = rules.success.contain(status.as_u16());
        let follows = !succeeds && job.request.redirects > 0 && redirect::is_redirect(status);
        if follows && response.headers().contains_key(LOCATION) {
            let location = response.headers()[LOCATION].clone();
            let jar = job.request.cookies.then(|| cookies::after(prepared, response.headers()));
            // The body is only read so that the connection can be used again.
            drop(timeout_at(deadline, body::prefix(response, whole.unwrap_or(REFUSAL).min(REFUSAL))).await);
            let carries_secret = job.carries_secret();
            return redirect::follow(prepared, status, &location, carries_secret, job.request.redirects)
                .map(|next| Success::Again(Box::new(Prepared { cookies: jar, ..next })))
                .map_err(FailedAttempt::from);
        }
        if !succeeds && rules.retry_if.is_none() && !job.output.failed_columns {
            return Err(self.refusal(response, whole, deadline).await);
        }
        let headers = response.headers().clone();
        let waiting = Instant::now();
        let mut room = self.budget.reserve(provider.clone()).await;
        // The wait for memory does not count against the server's time.
        deadline += waiting.elapsed();
        let mut limits = body::ReadLimits::new(&mut room, &mut deadline, silence);
        let read = body::read(response, whole, job.request.max_response, &mut limits).await;
        let body = match read {
            Err(_) if !succeeds => return Err(self.refused(status, &headers, &[])),
            read => read.map_err(|error| self.unusable(error, status))?,
        };
        if let Some(tap) = &self.tap {
            tap.body(&body, false);
        }
        let seen = Seen { prepared, status, headers: &headers, body: &body, sent };
        self.judge(&seen, succeeds, &mut limits).await?;
        let figures = |n| {
            let (at, millis, status) = (self.wall.now().millis, millis(sent), status.as_u16());
            Figures { n, at, millis, tries: *tries, status, id: prepared.identity }
        };
        let whole = match prepared.chain.as_ref().map(|chain| self.follow(chain, &seen)).transpose()? {
            Some(Follows::Request(next)) => return Ok(Success::Next(next)),
            Some(Follows::Nothing(whole)) => whole.map(|body| (body, follow::of_whole(&headers))),
            None => None,
        };
        let seen = match &whole {
            Some((body, headers)) => Seen { body, headers, ..seen },
            None => seen,
        };
        if let (Some(packing), Some(unit)) = (&job.packing, &prepared.unit) {
            let answered = self.spread(packing, unit, &seen, &mut limits).await?;
            let mut ended = Vec::with_capacity(lines.len());
            for ((n, id), answer) in lines.iter().zip(&unit.identities).zip(answered) {
                ended.push(spread::end(Figures { id: *id, ..figures(*n) }, earlier, answer));
            }
            return Ok(Success::Results(ended));
        }
        let values = self.extract(&seen, &mut limits).await.map_err(|error| self.unusable(error, status))?;
        drop((body, room));
        let end = |n| Ended { n, result: result_line::success(figures(n), earlier, &values), error: None };
        Ok(Success::Results(lines.iter().map(|n| end(*n)).collect()))
    }

    /// The response began, and its body cannot be used.
    fn unusable(&self, error: BodyError, status: StatusCode) -> FailedAttempt {
        let mut failed = match error {
            BodyError::TooLarge => FailedAttempt::sent(
                Code::TooLarge,
                format!("the response is larger than {} bytes", self.job.request.max_response),
            ),
            BodyError::TooMuch => {
                let most = self.job.request.max_response.saturating_mul(COPIES as u64);
                FailedAttempt::sent(
                    Code::TooLarge,
                    format!("the values of the columns have more than {most} bytes together"),
                )
            }
            BodyError::Late => self.timeout("the response's body did not end", false),
            BodyError::Silent => self.timeout("no byte of the response's body", true),
            BodyError::Broken(error) => fault::of_body(&error),
            BodyError::Short(reason) => FailedAttempt::sent(Code::BodyCut, reason).with(Nature::Doubtful),
            BodyError::Unreadable(reason) => FailedAttempt::sent(Code::Extract, reason),
        };
        failed.failure.status = status.as_u16();
        failed
    }

    /// No response came, or none that can be read.
    fn lost(&self, error: &client::Error, prepared: &Prepared) -> FailedAttempt {
        let failed = fault::of_request(error);
        if failed.failure.code == Code::BadResponse {
            // What it sent may have been the end of an earlier response.
            self.connections.distrust(&prepared.url);
        }
        failed
    }

    /// `silent`: the time between two bytes was too long, and not that of the whole attempt.
    fn timeout(&self, what: &str, silent: bool) -> FailedAttempt {
        let request = &self.job.request;
        let within = request.wire.read_timeout.filter(|_| silent).unwrap_or(request.timeout);
        let detail = format!("{what} within {within:?}");
        FailedAttempt::sent(Code::Timeout, detail).with(Nature::Doubtful)
    }
}

fn request(
    prepared: &Prepared,
    body: Option<Bytes>,
    of_body: Option<HeaderMap>,
) -> Result<Request<Full<Bytes>>, FailedAttempt> {
    let Prepared { method, url, .. } = prepared;
    let mut headers = prepared.all_headers();
    for (name, value) in of_body.into_iter().flatten().filter_map(|(name, value)| Some((name?, value))) {
        headers.entry(name).or_insert(value);
    }
    if let Some(cookies) = cookies::header(prepared) {
        headers.insert(COOKIE, cookies);
    }
    let unusable = |error: http::Error| {
        FailedAttempt::unsent(Code::Url, format!("the URL cannot be requested: {error}"))
    };
    let uri = if url.username().is_empty() && url.password().is_none() {
        Uri::try_from(&url[..Position::AfterQuery])
    } else {
        headers.entry(AUTHORIZATION).or_insert(authorization(url));
        let parts = [&url[..Position::BeforeUsername], &url[Position::BeforeHost..Position::AfterQuery]];
        Uri::try_from(parts.concat())
    };
    let mut request = Request::new(Full::from(body.unwrap_or_default()));
    *request.method_mut() = method.clone();
    *request.uri_mut() = uri.map_err(|error| unusable(error.into()))?;
    *request.headers_mut() = headers;
    Ok(request)
}

/// `user:password@` of a URL as a header.
fn authorization(url: &Url) -> HeaderValue {
    let mut pair: Vec<u8> = percent_decode_str(url.username()).collect();
    pair.push(b':');
    pair.extend(percent_decode_str(url.password().unwrap_or_default()));
    let mut value = HeaderValue::try_from(format!("Basic {}", BASE64_STANDARD.encode(pair)))
        .expect("base64 is valid in a header");
    value.set_sensitive(true);
    value
}

fn media_type(headers: &HeaderMap) -> String {
    Some(charset::media_type(headers))
        .filter(|media_type| !media_type.is_empty())
        .unwrap_or_else(|| "no Content-Type".to_owned())
}

/// A text on one line of at most this many characters.
fn shorten(text: &str, most: usize) -> String {
    let mut short = String::with_capacity(most.min(text.len()));
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    for (n, word) in words.enumerate() {
        short.extend((n > 0).then_some(' ').into_iter().chain(word.chars()).take(most + 1));
        if short.len() > most && short.chars().count() > most {
            let mut cut: String = short.chars().take(most - 1).collect();
            cut.push('…');
            return cut;
        }
    }
    short
}

fn millis(since: Instant) -> u32 {
    u32::try_from(since.elapsed().as_millis()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_shortened_to_one_line() {
        assert_eq!(shorten(" a\r\n\tb\0c ", EXCERPT), "a b c");
        let long = shorten(&"é".repeat(1000), EXCERPT);
        assert_eq!(long.chars().count(), EXCERPT);
        assert!(long.ends_with('…'));
        assert_eq!(shorten(&"é".repeat(EXCERPT), EXCERPT).chars().count(), EXCERPT);
        assert_eq!(shorten(&"word ".repeat(1000), EXCERPT).chars().count(), EXCERPT);
    }
}
