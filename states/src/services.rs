//! The services that do tasks, one file each.

mod activities;
mod endpoints;
mod executions;
mod http;
mod lambda;
mod mocks;
pub(crate) mod s3;
pub mod sdk;
mod unbound;

use std::sync::LazyLock;
use std::time::Duration;

use async_trait::async_trait;
use engine::{Resource, TaskCall, TaskError};
use serde_json::Value;

use crate::Host;
use crate::error::task_error;

pub use activities::Activities;
pub use endpoints::Endpoints;
pub use executions::{EndedChild, Executions};
pub use http::{Exchange, Http};
pub use lambda::{Functions, Lambda};
pub use mocks::Mocks;
pub use s3::{S3, client as s3_client};
pub use unbound::Unbound;

/// Does the tasks of some resources.
#[async_trait]
pub trait Service: Send + Sync {
    /// Whether the service does the task of a state.
    fn support(&self, state: &str, resource: &Resource) -> Support;

    /// Does a task that it supports.
    ///
    /// # Errors
    /// The error that the state gets.
    async fn call(&self, host: &Host, call: &TaskCall) -> Result<Value, TaskError>;

    /// Whether the service itself sends the outcome of a task that waits for one, as mocks do.
    fn sends_outcomes(&self) -> bool {
        false
    }

    /// Whether the service reads or writes objects of the store.
    fn uses_store(&self) -> bool {
        false
    }

    /// Whether a call ends by itself when its `cancel` is set, for example because it saves its work first.
    /// The host drops other calls.
    fn ends_on_cancel(&self) -> bool {
        false
    }
}

/// Whether a service does a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Support {
    /// The service does the task.
    Yes,
    /// The task belongs to another service.
    No,
    /// It would if something were not missing. The text says what is missing and what to do.
    Missing(String),
}

/// How long a service may take to respond.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The largest response, in bytes: the largest data of a state.
const LARGEST: usize = 256 * 1024;

/// The client of all services that are called over HTTP.
fn http_client() -> reqwest::Client {
    static CLIENT: LazyLock<reqwest::Client> =
        LazyLock::new(|| http_client_builder().build().expect("the settings are sound"));
    CLIENT.clone()
}

/// A service is called only at its own URL: no proxies, no redirects.
fn http_client_builder() -> reqwest::ClientBuilder {
    reqwest::Client::builder().timeout(TIMEOUT).no_proxy().redirect(reqwest::redirect::Policy::none())
}

/// The body of a response. Reading ends as soon as the body is larger than the data of a state.
async fn body(mut response: reqwest::Response, service: &str) -> Result<Vec<u8>, TaskError> {
    let mut body = Vec::new();
    while let Some(chunk) =
        response.chunk().await.map_err(|cause| task_error("States.Http.Socket", &job::in_words(&cause)))?
    {
        if body.len() + chunk.len() > LARGEST {
            return Err(too_large(service));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn too_large(service: &str) -> TaskError {
    let cause = format!(
        "The state/task '{service}' returned a result with a size exceeding the maximum number of bytes service limit."
    );
    task_error("States.DataLimitExceeded", &cause)
}
