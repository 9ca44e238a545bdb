//! Stopping an execution from outside, for good.

use tokio::sync::watch;

use crate::failure::Failure;
use crate::journal::Ended;

/// Aborts an execution: give a clone to [`crate::Start`] and keep another, for `StopExecution`. For an execution
/// that no process runs, there is [`crate::Journal::abort`].
#[derive(Debug, Clone)]
pub struct Abort(watch::Sender<Stage>);

#[derive(Debug, Clone)]
enum Stage {
    Running,
    Requested(Failure),
    /// The end is durable.
    Ended(Ended),
    /// The execution is not run any more, and has no end.
    Stopped,
}

impl Default for Abort {
    fn default() -> Self {
        Abort(watch::Sender::new(Stage::Running))
    }
}

impl Abort {
    /// Ends the execution with this error and cause, which may be empty. Returns its end, once that is durable:
    /// an execution that ended by itself meanwhile keeps its own outcome. Tasks under way are cancelled, see
    /// [`crate::TaskCall::cancel`]; [`crate::run`] returns when they have ended, and Map Runs are aborted.
    ///
    /// Returns None if the process stopped to run the execution before. It is then still to be continued.
    pub async fn abort(&self, error: &str, cause: &str) -> Option<Ended> {
        self.request(error, cause, |stage| matches!(stage, Stage::Running));
        let mut stage = self.0.subscribe();
        let ended = stage.wait_for(|stage| matches!(stage, Stage::Ended(_) | Stage::Stopped)).await;
        match ended.as_deref() {
            Ok(Stage::Ended(end)) => Some(end.clone()),
            _ => None,
        }
    }
}

impl Abort {
    /// Asks for the end of an execution that is not run now: it ends as soon as it is run again.
    pub fn when_run(&self, error: &str, cause: &str) {
        self.request(error, cause, |stage| matches!(stage, Stage::Stopped));
    }

    fn request(&self, error: &str, cause: &str, may: impl Fn(&Stage) -> bool) {
        self.0.send_if_modified(|stage| {
            let may = may(stage);
            if may {
                *stage = Stage::Requested(Failure::new(error, cause));
            }
            may
        });
    }
}

/// An execution that may be aborted. If it is dropped before the end, nobody waits for it any more.
pub(crate) struct Running(Option<Abort>);

impl Running {
    /// To be called when the execution is run.
    pub(crate) fn new(abort: Option<Abort>) -> Self {
        if let Some(Abort(stage)) = &abort {
            stage.send_if_modified(|stage| {
                let stopped = matches!(stage, Stage::Stopped);
                if stopped {
                    *stage = Stage::Running;
                }
                stopped
            });
        }
        Running(abort)
    }

    /// Waits for the request. Returns the error and the cause.
    pub(crate) async fn requested(&self) -> Failure {
        let Some(Abort(stage)) = &self.0 else { return std::future::pending().await };
        let mut stage = stage.subscribe();
        let requested = match stage.wait_for(|stage| matches!(stage, Stage::Requested(_))).await.as_deref() {
            Ok(Stage::Requested(failure)) => Some(failure.clone()),
            _ => None,
        };
        match requested {
            Some(failure) => failure,
            None => std::future::pending().await,
        }
    }

    pub(crate) fn ended(&self, end: &Ended) {
        if let Some(Abort(stage)) = &self.0 {
            stage.send_replace(Stage::Ended(end.clone()));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let Some(Abort(stage)) = &self.0 else { return };
        stage.send_if_modified(|stage| {
            let is_open = !matches!(stage, Stage::Ended(_));
            if is_open {
                *stage = Stage::Stopped;
            }
            is_open
        });
    }
}
