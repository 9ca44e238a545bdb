//! The five statuses that pages show, each a word, a colour and a shape.

use crate::executions::Status;

/// A status as a page shows it.
#[derive(Clone, Copy)]
pub(super) struct Shown {
    pub(super) word: &'static str,
    /// The class of its colour and shape.
    pub(super) class: &'static str,
}

pub(super) const RUNNING: Shown = Shown { word: "running", class: "running" };
pub(super) const WAITING: Shown = Shown { word: "waiting", class: "waiting" };
pub(super) const SUCCEEDED: Shown = Shown { word: "succeeded", class: "succeeded" };
pub(super) const FAILED: Shown = Shown { word: "failed", class: "failed" };
pub(super) const STOPPED: Shown = Shown { word: "stopped", class: "stopped" };

pub(super) fn of(status: Status) -> Shown {
    match status {
        Status::Running => RUNNING,
        Status::Succeeded => SUCCEEDED,
        Status::Failed => FAILED,
        Status::TimedOut => Shown { word: "timed out", ..FAILED },
        Status::Aborted => STOPPED,
    }
}
