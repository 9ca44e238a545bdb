//! Reads an answer's body: capped, within the budget, within the time.

use bytes::{Bytes, BytesMut};
use reqwest::Response;
use tokio::time::{Instant, timeout_at};

use crate::budget::Reservation;

/// Why a body was not read to its end.
pub(super) enum Cut {
    TooLarge,
    /// The job's timeout.
    Late,
    Broken(reqwest::Error),
    /// The connection ended before the length that the head says.
    Short,
}

/// The whole body, counted after decompression. Time spent waiting for room moves the deadline.
pub(super) async fn read(
    mut response: Response,
    whole: Option<u64>,
    most: u64,
    mut room: Reservation,
    deadline: &mut Instant,
) -> Result<(Bytes, Reservation), Cut> {
    if response.content_length().or(whole).is_some_and(|length| length > most) {
        return Err(Cut::TooLarge);
    }
    let whole = whole.map(|whole| usize::try_from(whole).unwrap_or(usize::MAX));
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    while whole != Some(first.len() + all.len())
        && let Some(mut chunk) = timeout_at(*deadline, response.chunk()).await.map_err(|_| Cut::Late)?.map_err(Cut::Broken)?
    {
        if let Some(whole) = whole {
            chunk.truncate(whole - first.len() - all.len());
        }
        let length = first.len() + all.len() + chunk.len();
        if length as u64 > most {
            return Err(Cut::TooLarge);
        }
        if !room.holds(length) {
            let waiting = Instant::now();
            room.grow(length).await;
            *deadline += waiting.elapsed();
        }
        // Most answers are one chunk: it is not copied.
        if first.is_empty() && all.is_empty() {
            first = chunk;
        } else {
            all.extend_from_slice(&std::mem::take(&mut first));
            all.extend_from_slice(&chunk);
        }
    }
    if whole.is_some_and(|whole| first.len() + all.len() < whole) {
        return Err(Cut::Short);
    }
    let body = if all.is_empty() { first } else { all.freeze() };
    Ok((body, room))
}

/// The beginning of a body, as far as it comes.
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
