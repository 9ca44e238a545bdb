//! The values of the columns, from a response.

use std::borrow::Cow;

use bytes::Bytes;
use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};
use job::file::{Condition, Extracted, Response, response_as_json};
use tokio::time::Instant;

use super::body::{BodyError, ReadLimits};
use super::{COPIES, EXCERPT, Sender, charset, media_type, millis, shorten};
use crate::request::Prepared;
use crate::run::Mask;

/// A response whose body was read.
pub(crate) struct Seen<'a> {
    pub(crate) prepared: &'a Prepared,
    pub(crate) status: StatusCode,
    pub(crate) headers: &'a HeaderMap,
    /// Without its content codings.
    pub(crate) body: &'a Bytes,
    /// When the request was sent.
    pub(super) sent: Instant,
}

impl<'a> Seen<'a> {
    /// Whether a condition holds. A body that is not text counts as empty.
    pub(crate) fn holds(&self, condition: &Condition) -> Result<bool, String> {
        self.holds_for(condition, &charset::text(self.body, self.headers).unwrap_or_default())
    }

    /// Whether a condition holds if this text is the body.
    pub(super) fn holds_for(&self, condition: &Condition, body: &str) -> Result<bool, String> {
        let names = self.headers.keys().map(HeaderName::as_str);
        let headers = names.map(|name| (name, self.header(name).unwrap_or_default()));
        condition.holds(self.status.as_u16(), headers, body)
    }

    /// The response as templates see it.
    pub(crate) fn as_json(&self) -> Result<String, String> {
        let names = self.headers.keys().map(HeaderName::as_str);
        let headers = names.map(|name| (name, self.header(name).unwrap_or_default()));
        Ok(response_as_json(self.status.as_u16(), headers, &self.text()?))
    }

    /// The body's text.
    pub(crate) fn text(&self) -> Result<Cow<'a, str>, String> {
        charset::text(self.body, self.headers)
    }

    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let values: Vec<_> = self.headers.get_all(name).iter().map(header_text).collect();
        (!values.is_empty()).then(|| values.join(", "))
    }
}

impl Sender {
    /// The values of the columns, as a JSON array.
    pub(super) async fn extract(
        &self,
        seen: &Seen<'_>,
        limits: &mut ReadLimits<'_>,
    ) -> Result<Vec<u8>, BodyError> {
        let Self { job, output, mask, .. } = self;
        let columns = &job.output.columns;
        let unreadable = BodyError::Unreadable;
        let body = if columns.read_the_body() {
            charset::text(seen.body, seen.headers).map_err(unreadable)?
        } else {
            "".into()
        };
        let tape = columns
            .parse(&body, *output)
            .map_err(|error| unreadable(not_json(&error, &body, seen.headers)))?;
        let mut memory = seen.body.len() + if matches!(body, Cow::Owned(_)) { body.len() } else { 0 };
        if let Some(tape) = &tape {
            memory += tape.size() + columns.memory(tape.root(&body));
            limits.room(memory).await;
        }
        let most = usize::try_from(job.request.max_response).unwrap_or(usize::MAX).saturating_mul(COPIES);
        let response = Response {
            status: seen.status.as_u16(),
            url: seen.prepared.url.as_str(),
            millis: millis(seen.sent),
            body: &body,
            json: tape.as_ref(),
            header: &|name| seen.header(name),
        };
        let values = columns.extract(&response, *output, most);
        let values = values.map_err(|job::json::TooMuch| BodyError::TooMuch)?;
        let size: usize = values.iter().map(Extracted::size).sum();
        limits.room(memory + size).await;
        Ok(written(&values, size, mask))
    }
}

/// Values as a JSON array; `size` is that of their texts.
pub(super) fn written(values: &[Extracted<'_>], size: usize, mask: &Mask) -> Vec<u8> {
    let mut out = Vec::with_capacity(size + 16 * values.len() + 2);
    for (n, value) in values.iter().enumerate() {
        out.push(if n == 0 { b'[' } else { b',' });
        let from = out.len();
        value.write(&mut out);
        mask.value(&mut out, from);
    }
    out.push(b']');
    out
}

/// A header's value has no charset: UTF-8 if it is, else each byte is the character of its number (RFC 9110,
/// 5.5).
fn header_text(value: &HeaderValue) -> String {
    let bytes = value.as_bytes();
    std::str::from_utf8(bytes)
        .map_or_else(|_| bytes.iter().map(|byte| char::from(*byte)).collect(), str::to_owned)
}

/// Why a body is not JSON, and how it begins.
pub(crate) fn not_json(error: &str, body: &str, headers: &HeaderMap) -> String {
    let media_type = media_type(headers);
    let what = if media_type.contains("json") { format!("{media_type}; {error}") } else { media_type };
    format!("the body is not JSON ({what}): {}", shorten(body, EXCERPT))
}
