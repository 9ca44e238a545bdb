//! The three ways in which a state can end without an output: an error of the user's machine ([`Failure`]),
//! which `Catch` may match; an interruption, after which the execution can be continued; and a fault of the
//! engine or its host.

use time::OffsetDateTime;

use crate::failure::Failure;
use crate::journal::JournalError;

/// Why an execution stopped without an outcome.
#[derive(Debug, thiserror::Error)]
pub enum Stop {
    /// It was cancelled, and can be continued from its journal.
    #[error("interrupted")]
    Interrupted,
    /// It only waits, and needs no process before this time or before something is sent to it. It is continued
    /// from its journal, and costs no memory until then.
    #[error("parked until {until}")]
    Parked {
        /// The end of its first wait, or of its time limit.
        until: OffsetDateTime,
    },
    /// The engine, its host or the journal failed. The journal holds the progress made before.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// A failure that is neither an error of the user's machine nor an interruption.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The journal cannot be read or written, or belongs to another execution.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A bug in the engine or in its host.
    #[error("internal error: {0}")]
    Bug(String),
}

/// How a state ends when it has no output.
#[derive(Debug)]
pub(crate) enum Halt {
    Failed(Failure),
    Stopped(Stop),
}

impl From<Failure> for Halt {
    fn from(failure: Failure) -> Self {
        Halt::Failed(failure)
    }
}

impl From<JournalError> for Halt {
    fn from(error: JournalError) -> Self {
        Halt::Stopped(Stop::Fault(Fault::Journal(error)))
    }
}

impl From<Stop> for Halt {
    fn from(stop: Stop) -> Self {
        Halt::Stopped(stop)
    }
}

impl From<JournalError> for Stop {
    fn from(error: JournalError) -> Self {
        Stop::Fault(Fault::Journal(error))
    }
}
