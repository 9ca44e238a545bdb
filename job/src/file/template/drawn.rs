//! What templates draw for a line: `uuid()`, `now()` and `line_number()`.
//!
//! Nothing of it is stored. It is made of the run that sent the line first and of the line that it was then, so
//! it is the same in every attempt, in a redrive, and in a run that continues another one.

use minijinja::value::{Enumerator, Object, Value};
use minijinja::{Environment, Error, ErrorKind, State};
use std::sync::Arc;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::run::LineId;

/// The functions that draw.
pub(super) const FUNCTIONS: [&str; 3] = ["uuid", "now", "line_number"];
/// The name by which a function finds what was drawn for the line. No column can be reached by it.
pub(super) const NAME: &str = "\0drawn";

/// What a line draws.
#[derive(Debug, Clone)]
pub struct Drawn {
    uuid: Arc<str>,
    now: Arc<str>,
    line: u64,
}

impl Drawn {
    /// For a line of this number in the file. `run` is the id of the run that sent it first, which began then,
    /// in milliseconds since 1970, and `n` the line that it was in that run.
    pub fn new(run: &str, began: u64, n: LineId, line: u64) -> Self {
        let hash = blake3::hash(format!("uuid/{run}/{n}").as_bytes());
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hash.as_bytes()[..16]);
        // A UUID of version 4: RFC 9562, 5.4.
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let parts = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
        let seconds = i64::try_from(began / 1000).unwrap_or(0);
        let began = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let now = began.format(&Rfc3339).expect("a time in UTC can be written");
        Self { uuid: parts.join("-").into(), now: now.into(), line }
    }

    /// What the identity of a request has in place of values that differ from run to run.
    pub(in crate::file) fn named(line: u64) -> Self {
        Self { uuid: "\0uuid\0".into(), now: "1970-01-01T00:00:00Z".into(), line }
    }

    /// The number of the line in the file.
    pub(in crate::file) fn line(&self) -> u64 {
        self.line
    }
}

impl Object for Drawn {
    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::NonEnumerable
    }
}

/// Registers the functions.
pub(super) fn install(environment: &mut Environment<'_>) {
    environment
        .add_function("uuid", |state: &mut State| drawn(state, |drawn| Value::from(drawn.uuid.as_ref())));
    environment
        .add_function("now", |state: &mut State| drawn(state, |drawn| Value::from(drawn.now.as_ref())));
    environment
        .add_function("line_number", |state: &mut State| drawn(state, |drawn| Value::from(drawn.line)));
}

fn drawn(state: &State, value: fn(&Drawn) -> Value) -> Result<Value, Error> {
    let found = state.lookup(NAME);
    let found = found.as_ref().and_then(|found| found.downcast_object_ref::<Drawn>());
    found
        .map(value)
        .ok_or_else(|| Error::new(ErrorKind::InvalidOperation, "there is no line here to draw a value for"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_belongs_to_one_line_of_one_run() {
        let uuid = |run, n| Drawn::new(run, 0, LineId::nth(n), 9).uuid;
        let all = [uuid("a", 1), uuid("a", 2), uuid("b", 1)];
        assert_eq!(uuid("a", 1), all[0]);
        assert!(all[0] != all[1] && all[0] != all[2]);
        for uuid in all {
            let parts: Vec<&str> = uuid.split('-').collect();
            assert_eq!(parts.iter().map(|part| part.len()).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
            assert!(parts[2].starts_with('4') && parts[3].starts_with(['8', '9', 'a', 'b']), "{uuid}");
        }
    }
}
