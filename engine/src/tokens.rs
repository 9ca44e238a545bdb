//! Outcomes that are sent by token, for activities and tasks with `.waitForTaskToken`.

use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use futures_util::FutureExt;
use serde_json::Value;
use tokio::sync::mpsc;

use crate::journal::{Change, EntryKind, Journal, JournalError, Key, Signal, TaskOutcome};

/// The tasks that wait for an outcome by token. Clones share them: give one to the executions (see
/// [`crate::Start`]), and keep another for `SendTaskSuccess`, `SendTaskFailure` and `SendTaskHeartbeat`.
///
/// An outcome that was taken is durable in the execution's journal, and the task ends with it although the
/// process crashes. For an execution that no process runs, there is [`Journal::send_outcome`].
#[derive(Debug, Clone, Default)]
pub struct TaskTokens(Arc<Mutex<HashMap<String, Waiting>>>);

/// A task that waits.
#[derive(Debug, Clone)]
struct Waiting {
    sender: mpsc::UnboundedSender<Message>,
    journal: Journal,
    /// The key of the attempt.
    attempt: Key,
}

/// Why an outcome or a heartbeat was not taken.
#[derive(Debug, Clone, thiserror::Error)]
pub enum TokenError {
    /// The task has its outcome or timed out.
    #[error("Task Timed Out: 'Provided task does not exist anymore'")]
    TimedOut,
    /// The text does not have the form of a token, which is that of a UUID unless the host makes others (see
    /// [`crate::Host::token`]). Such a host checks the form itself.
    #[error("Invalid Token: 'Invalid token'")]
    Invalid,
    /// The outcome cannot be made durable.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

impl TokenError {
    /// The name of the error in AWS's API.
    pub fn name(&self) -> &'static str {
        match self {
            TokenError::TimedOut => "TaskTimedOut",
            TokenError::Invalid => "InvalidToken",
            TokenError::Journal(_) => "ServiceUnavailable",
        }
    }

    fn unknown(token: &str) -> Self {
        let hyphens = [8, 13, 18, 23];
        let well_formed = token.len() == 36
            && token
                .bytes()
                .enumerate()
                .all(|(i, byte)| if hyphens.contains(&i) { byte == b'-' } else { byte.is_ascii_hexdigit() });
        if well_formed { TokenError::TimedOut } else { TokenError::Invalid }
    }
}

#[derive(Debug)]
pub(crate) enum Message {
    Heartbeat,
    Outcome(TaskOutcome),
}

impl TaskTokens {
    /// Ends the task with this output. Returns when the output is durable.
    ///
    /// # Errors
    ///
    /// [`TokenError`] if no task waits with this token, or the output cannot be made durable.
    pub async fn succeed(&self, token: &str, output: Value) -> Result<(), TokenError> {
        self.settle(token, TaskOutcome::Succeeded(output)).await
    }

    /// Ends the task with this error; either text may be empty. Returns when the error is durable.
    ///
    /// # Errors
    ///
    /// As for [`TaskTokens::succeed`].
    pub async fn fail(&self, token: &str, error: &str, cause: &str) -> Result<(), TokenError> {
        self.settle(token, TaskOutcome::Failed { error: error.into(), cause: cause.into() }).await
    }

    /// Records a heartbeat of the task. It is not durable: when an execution is continued, its tasks have the
    /// time of a whole heartbeat again.
    ///
    /// # Errors
    ///
    /// [`TokenError`] if no task waits with this token.
    pub fn heartbeat(&self, token: &str) -> Result<(), TokenError> {
        let beaten = self.waiting().get(token).map(|waiting| waiting.sender.send(Message::Heartbeat));
        match beaten {
            Some(Ok(())) => Ok(()),
            Some(Err(_)) | None => Err(TokenError::unknown(token)),
        }
    }

    /// Whether a task of an execution that runs in this process waits with this token.
    pub fn waits(&self, token: &str) -> bool {
        self.waiting().contains_key(token)
    }

    async fn settle(&self, token: &str, outcome: TaskOutcome) -> Result<(), TokenError> {
        // A second outcome is refused from here on.
        let waiting = self.waiting().remove(token).ok_or_else(|| TokenError::unknown(token))?;
        let (tokens, token) = (self.clone(), token.to_owned());
        let mut settled = async move {
            if let Err(error) = record(&waiting.journal, &waiting.attempt, &outcome).await {
                // Nobody waits any more if the execution has ended meanwhile.
                if waiting.sender.is_closed() {
                    return Err(TokenError::TimedOut);
                }
                tokens.waiting().insert(token, waiting);
                return Err(error.into());
            }
            // The task may have timed out meanwhile.
            waiting.sender.send(Message::Outcome(outcome)).map_err(|_| TokenError::TimedOut)
        }
        .boxed();
        // A journal in memory is done at once, and needs no task for that.
        match poll_fn(|context| Poll::Ready(settled.as_mut().poll(context))).await {
            Poll::Ready(result) => result,
            // An outcome that was recorded must reach the task, also when the sender does not wait any more.
            Poll::Pending => tokio::spawn(settled).await.unwrap_or(Err(TokenError::TimedOut)),
        }
    }

    /// Makes the token of an attempt known until the inbox is dropped.
    pub(crate) fn open(&self, token: &str, journal: Journal, attempt: Key) -> Inbox {
        let (sender, messages) = mpsc::unbounded_channel();
        self.waiting().insert(token.to_owned(), Waiting { sender, journal, attempt });
        Inbox { tokens: self.clone(), token: token.to_owned(), messages }
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<String, Waiting>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Journal {
    /// Ends a task of an execution that no process runs. The task ends with the outcome when the execution is
    /// continued. `attempt` is the key that [`crate::Host::token`] has made the token of. Two calls for one
    /// attempt must not be made at once.
    ///
    /// # Errors
    ///
    /// [`TokenError::TimedOut`] if the attempt does not wait or has its outcome, [`TokenError::Invalid`] if it is
    /// not a key, [`TokenError::Journal`] if the journal cannot be used.
    pub async fn send_outcome(
        &self,
        attempt: &[u8],
        outcome: Result<Value, (String, String)>,
    ) -> Result<(), TokenError> {
        let attempt = Key::of_attempt(attempt).ok_or(TokenError::Invalid)?;
        if !self.waits(&attempt)? {
            return Err(TokenError::TimedOut);
        }
        let outcome = match outcome {
            Ok(output) => TaskOutcome::Succeeded(output),
            Err((error, cause)) => TaskOutcome::Failed { error, cause },
        };
        Ok(record(self, &attempt, &outcome).await?)
    }
}

async fn record(journal: &Journal, attempt: &Key, outcome: &TaskOutcome) -> Result<(), JournalError> {
    let signal = Signal::Outcome(outcome.clone());
    journal.commit(vec![Change::put(EntryKind::Signal, attempt, &signal)?]).await
}

/// The receiver of what is sent to one task.
#[derive(Debug)]
pub(crate) struct Inbox {
    tokens: TaskTokens,
    token: String,
    messages: mpsc::UnboundedReceiver<Message>,
}

impl Inbox {
    pub(crate) async fn next(&mut self) -> Message {
        match self.messages.recv().await {
            Some(message) => message,
            // The sender is removed with the outcome, after which nobody calls this again.
            None => std::future::pending().await,
        }
    }

    /// Takes nothing more. Returns the outcome that was taken before.
    pub(crate) fn close(&mut self) -> Option<TaskOutcome> {
        self.messages.close();
        while let Ok(message) = self.messages.try_recv() {
            if let Message::Outcome(outcome) = message {
                return Some(outcome);
            }
        }
        None
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.tokens.waiting().remove(&self.token);
    }
}
