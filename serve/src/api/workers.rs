//! GetActivityTask, SendTaskSuccess, SendTaskFailure, SendTaskHeartbeat.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};
use states::api::Actions;

use super::{Api, ApiError, Input};
use crate::arn;

/// The most workers that wait for a task of one activity.
const MOST: usize = 1_000;

/// The number of workers that wait, by activity.
#[derive(Clone, Default)]
pub(super) struct Pollers(Arc<Mutex<HashMap<String, usize>>>);

/// A worker that waits, until it is dropped.
struct Poller {
    all: Pollers,
    activity: String,
}

impl Pollers {
    fn enter(&self, activity: &str) -> Option<Poller> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let number = waiting.entry(activity.to_owned()).or_default();
        if *number == MOST {
            return None;
        }
        *number += 1;
        Some(Poller { all: self.clone(), activity: activity.to_owned() })
    }
}

impl Drop for Poller {
    fn drop(&mut self) {
        let mut waiting = self.all.0.lock().unwrap_or_else(PoisonError::into_inner);
        match waiting.get_mut(&self.activity) {
            Some(number) if *number > 1 => *number -= 1,
            _ => _ = waiting.remove(&self.activity),
        }
    }
}

impl Api {
    /// Waits for a task for a minute, or until the server stops; then the response is empty.
    pub(super) async fn get_activity_task(&self, input: &Input) -> Result<Value, ApiError> {
        let arn = input.text("activityArn");
        self.activity_of(arn::activity(arn)?, arn)?;
        let _poller = self.pollers.enter(arn).ok_or_else(|| {
            let code = "ActivityWorkerLimitExceeded";
            ApiError::new(code, format!("Activity Worker Limit Exceeded: {MOST} workers wait for {arn}"))
        })?;
        tokio::select! {
            biased;
            task = self.send("GetActivityTask", input) => task,
            () = self.stop.cancelled() => Ok(json!({})),
        }
    }

    /// Sends the outcome of a task, or a heartbeat.
    pub(super) async fn send(&self, action: &str, input: &Input) -> Result<Value, ApiError> {
        let sent = self.workers.call(action, &Value::Object(input.0.clone())).await;
        sent.map_err(|(code, message)| ApiError::new(code, message))
    }
}
