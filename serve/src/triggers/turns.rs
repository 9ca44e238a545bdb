//! Works on the queues: one task for each, and for the runs of jobs a number of them at a time in all.

use std::collections::HashSet;
use std::sync::{Arc, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;

use super::{Trigger, Triggers, place_of_event};
use crate::api::{Api, ApiError, Input};
use crate::executions::Open;
use crate::jobs::MACHINE;
use crate::store::StoreError;

/// The wait before the start of an execution is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// How the work on a trigger ended.
enum Done {
    Ended,
    /// The server ends; the next start goes on.
    Interrupted,
}

impl Triggers {
    /// Works on the queues in which triggers wait. Those whose first run had begun before the restart have their turn
    /// already.
    pub(super) fn work_on_all(&self, api: &Api) -> Result<(), StoreError> {
        let mut waiting = Vec::new();
        for queue in self.queues()? {
            let first = self.first(&queue)?.into_iter().next();
            let first = first.and_then(|(_, value)| crate::store::json::<Trigger>(&value).ok());
            let begun = match first {
                Some(first) if first.in_order => api.executions.find(MACHINE, &first.name)?.is_some(),
                _ => false,
            };
            match begun.then(|| self.0.turns.clone().try_acquire_owned()) {
                Some(Ok(turn)) => self.work_with(queue, Some(turn)),
                _ => waiting.push(queue),
            }
        }
        waiting.into_iter().for_each(|queue| self.work(queue));
        Ok(())
    }

    /// Works on a queue until nothing waits in it, unless a task does so already.
    pub(crate) fn work(&self, queue: String) {
        self.work_with(queue, None);
    }

    fn work_with(&self, queue: String, turn: Option<OwnedSemaphorePermit>) {
        if self.working().insert(queue.clone()) {
            let this = self.clone();
            tokio::spawn(async move { this.work_on(&queue, turn).await });
        }
    }

    async fn work_on(&self, queue: &str, mut turn: Option<OwnedSemaphorePermit>) {
        loop {
            let next = {
                let mut working = self.working();
                match self.first(queue).map(|found| found.into_iter().next()) {
                    Ok(Some(found)) => found,
                    // The next trigger of the queue begins to work on it again.
                    Ok(None) | Err(_) => {
                        working.remove(queue);
                        return;
                    }
                }
            };
            if self.0.stop.is_cancelled() {
                return;
            }
            let (key, value) = next;
            let trigger = crate::store::json::<Trigger>(&value);
            let done = match &trigger {
                Ok(trigger) => self.start(trigger, turn.take()).await,
                Err(error) => Err(error.clone().into()),
            };
            match done {
                Ok(Done::Ended) => {}
                Ok(Done::Interrupted) => return,
                Err(error) if is_temporary(&error) => {
                    tokio::time::sleep(RETRY).await;
                    continue;
                }
                Err(error) => tracing::error!(error = error.message, "an upload starts no execution"),
            }
            if self.remove(key, trigger.as_ref().ok()).await.is_err() {
                // The store has failed, and with it the server.
                return;
            }
        }
    }

    /// Starts the execution. If the queue is in order, this waits for its turn before, and for the end afterwards. The
    /// turns are given in the order in which the queues asked for them, so a queue with many runs delays another one by
    /// one run.
    async fn start(&self, trigger: &Trigger, turn: Option<OwnedSemaphorePermit>) -> Result<Done, ApiError> {
        let _turn = match turn {
            None if trigger.in_order => tokio::select! {
                turn = self.0.turns.clone().acquire_owned() => turn.ok(),
                () = self.0.stop.cancelled() => return Ok(Done::Interrupted),
            },
            turn => turn,
        };
        let Some(api) = self.0.api.get().and_then(Weak::upgrade) else { return Ok(Done::Interrupted) };
        let open = match start(&api, trigger).await {
            // It has ended before.
            Err(error) if error.code == "ExecutionAlreadyExists" => return Ok(Done::Ended),
            open => open?,
        };
        if trigger.in_order {
            let (job, file) = place_of_event(&trigger.input).unzip();
            tracing::info!(run = trigger.name, job, file, "a run goes");
            tokio::select! {
                _ = open.ended() => {}
                () = self.0.stop.cancelled() => return Ok(Done::Interrupted),
            }
        }
        Ok(Done::Ended)
    }

    fn working(&self) -> MutexGuard<'_, HashSet<String>> {
        self.0.working.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the same start may succeed later.
fn is_temporary(error: &ApiError) -> bool {
    error.status.is_server_error() || error.code == "ExecutionLimitExceeded"
}

async fn start(api: &Api, trigger: &Trigger) -> Result<Arc<Open>, ApiError> {
    let machine = &trigger.machine;
    let arn = if machine.starts_with("arn:") { machine.clone() } else { api.place.machine(machine) };
    let members =
        [("stateMachineArn", arn), ("name", trigger.name.clone()), ("input", trigger.input.clone())];
    let members = members.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
    api.executions.start(api.new_execution(&Input(members))?).await
}
