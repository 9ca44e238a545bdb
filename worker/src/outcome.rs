//! What came of one attempt, and how it becomes a record.

use job::text::one_line;
use job::wire::write_success;
use job::{Code, LineId, LineResult};
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
    pub(crate) n: LineId,
    /// Milliseconds since 1970.
    pub(crate) at: u64,
    pub(crate) millis: u32,
    pub(crate) tries: u32,
    pub(crate) status: u16,
}

/// The record of a line that succeeded; `values` is a JSON array.
pub(crate) fn success(figures: Figures, values: &[u8]) -> Vec<u8> {
    write_success(&record(figures), values)
}

/// The record of a line that failed.
pub(crate) fn failure(figures: Figures, code: Code, detail: &str) -> Vec<u8> {
    let detail = (!detail.is_empty()).then(|| one_line(detail));
    LineResult { error: Some(code.as_str()), detail, ..record(figures) }.to_line()
}

/// The record of a line whose item says what was wrong with it.
pub(crate) fn refused(figures: Figures, error: &str, detail: Option<&str>) -> Vec<u8> {
    LineResult { error: Some(error.into()), detail: detail.map(one_line), ..record(figures) }.to_line()
}

fn record(figures: Figures) -> LineResult<'static> {
    let Figures { n, at, millis, tries, status } = figures;
    LineResult { n, t: at, ms: millis, tries, status, v: None, error: None, detail: None }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_failures_words_give_no_orders_to_a_terminal() {
        for line in [
            failure(Figures::default(), Code::Url, "a\x1b[31m\u{202e}\nb"),
            refused(Figures::default(), "url", Some("a\x1b[31m\u{202e}\nb")),
        ] {
            assert_eq!(LineResult::parse(&line).unwrap().detail.unwrap(), "a\\u001b[31m\\u202e b");
        }
    }

    #[test]
    fn a_success_is_a_record_with_its_values() {
        let line =
            success(Figures { n: LineId::nth(3), at: 5, millis: 7, tries: 1, status: 200 }, b"[1.50,\"a\"]");
        assert_eq!(line.last(), Some(&b'\n'));
        let record = LineResult::parse(&line).unwrap();
        assert_eq!(
            (record.n.number(), record.t, record.ms, record.tries, record.status, record.ok()),
            (3, 5, 7, 1, 200, true)
        );
        assert_eq!(record.v.unwrap().iter().map(|value| value.get()).collect::<Vec<_>>(), ["1.50", "\"a\""]);
    }
}
