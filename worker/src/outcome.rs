//! What came of one attempt, and how it becomes a record.

use job::Code;
use job::record::Record;
use serde_json::value::RawValue;
use tokio::time::Instant;

use crate::answer::Asked;
use crate::request::{Failure, Prepared};

/// What came of one attempt.
pub(crate) struct Outcome {
    pub(crate) sent: Instant,
    /// A request went out: it was not refused here, and there was a connection.
    pub(crate) on_wire: bool,
    pub(crate) millis: u32,
    pub(crate) reply: Reply,
}

/// What the other side made of a request.
pub(crate) enum Reply {
    /// 2xx with what the columns need: the finished record.
    Success(Vec<u8>),
    /// A redirect that is to be followed.
    Hop(Box<Prepared>),
    /// Anything else.
    Failure { failure: Failure, nature: Nature, retry_after: Option<Asked>, prepared: Option<Box<Prepared>> },
}

/// What a failed attempt means for the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nature {
    /// The same request would fail the same way.
    Final,
    /// No connection: the other side saw nothing of the request.
    Unreached,
    /// The other side says, or it is clear, that it did not process the request: a stream above the last of a GOAWAY frame, a
    /// refused stream, a connection that ended before the request was written.
    Unprocessed,
    /// The other side is ailing and may have acted on the request: a reset, a timeout, 408, 425, 5xx.
    Doubtful,
    /// The other side asks to slow down: 429, or another status with a word about time.
    Throttled,
}

/// The figures of a record beside its result.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Figures {
    pub(crate) n: u64,
    /// Milliseconds since 1970.
    pub(crate) at: u64,
    pub(crate) millis: u32,
    pub(crate) tries: u32,
    pub(crate) status: u16,
}

/// The record of a line that succeeded.
pub(crate) fn success(figures: Figures, values: &[Box<RawValue>]) -> Vec<u8> {
    let values = values.iter().map(AsRef::as_ref).collect();
    write(&Record { v: Some(values), ..record(figures) })
}

/// The record of a line that failed.
pub(crate) fn failure(figures: Figures, code: Code, detail: &str) -> Vec<u8> {
    let detail = (!detail.is_empty()).then(|| detail.into());
    write(&Record { error: Some(code.to_string().into()), detail, ..record(figures) })
}

/// The record of a line whose item says what was wrong with it.
pub(crate) fn refused(figures: Figures, error: &str, detail: Option<&str>) -> Vec<u8> {
    write(&Record { error: Some(error.into()), detail: detail.map(Into::into), ..record(figures) })
}

fn record(figures: Figures) -> Record<'static> {
    let Figures { n, at, millis, tries, status } = figures;
    Record { n, t: at, ms: millis, tries, status, v: None, error: None, detail: None }
}

fn write(record: &Record<'_>) -> Vec<u8> {
    let mut line = serde_json::to_vec(record).expect("a record is plain JSON");
    line.push(b'\n');
    line
}
