//! Outcomes that are sent by token, for activities and tasks with `.waitForTaskToken`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tokio::sync::mpsc;

/// The tasks that wait for an outcome by token. Clones share them: give one to the executions (see
/// [`crate::Start`]), and keep another for `SendTaskSuccess`, `SendTaskFailure` and `SendTaskHeartbeat`.
///
/// An outcome becomes durable when the state ends with it. If the process crashes before that, the task waits
/// for its outcome again, with the same token. So the sender must send an outcome again to the next process.
#[derive(Debug, Clone, Default)]
pub struct TaskTokens(Arc<Mutex<HashMap<String, mpsc::UnboundedSender<Signal>>>>);

/// The error for a token that no task waits with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnknownToken {
    /// The task has its outcome or timed out.
    #[error("Task Timed Out: 'Provided task does not exist anymore'")]
    TimedOut,
    /// The text does not have the form of a token, which is that of a UUID.
    #[error("Invalid Token: 'Invalid token'")]
    Invalid,
}

impl UnknownToken {
    /// The name of the error in AWS's API.
    pub fn name(self) -> &'static str {
        match self {
            UnknownToken::TimedOut => "TaskTimedOut",
            UnknownToken::Invalid => "InvalidToken",
        }
    }

    fn of(token: &str) -> Self {
        let hyphens = [8, 13, 18, 23];
        let well_formed = token.len() == 36
            && token
                .bytes()
                .enumerate()
                .all(|(i, byte)| if hyphens.contains(&i) { byte == b'-' } else { byte.is_ascii_hexdigit() });
        if well_formed { UnknownToken::TimedOut } else { UnknownToken::Invalid }
    }
}

#[derive(Debug)]
pub(crate) enum Signal {
    Heartbeat,
    Outcome(Result<Value, (String, String)>),
}

impl TaskTokens {
    /// Ends the task with this output.
    ///
    /// # Errors
    ///
    /// [`UnknownToken`] if no task waits with this token.
    pub fn succeed(&self, token: &str, output: Value) -> Result<(), UnknownToken> {
        self.send(token, Signal::Outcome(Ok(output)))
    }

    /// Ends the task with this error; either text may be empty.
    ///
    /// # Errors
    ///
    /// [`UnknownToken`] if no task waits with this token.
    pub fn fail(&self, token: &str, error: &str, cause: &str) -> Result<(), UnknownToken> {
        self.send(token, Signal::Outcome(Err((error.to_owned(), cause.to_owned()))))
    }

    /// Records a heartbeat of the task.
    ///
    /// # Errors
    ///
    /// [`UnknownToken`] if no task waits with this token.
    pub fn heartbeat(&self, token: &str) -> Result<(), UnknownToken> {
        self.send(token, Signal::Heartbeat)
    }

    fn send(&self, token: &str, signal: Signal) -> Result<(), UnknownToken> {
        let mut waiting = self.waiting();
        let sender = match signal {
            Signal::Heartbeat => waiting.get(token).cloned(),
            Signal::Outcome(_) => waiting.remove(token),
        };
        sender.and_then(|sender| sender.send(signal).ok()).ok_or_else(|| UnknownToken::of(token))
    }

    /// Makes the token known until the inbox is dropped.
    pub(crate) fn open(&self, token: &str) -> Inbox {
        let (sender, signals) = mpsc::unbounded_channel();
        self.waiting().insert(token.to_owned(), sender);
        Inbox { tokens: self.clone(), token: token.to_owned(), signals }
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<String, mpsc::UnboundedSender<Signal>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The receiver of the signals for one task.
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
            // The sender is removed with the outcome, after which nobody calls this again.
            None => std::future::pending().await,
        }
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.tokens.waiting().remove(&self.token);
    }
}
