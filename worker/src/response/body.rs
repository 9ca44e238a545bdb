//! Reads a response's body: capped, within the budget, within the time.

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, TRANSFER_ENCODING};
use reqwest::Response;
use tokio::time::{Instant, timeout_at};

use super::coding::Codings;
use crate::budget::Reservation;

/// Why a body was not read to its end.
pub(super) enum BodyError {
    TooLarge,
    /// What the columns ask for is too large.
    TooMuch,
    /// The job's timeout.
    Late,
    Broken(reqwest::Error),
    /// It came as it should, and its compressed content ends early.
    Short(String),
    /// Its content coding is unknown or broken.
    Unreadable(String),
}

/// Room for a body, and the time that is left for it: waiting for room is not the server's time.
pub(super) struct ReadLimits<'a> {
    room: &'a mut Reservation,
    deadline: &'a mut Instant,
}

impl<'a> ReadLimits<'a> {
    pub(super) fn new(room: &'a mut Reservation, deadline: &'a mut Instant) -> Self {
        Self { room, deadline }
    }

    /// Waits for room for so many bytes in all.
    pub(super) async fn room(&mut self, bytes: usize) {
        if !self.room.holds(bytes) {
            let waiting = Instant::now();
            self.room.grow(bytes).await;
            *self.deadline += waiting.elapsed();
        }
    }
}

/// The whole body, without its content codings. It has at most `most` bytes on the way and unpacked.
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
        && let Some(mut chunk) = timeout_at(*limits.deadline, response.chunk())
            .await
            .map_err(|_| BodyError::Late)?
            .map_err(BodyError::Broken)?
    {
        if let Some(whole) = whole {
            chunk.truncate(whole - first.len() - all.len());
        }
        let length = first.len() + all.len() + chunk.len();
        if length as u64 > most {
            return Err(BodyError::TooLarge);
        }
        limits.room(length).await;
        // Most bodies are one chunk: it is not copied.
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

/// The beginning of a body as it comes, with its codings.
pub(super) async fn prefix(mut response: Response, most: u64) -> Vec<u8> {
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

/// The body's length, where `Transfer-Encoding: identity` stands next to `Content-Length`. The coding `identity` was dropped in RFC
/// 7230 and means that nothing is done to the body; the client reads such a body until the connection ends, which a server that
/// keeps it does not do.
pub(super) fn length_of_identity(response: &reqwest::Response) -> Option<u64> {
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
