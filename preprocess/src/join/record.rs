//! The payloads of the join's records: what is kept of a line of the run before, and where a new line is.

use job::LineId;
use job::file::Identity;
use serde::{Deserialize, Serialize};

use super::sort::{KEY, Key, LONGEST};

/// What is kept of a line of the run before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Its success.
    Success,
    /// Its failure: it may have been sent, and is not sent again.
    Unknown,
    /// A failure: its response does not have what the new columns need, and it is not sent again.
    Failed,
    /// Nothing: it is sent again.
    SentAgain,
}

impl State {
    pub(super) const ALL: [Self; 4] = [Self::Success, Self::Unknown, Self::Failed, Self::SentAgain];
}

/// A line of the run before, as it goes through the sorts.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct OldLine<'a> {
    pub(super) state: State,
    pub(super) left: Left<'a>,
}

/// What is left of a line of the run before.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Left<'a> {
    Nothing,
    /// Its result after the line's number, without the closing brace.
    Result(&'a [u8]),
    /// Its result, which is too long to be sorted.
    Stored(Stored<'a>),
    /// The run and the line of which its idempotency key was made.
    Origin {
        run: &'a str,
        line: LineId,
    },
}

/// The position of a result in a segment of the run before.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stored<'a> {
    pub(super) identity: Identity,
    pub(super) offset: u64,
    pub(super) length: u64,
    pub(super) object: &'a str,
}

impl OldLine<'_> {
    /// Replaces `out` by this line as a payload. Returns whether it is short enough.
    pub(super) fn write(&self, out: &mut Vec<u8>) -> bool {
        out.clear();
        let state = State::ALL.iter().position(|state| *state == self.state).expect("it is one of all");
        out.push(u8::try_from(state).expect("there are four"));
        match &self.left {
            Left::Nothing => {}
            Left::Result(tail) => {
                out.push(b'r');
                out.extend_from_slice(tail);
            }
            Left::Stored(Stored { identity, offset, length, object }) => {
                out.push(b's');
                out.extend_from_slice(&identity.0);
                out.extend_from_slice(&offset.to_le_bytes());
                out.extend_from_slice(&length.to_le_bytes());
                out.extend_from_slice(object.as_bytes());
            }
            Left::Origin { run, line } => {
                out.push(b'o');
                out.extend_from_slice(&line.number().to_le_bytes());
                out.extend_from_slice(run.as_bytes());
            }
        }
        out.len() <= LONGEST
    }
}

/// Reads a payload. `None` if it is damaged.
pub(super) fn read(payload: &[u8]) -> Option<OldLine<'_>> {
    let (state, rest) = payload.split_first()?;
    let state = *State::ALL.get(usize::from(*state))?;
    let left = match rest.split_first() {
        None => Left::Nothing,
        Some((b'r', tail)) => Left::Result(tail),
        Some((b's', rest)) => {
            let (identity, rest) = rest.split_first_chunk()?;
            let (offset, rest) = rest.split_first_chunk()?;
            let (length, object) = rest.split_first_chunk()?;
            Left::Stored(Stored {
                identity: Identity(*identity),
                offset: u64::from_le_bytes(*offset),
                length: u64::from_le_bytes(*length),
                object: str::from_utf8(object).ok()?,
            })
        }
        Some((b'o', rest)) => {
            let (line, run) = rest.split_first_chunk()?;
            let line = LineId::nth(u64::from_le_bytes(*line));
            Left::Origin { run: str::from_utf8(run).ok()?, line }
        }
        Some(_) => return None,
    };
    Some(OldLine { state, left })
}

/// The state of a payload.
pub(super) fn state_of(payload: &[u8]) -> Option<State> {
    State::ALL.get(usize::from(*payload.first()?)).copied()
}

/// Whether anything of a line is kept.
pub(super) fn is_kept(payload: &[u8]) -> bool {
    payload.len() > 1
}

/// A batch of the new run: its lane and its index in the lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Place {
    pub(super) lane: u16,
    pub(super) batch: u32,
}

impl Place {
    /// The payload of a new line.
    pub(super) fn to_bytes(self) -> [u8; 6] {
        let mut bytes = [0; 6];
        bytes[..2].copy_from_slice(&self.lane.to_be_bytes());
        bytes[2..].copy_from_slice(&self.batch.to_be_bytes());
        bytes
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (lane, batch) = bytes.split_first_chunk()?;
        let batch = batch.try_into().ok()?;
        Some(Self { lane: u16::from_be_bytes(*lane), batch: u32::from_be_bytes(batch) })
    }
}

/// The key by which both runs are sorted first: by request, then by line.
pub(super) fn by_request(identity: Identity, n: LineId) -> Key {
    let mut key = [0; KEY];
    key[..16].copy_from_slice(&identity.0);
    key[16..].copy_from_slice(&n.number().to_be_bytes());
    key
}

/// The request of a key, and its line.
pub(super) fn request_and_line(key: &Key) -> (Identity, LineId) {
    let (identity, n) = key.split_first_chunk().expect("a key has 24 bytes");
    let n = n.try_into().expect("a key has 24 bytes");
    (Identity(*identity), LineId::nth(u64::from_be_bytes(n)))
}

/// The key by which pairs are sorted: by the batch of the new line, then by the new line.
pub(super) fn by_place(place: Place, n: LineId) -> Key {
    let mut key = [0; KEY];
    key[..6].copy_from_slice(&place.to_bytes());
    key[6..14].copy_from_slice(&n.number().to_be_bytes());
    key
}

/// The place of a key, and its line.
pub(super) fn place_and_line(key: &Key) -> (Place, LineId) {
    let place = Place::from_bytes(&key[..6]).expect("a place has six bytes");
    let n = key[6..14].try_into().expect("a line has eight bytes");
    (place, LineId::nth(u64::from_be_bytes(n)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_are_read_as_they_were_written() {
        let identity = Identity([7; 16]);
        let lefts = [
            Left::Nothing,
            Left::Result(b",\"v\":[1]"),
            Left::Stored(Stored { identity, offset: 5, length: 1 << 40, object: "runs/a/b/c.jsonl" }),
            Left::Origin { run: "0f3a", line: LineId::nth(9) },
        ];
        let mut bytes = Vec::new();
        for (left, state) in lefts.into_iter().zip(State::ALL.into_iter().cycle()) {
            let line = OldLine { state, left };
            assert!(line.write(&mut bytes));
            assert_eq!((read(&bytes), state_of(&bytes)), (Some(line), Some(state)));
        }
        assert_eq!((read(&[]), read(&[9]), read(&[0, b's', 1])), (None, None, None));
        let long = vec![b'x'; LONGEST];
        assert!(!OldLine { state: State::Success, left: Left::Result(&long) }.write(&mut bytes));
    }

    #[test]
    fn keys_sort_by_request_and_by_place() {
        let line = LineId::nth(258);
        let key = by_request(Identity([3; 16]), line);
        assert_eq!(request_and_line(&key), (Identity([3; 16]), line));
        assert!(key < by_request(Identity([3; 16]), LineId::nth(259)));
        let place = Place { lane: 1, batch: 300 };
        assert_eq!(place_and_line(&by_place(place, line)), (place, line));
        assert!(by_place(place, line) < by_place(Place { batch: 301, ..place }, LineId::nth(1)));
    }
}
