//! Outcomes that come by token: of activities and of tasks with `.waitForTaskToken`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tokio::sync::mpsc;

/// The tasks that wait for an outcome by token. Clones share them: one is given to the executions
/// (see [`crate::Start`]), another kept by whoever takes `SendTaskSuccess`, `SendTaskFailure` and
/// `SendTaskHeartbeat`.
///
/// An outcome that was taken is recorded with the state that it ends. After a crash before that the
/// task waits for it again, by the same token, so whoever sends outcomes to a process that dies
/// sends them once more to the next.
#[derive(Debug, Clone, Default)]
pub struct TaskTokens(Arc<Mutex<HashMap<String, mpsc::UnboundedSender<Signal>>>>);

/// No task waits for this token: it has its outcome, it timed out, or there never was one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no task waits for this token")]
pub struct UnknownToken;

#[derive(Debug)]
pub(crate) enum Signal {
    Heartbeat,
    Outcome(Result<Value, (String, String)>),
}

impl TaskTokens {
    /// The task succeeds with this output.
    pub fn succeed(&self, token: &str, output: Value) -> Result<(), UnknownToken> {
        self.send(token, Signal::Outcome(Ok(output)))
    }

    /// The task fails; either text may be empty.
    pub fn fail(&self, token: &str, error: &str, cause: &str) -> Result<(), UnknownToken> {
        self.send(token, Signal::Outcome(Err((error.to_owned(), cause.to_owned()))))
    }

    /// The task is still being worked on.
    pub fn heartbeat(&self, token: &str) -> Result<(), UnknownToken> {
        self.send(token, Signal::Heartbeat)
    }

    fn send(&self, token: &str, signal: Signal) -> Result<(), UnknownToken> {
        let mut waiting = self.waiting();
        let sender = match signal {
            Signal::Heartbeat => waiting.get(token).cloned(),
            Signal::Outcome(_) => waiting.remove(token),
        };
        sender.and_then(|sender| sender.send(signal).ok()).ok_or(UnknownToken)
    }

    /// From now on the token is known, until the inbox is dropped.
    pub(crate) fn open(&self, token: &str) -> Inbox {
        let (sender, signals) = mpsc::unbounded_channel();
        self.waiting().insert(token.to_owned(), sender);
        Inbox { tokens: self.clone(), token: token.to_owned(), signals }
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<String, mpsc::UnboundedSender<Signal>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where a task waits.
#[derive(Debug)]
pub(crate) struct Inbox {
    tokens: TaskTokens,
    token: String,
    signals: mpsc::UnboundedReceiver<Signal>,
}

impl Inbox {
    pub(crate) async fn next(&mut self) -> Signal {
        match self.signals.recv().await {
            Some(signal) => signal,
            // Its sender went with the outcome, after which nobody asks.
            None => std::future::pending().await,
        }
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.tokens.waiting().remove(&self.token);
    }
}
