//! Activities: tasks that a worker takes over the API ([`crate::api::Workers`]).

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use engine::{Resource, TaskCall, TaskError};
use serde_json::{Value, json};
use tokio::sync::{Notify, oneshot};

use super::{Service, Support};
use crate::Host;

/// Tasks of activities that wait for a worker. Clones share them.
#[derive(Clone, Default)]
pub struct Activities {
    waiting: Arc<Mutex<HashMap<String, VecDeque<Offer>>>>,
    more: Arc<Notify>,
}

/// A task that waits for a worker.
struct Offer {
    token: String,
    input: String,
    /// Receives the worker's name.
    taken: oneshot::Sender<String>,
}

impl Activities {
    /// Waits for a task of an activity, and gives it to a worker.
    pub(crate) async fn take(&self, activity: &str, worker: &str) -> Value {
        loop {
            let more = self.more.notified();
            if let Some(task) = self.next(activity, worker) {
                return task;
            }
            more.await;
        }
    }

    /// Whether a task waits for a worker.
    pub fn is_offered(&self, activity: &str, token: &str) -> bool {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let mut offers = waiting.get(activity).into_iter().flatten();
        offers.any(|offer| offer.token == token && !offer.taken.is_closed())
    }

    /// Takes a task that waits for a worker, in the worker's name. Returns whether it was still waiting.
    pub fn take_by_token(&self, activity: &str, token: &str, worker: &str) -> bool {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(offers) = waiting.get_mut(activity) else { return false };
        let Some(at) = offers.iter().position(|offer| offer.token == token) else { return false };
        let offer = offers.remove(at);
        offer.is_some_and(|offer| offer.taken.send(worker.to_owned()).is_ok())
    }

    /// Skips tasks that the execution no longer waits for.
    fn next(&self, activity: &str, worker: &str) -> Option<Value> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let offers = waiting.get_mut(activity)?;
        while let Some(Offer { token, input, taken }) = offers.pop_front() {
            if taken.send(worker.to_owned()).is_ok() {
                return Some(json!({ "taskToken": token, "input": input }));
            }
        }
        None
    }
}

#[async_trait]
impl Service for Activities {
    fn support(&self, _state: &str, resource: &Resource) -> Support {
        if matches!(resource, Resource::Activity(_)) { Support::Yes } else { Support::No }
    }

    /// Waits until a worker takes the task. Returns the worker's name.
    async fn call(&self, _host: &Host, call: &TaskCall) -> Result<Value, TaskError> {
        let Resource::Activity(activity) = &call.resource else { return Ok(Value::Null) };
        let (taken, worker) = oneshot::channel();
        let token = call.token.clone().unwrap_or_default();
        let offer = Offer { token, input: call.parameters.to_string(), taken };
        self.waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(activity.to_owned())
            .or_default()
            .push_back(offer);
        self.more.notify_waiters();
        Ok(worker.await.map_or(Value::Null, Value::String))
    }
}
