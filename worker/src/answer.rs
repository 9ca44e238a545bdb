//! One attempt: a request goes out, and what comes back is read, judged and reduced to a record.

mod body;
mod charset;
mod coding;
mod cookies;
mod fault;
mod length;
mod redirect;
pub(crate) mod retry_after;

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, COOKIE, HeaderValue, LOCATION, RANGE};
use http::{HeaderMap, StatusCode};
use job::Code;
use job::job_file::{Extracted, Response};
use tokio::time::{Instant, timeout_at};

pub(crate) use self::retry_after::RetryAfter;
use crate::attempt::{Attempt, Success};
use crate::budget::Budget;
use crate::failure::{FailedAttempt, Failure, Nature};
use crate::pace::Wall;
use crate::record::{self, Figures};
use crate::request::Prepared;
use crate::run::Run;

/// Bytes of a refusal that are read: for its excerpt, and so that the connection can be used again.
const REFUSAL: u64 = 64 << 10;
/// What a line's values may have together, as a multiple of the largest body.
const COPIES: usize = 2;
/// Characters of a body that are quoted.
const EXCERPT: usize = 200;
/// Characters of what is said about a failure.
const DETAIL: usize = 400;

/// Sends requests of one run.
pub(crate) struct Sender {
    pub(crate) run: Arc<Run>,
    pub(crate) budget: Arc<Budget>,
    pub(crate) wall: Wall,
}

impl Sender {
    /// Sends one request for line `n`, its `tries`-th, which counts against the limit of this provider.
    pub(crate) async fn attempt(
        &self,
        prepared: Box<Prepared>,
        provider: String,
        n: u64,
        tries: u32,
    ) -> Attempt {
        let sent = Instant::now();
        let mut result = self.exchange(&prepared, provider, sent, n, tries).await;
        if let Err(FailedAttempt { failure, .. }) = &mut result {
            failure.detail = shorten(&self.run.mask.text(&failure.detail), DETAIL);
        }
        Attempt { sent, millis: millis(sent), prepared: Some(prepared), result }
    }

    async fn exchange(
        &self,
        prepared: &Prepared,
        provider: String,
        sent: Instant,
        n: u64,
        tries: u32,
    ) -> Result<Success, FailedAttempt> {
        let run = &*self.run;
        let mut deadline = sent + run.job.request.timeout;
        run.guard
            .check(&prepared.url)
            .map_err(|denied| FailedAttempt::unsent(Code::AddressDenied, denied.to_string()))?;
        let client = run.connections.client(&prepared.url);
        let request = request(client, prepared).map_err(fault::of_request)?;
        let answer = timeout_at(deadline, client.execute(request)).await;
        let response =
            answer.map_err(|_| self.timeout("no answer"))?.map_err(|error| self.lost(error, prepared))?;
        run.connections.learn(&prepared.url, &response);
        let status = response.status();
        // Where a response is framed by two rules, what follows is not the rest of its body.
        let whole = length::of_identity(&response);
        if redirect::is_redirect(status) && response.headers().contains_key(LOCATION) {
            let location = response.headers()[LOCATION].clone();
            let jar = run.job.request.cookies.then(|| cookies::after(prepared, response.headers()));
            // Read so that the connection can be used again; what it says does not matter.
            drop(timeout_at(deadline, body::prefix(response, whole.unwrap_or(REFUSAL).min(REFUSAL))).await);
            let carries_secret = !run.secrets.is_empty();
            return redirect::follow(prepared, status, &location, carries_secret)
                .map(|next| Success::Redirect(Box::new(Prepared { cookies: jar, ..next })))
                .map_err(FailedAttempt::from);
        }
        if !status.is_success() {
            return Err(self.refusal(response, whole, deadline).await);
        }
        let headers = response.headers().clone();
        let waiting = Instant::now();
        let mut room = self.budget.reserve(provider).await;
        // Waiting for room is not the server's time.
        deadline += waiting.elapsed();
        let mut patience = body::Patience::new(&mut room, &mut deadline);
        let read = body::read(response, whole, run.job.request.max_response, &mut patience).await;
        let body = read.map_err(|cut| self.cut(cut, status))?;
        let values = self
            .extract(prepared, status, &headers, &body, sent, &mut patience)
            .await
            .map_err(|cut| self.cut(cut, status))?;
        drop((body, room));
        let figures =
            Figures { n, at: self.wall.now().millis, millis: millis(sent), tries, status: status.as_u16() };
        Ok(Success::Record(record::success(figures, &values)))
    }

    /// The values of the columns, as a JSON array.
    async fn extract(
        &self,
        prepared: &Prepared,
        status: StatusCode,
        headers: &HeaderMap,
        packed: &Bytes,
        sent: Instant,
        patience: &mut body::Patience<'_>,
    ) -> Result<Vec<u8>, body::Cut> {
        let Run { job, output, mask, .. } = &*self.run;
        let columns = &job.output.columns;
        let millis = millis(sent);
        let unreadable = body::Cut::Unreadable;
        let body = if columns.read_the_body() {
            charset::text(packed, headers).map_err(unreadable)?
        } else {
            "".into()
        };
        let tape =
            columns.parse(&body, *output).map_err(|error| unreadable(not_json(&error, &body, headers)))?;
        let mut memory = packed.len() + if matches!(body, Cow::Owned(_)) { body.len() } else { 0 };
        if let Some(tape) = &tape {
            memory += tape.size() + columns.memory(tape.root(&body));
            patience.room(memory).await;
        }
        let header = |name: &str| {
            let values: Vec<_> = headers.get_all(name).iter().map(header_text).collect();
            (!values.is_empty()).then(|| values.join(", "))
        };
        let url = prepared.url.as_str();
        let response = Response {
            status: status.as_u16(),
            url,
            millis,
            body: &body,
            json: tape.as_ref(),
            header: &header,
        };
        let most = usize::try_from(job.request.max_response).unwrap_or(usize::MAX).saturating_mul(COPIES);
        let values =
            columns.extract(&response, *output, most).map_err(|job::json::TooMuch| body::Cut::TooMuch)?;
        let size: usize = values.iter().map(Extracted::size).sum();
        patience.room(memory + size).await;
        let mut out = Vec::with_capacity(size + 16 * values.len() + 2);
        for (n, value) in values.iter().enumerate() {
            out.push(if n == 0 { b'[' } else { b',' });
            let from = out.len();
            value.write(&mut out);
            mask.value(&mut out, from);
        }
        out.push(b']');
        Ok(out)
    }

    /// The failure of an answer that is neither 2xx nor a redirect.
    async fn refusal(
        &self,
        response: reqwest::Response,
        whole: Option<u64>,
        deadline: Instant,
    ) -> FailedAttempt {
        let status = response.status();
        let now = self.wall.now().millis;
        let (slow, retry_after) = retry_after::asked(status, response.headers(), now);
        let headers = response.headers().clone();
        let said = timeout_at(deadline, body::prefix(response, whole.unwrap_or(REFUSAL).min(REFUSAL)))
            .await
            .unwrap_or_default();
        let detail = match self.said(said, &headers) {
            Some(said) if !said.is_empty() => said,
            Some(_) => format!("the response was {status}, without a body"),
            None => {
                format!("the response was {status}, with a body that is not text ({})", media_type(&headers))
            }
        };
        let failure = Failure { code: Code::Http(status.as_u16()), detail, status: status.as_u16() };
        let nature = match status {
            _ if slow => Nature::Throttled,
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY => Nature::Doubtful,
            status if status.is_server_error() => Nature::Doubtful,
            _ => Nature::Final,
        };
        FailedAttempt { failure, nature, on_wire: true, retry_after }
    }

    /// The beginning of a refusal's text; none where it is not text.
    fn said(&self, body: Vec<u8>, headers: &HeaderMap) -> Option<String> {
        if body.is_empty() {
            return Some(String::new());
        }
        let packed = body.len() as u64;
        let unpacked = coding::Codings::of(headers).ok()?.undo_prefix(body, REFUSAL);
        let text = charset::readable(&unpacked, packed.max(unpacked.len() as u64) >= REFUSAL, headers)?;
        Some(shorten(&self.run.mask.text(&text), EXCERPT))
    }

    fn cut(&self, cut: body::Cut, status: StatusCode) -> FailedAttempt {
        let mut failed = match cut {
            body::Cut::TooLarge => FailedAttempt::sent(
                Code::TooLarge,
                format!("the answer is larger than {} bytes", self.run.job.request.max_response),
            ),
            body::Cut::TooMuch => {
                let most = self.run.job.request.max_response.saturating_mul(COPIES as u64);
                FailedAttempt::sent(
                    Code::TooLarge,
                    format!("the values of the columns have more than {most} bytes together"),
                )
            }
            body::Cut::Late => self.timeout("the answer's body did not end"),
            body::Cut::Broken(error) => fault::of_body(error),
            body::Cut::Short(reason) => FailedAttempt::sent(Code::BodyCut, reason).with(Nature::Doubtful),
            body::Cut::Unreadable(reason) => FailedAttempt::sent(Code::Extract, reason),
        };
        failed.failure.status = status.as_u16();
        failed
    }

    /// There was no response that can be read.
    fn lost(&self, error: reqwest::Error, prepared: &Prepared) -> FailedAttempt {
        let failed = fault::of_request(error);
        if failed.failure.code == Code::BadResponse {
            // What it sent may have been the end of an earlier response.
            self.run.connections.distrust(&prepared.url);
        }
        failed
    }

    fn timeout(&self, what: &str) -> FailedAttempt {
        let detail = format!("{what} within {:?}", self.run.job.request.timeout);
        FailedAttempt::sent(Code::Timeout, detail).with(Nature::Doubtful)
    }
}

fn request(client: &reqwest::Client, prepared: &Prepared) -> Result<reqwest::Request, reqwest::Error> {
    let mut headers = prepared.headers.clone();
    // A range is one of the bytes as they lie there.
    if !headers.contains_key(RANGE) {
        headers.entry(ACCEPT_ENCODING).or_insert(HeaderValue::from_static(coding::ACCEPTED));
    }
    if let Some(cookies) = cookies::header(prepared) {
        headers.insert(COOKIE, cookies);
    }
    // The builder turns `user:password@` of the URL into a header; the job's own headers come after it.
    let request = client.request(prepared.method.clone(), prepared.url.clone()).headers(headers);
    match &prepared.body {
        Some(body) => request.body(body.clone()).build(),
        None => request.build(),
    }
}

/// A header's value has no charset: UTF-8 if it is, else each byte is the character of its number (RFC 9110, 5.5).
fn header_text(value: &HeaderValue) -> String {
    let bytes = value.as_bytes();
    std::str::from_utf8(bytes)
        .map_or_else(|_| bytes.iter().map(|byte| char::from(*byte)).collect(), str::to_owned)
}

/// Why a body is not JSON, and how it begins.
fn not_json(error: &str, body: &str, headers: &HeaderMap) -> String {
    let media_type = media_type(headers);
    let what = if media_type.contains("json") { format!("{media_type}; {error}") } else { media_type };
    format!("the body is not JSON ({what}): {}", shorten(body, EXCERPT))
}

fn media_type(headers: &HeaderMap) -> String {
    Some(charset::media_type(headers))
        .filter(|media_type| !media_type.is_empty())
        .unwrap_or_else(|| "no Content-Type".to_owned())
}

/// On one line, and short.
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
    fn long_texts_are_short_lines() {
        assert_eq!(shorten(" a\r\n\tb\0c ", EXCERPT), "a b c");
        let long = shorten(&"é".repeat(1000), EXCERPT);
        assert_eq!(long.chars().count(), EXCERPT);
        assert!(long.ends_with('…'));
        assert_eq!(shorten(&"é".repeat(EXCERPT), EXCERPT).chars().count(), EXCERPT);
        assert_eq!(shorten(&"word ".repeat(1000), EXCERPT).chars().count(), EXCERPT);
    }
}
