//! Reads the body of a response, within its limits of size, memory and time.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, TRANSFER_ENCODING};
use tokio::time::{Instant, timeout_at};

use super::coding::Codings;
use crate::budget::Reservation;
use crate::client::Response;

/// Why a body cannot be used.
pub(super) enum BodyError {
    TooLarge,
    /// The values of the columns are too large.
    TooMuch,
    /// The job's timeout is over.
    Late,
    /// The job's time between two bytes is over.
    Silent,
    Broken(hyper::Error),
    /// The body, or its compressed content, ends early.
    Short(String),
    /// The content coding is unknown or broken, or the content is not what the columns need.
    Unreadable(String),
}

/// The memory and the time for a body. A wait for memory does not count against the server's time.
pub(super) struct ReadLimits<'a> {
    room: &'a mut Reservation,
    deadline: &'a mut Instant,
    /// The longest time between two bytes.
    silence: Option<Duration>,
}

impl<'a> ReadLimits<'a> {
    pub(super) fn new(
        room: &'a mut Reservation,
        deadline: &'a mut Instant,
        silence: Option<Duration>,
    ) -> Self {
        Self { room, deadline, silence }
    }

    /// The next bytes, within the job's times.
    async fn chunk(&self, response: &mut Response) -> Result<Option<Bytes>, BodyError> {
        let silent = self.silence.map(|silence| Instant::now() + silence).filter(|at| at < self.deadline);
        let chunk = timeout_at(silent.unwrap_or(*self.deadline), response.chunk()).await;
        let over = |_| if silent.is_some() { BodyError::Silent } else { BodyError::Late };
        chunk.map_err(over)?.map_err(BodyError::Broken)
    }

    /// Waits for memory for this many bytes in all.
    pub(super) async fn room(&mut self, bytes: usize) {
        if !self.room.holds(bytes) {
            let waiting = Instant::now();
            self.room.grow(bytes).await;
            *self.deadline += waiting.elapsed();
        }
    }
}

/// The whole body, without its content codings. It may have `most` bytes, packed and unpacked.
pub(super) async fn read(
    mut response: Response,
    whole: Option<u64>,
    most: u64,
    limits: &mut ReadLimits<'_>,
) -> Result<Bytes, BodyError> {
    if response.content_length().or(whole).is_some_and(|length| length > most) {
        return Err(BodyError::TooLarge);
    }
    let whole = whole.map(|whole| usize::try_from(whole).unwrap_or(usize::MAX));
    let codings = Codings::of(response.headers());
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    while whole != Some(first.len() + all.len())
        && let Some(mut chunk) = limits.chunk(&mut response).await?
    {
        if let Some(whole) = whole {
            chunk.truncate(whole - first.len() - all.len());
        }
        let length = first.len() + all.len() + chunk.len();
        if length as u64 > most {
            return Err(BodyError::TooLarge);
        }
        limits.room(length).await;
        // Most bodies are one chunk, which is not copied.
        if first.is_empty() && all.is_empty() {
            first = chunk;
        } else {
            all.extend_from_slice(&std::mem::take(&mut first));
            all.extend_from_slice(&chunk);
        }
    }
    if whole.is_some_and(|whole| first.len() + all.len() < whole) {
        return Err(BodyError::Short("the connection was closed within the body".to_owned()));
    }
    let body = if all.is_empty() { first } else { all.freeze() };
    match codings {
        Ok(codings) => codings.undo(&body, most, limits).await,
        Err(_) if body.is_empty() => Ok(body),
        Err(unknown) => Err(BodyError::Unreadable(unknown)),
    }
}

/// The beginning of a body, with its content codings.
pub(crate) async fn prefix(mut response: Response, most: u64) -> Vec<u8> {
    let mut prefix = Vec::new();
    while most > 0
        && let Ok(Some(chunk)) = response.chunk().await
    {
        let left = usize::try_from(most).unwrap_or(usize::MAX).saturating_sub(prefix.len());
        prefix.extend_from_slice(&chunk[..chunk.len().min(left)]);
        if chunk.len() >= left {
            break;
        }
    }
    prefix
}

/// The body's length, if a response has both `Transfer-Encoding: identity` and `Content-Length`. RFC 7230
/// dropped the coding `identity`, which leaves the body as it is. The client reads such a body until the
/// connection ends, and a server that keeps the connection never ends it.
pub(super) fn length_of_identity(response: &Response) -> Option<u64> {
    let headers = response.headers();
    if !headers.contains_key(TRANSFER_ENCODING) || headers.contains_key(CONTENT_ENCODING) {
        return None;
    }
    let mut codings = headers
        .get_all(TRANSFER_ENCODING)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    if !codings.all(|coding| {
        matches!(coding.trim_ascii(), b"") || coding.trim_ascii().eq_ignore_ascii_case(b"identity")
    }) {
        return None;
    }
    let mut lengths =
        headers.get_all(CONTENT_LENGTH).iter().map(|value| value.to_str().ok()?.trim().parse().ok());
    let length = lengths.next()??;
    lengths.all(|other| other == Some(length)).then_some(length)
}
