//! One attempt: a request that was sent, or could not be, and its result.

use job::wire::Tried;
use job::{Code, LineId};
use tokio::time::Instant;

use crate::failure::{FailedAttempt, Failure};
use crate::follow::Following;
use crate::request::Prepared;
use crate::response::Left;

/// A parcel on its way to the sender.
pub(crate) struct Outgoing {
    pub(crate) prepared: Box<Prepared>,
    /// The numbers of its lines.
    pub(crate) lines: Vec<LineId>,
    /// The name of the limit key that it counts against.
    pub(crate) provider: String,
    /// Requests sent for it by this call, this one included, redirects not counted.
    pub(crate) tries: u32,
    /// The attempts of this call before, all failed.
    pub(crate) earlier: Vec<Tried>,
}

/// One attempt.
pub(crate) struct Attempt {
    pub(crate) sent: Instant,
    pub(crate) millis: u32,
    /// The request, for another attempt; `None` after a bug.
    pub(crate) prepared: Option<Box<Prepared>>,
    /// What the response says of the limit, if the job looks at it.
    pub(crate) left: Option<Left>,
    pub(crate) result: Result<Success, FailedAttempt>,
}

/// The result of an attempt that did not fail.
pub(crate) enum Success {
    /// 2xx with everything that the columns need.
    Results(Vec<Ended>),
    /// The request that follows a redirect, or the same one with another token.
    Again(Box<Prepared>),
    /// A request of the same line that follows a success.
    Next(Box<Following>),
}

/// A line that has its result.
pub(crate) struct Ended {
    pub(crate) n: LineId,
    /// The result as a line of a segment.
    pub(crate) result: Vec<u8>,
    /// Why it failed, although its request did not.
    pub(crate) error: Option<Code>,
}

impl Attempt {
    /// An attempt that panicked: a bug in this program costs one line, not the batch.
    pub(crate) fn bug(sent: Instant) -> Self {
        let failure = Failure::new(Code::Extract, "a bug in throughline: the line could not be processed");
        let failed = FailedAttempt { on_wire: false, ..failure.into() };
        Self { sent, millis: 0, prepared: None, left: None, result: Err(failed) }
    }

    /// Whether a request went out.
    pub(crate) fn on_wire(&self) -> bool {
        self.result.as_ref().err().is_none_or(|failed| failed.on_wire)
    }

    /// Whether its time says how long the server takes to respond: failures of the network and throttles do
    /// not.
    pub(crate) fn has_latency(&self) -> bool {
        self.result.as_ref().err().is_none_or(FailedAttempt::has_final_response)
    }
}
