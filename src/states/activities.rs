//! Workers and tokens: the part of the Step Functions API that those who do a task's work call (AWS Step Functions API
//! Reference: GetActivityTask, SendTaskSuccess, SendTaskFailure, SendTaskHeartbeat), at a port of loopback.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use engine::{TaskCall, TaskTokens};
use serde_json::{Value, json};
use tokio::sync::{Notify, oneshot};
use tokio_util::task::AbortOnDropHandle;

use crate::exit::Wrong;
use crate::loopback;

/// How long GetActivityTask waits for a task.
const POLL: Duration = Duration::from_secs(60);

/// Tasks of activities that wait for a worker. Clones share them.
#[derive(Clone, Default)]
pub struct Activities {
    waiting: Arc<Mutex<HashMap<String, VecDeque<Offer>>>>,
    more: Arc<Notify>,
    served: bool,
}

struct Offer {
    token: String,
    input: String,
    /// Told the worker's name.
    taken: oneshot::Sender<String>,
}

/// An answer of the API, or the error by its name.
type Answer = Result<Value, (&'static str, String)>;

impl Activities {
    /// Serves the API until the handle is dropped.
    ///
    /// # Errors
    /// When the port is taken.
    pub async fn serve(&mut self, port: u16, tokens: &TaskTokens) -> Result<AbortOnDropHandle<()>, Wrong> {
        self.served = true;
        let router = Router::new().fallback(answer).with_state((self.clone(), tokens.clone()));
        loopback::serve(port, router)
            .await
            .map_err(|error| Wrong::new(format!("cannot serve the API: {error}; --port takes another port")))
    }

    /// Whether workers can come.
    pub(super) fn served(&self) -> bool {
        self.served
    }

    /// Waits until a worker takes the task: its name. A task that is given up meanwhile is passed over.
    pub(super) async fn offer(&self, activity: &str, call: &TaskCall) -> Value {
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
        worker.await.map_or(Value::Null, Value::String)
    }

    async fn take(&self, activity: &str, worker: &str) -> Value {
        let search = async {
            loop {
                let more = self.more.notified();
                if let Some(found) = self.next(activity, worker) {
                    return found;
                }
                more.await;
            }
        };
        // The API answers an empty object when there is no task.
        tokio::time::timeout(POLL, search).await.unwrap_or_else(|_| json!({}))
    }

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

async fn answer(
    State((activities, tokens)): State<(Activities, TaskTokens)>,
    headers: HeaderMap,
    body: String,
) -> Response {
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
    let action = target.strip_prefix("AWSStepFunctions.").unwrap_or_default();
    let asked = engine::json::from_str(&body).unwrap_or_default();
    match call(&activities, &tokens, action, &asked).await {
        Ok(answer) => axum::Json(answer).into_response(),
        Err((name, message)) => {
            (StatusCode::BAD_REQUEST, axum::Json(json!({ "__type": name, "message": message })))
                .into_response()
        }
    }
}

async fn call(activities: &Activities, tokens: &TaskTokens, action: &str, asked: &Value) -> Answer {
    let text = |name: &str| asked.get(name).and_then(Value::as_str).unwrap_or_default();
    let token = text("taskToken");
    let sent = match action {
        "GetActivityTask" => return Ok(activities.take(text("activityArn"), text("workerName")).await),
        "SendTaskSuccess" => {
            let output = engine::json::from_str(text("output"))
                .map_err(|wrong| ("InvalidOutput", wrong.to_string()))?;
            tokens.succeed(token, output)
        }
        "SendTaskFailure" => tokens.fail(token, text("error"), text("cause")),
        "SendTaskHeartbeat" => tokens.heartbeat(token),
        other => return Err(("UnknownOperationException", format!("{other:?} is not served here"))),
    };
    sent.map(|()| json!({})).map_err(|unknown| (unknown.name(), unknown.to_string()))
}
