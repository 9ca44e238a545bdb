//! Functions in another process, called over Lambda's Invoke API (AWS Lambda API Reference, "Invoke").

use std::time::Duration;

use async_trait::async_trait;
use engine::{Resource, TaskCall, TaskError};
use serde_json::{Value, json};

use super::{Service, Support};
use crate::error::task_error;
use crate::{Error, Host};

/// The timeout of a call, which may take as long as a function on AWS.
const TIMEOUT: Duration = Duration::from_secs(15 * 60);

/// The URL of functions, for example of those that `cargo lambda watch` runs.
#[derive(Debug, Clone)]
pub struct Functions {
    http: reqwest::Client,
    url: String,
}

impl Functions {
    /// Functions at this URL, which has no path.
    ///
    /// # Errors
    /// When it is not an http or https URL.
    pub fn at(url: &str) -> Result<Self, Error> {
        let parsed = reqwest::Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let Some(url) = parsed else {
            return Err(Error::new(format!(
                "--functions {url:?} is not an http or https URL: `cargo lambda watch` is at http://127.0.0.1:9000"
            )));
        };
        let http =
            reqwest::Client::builder().timeout(TIMEOUT).no_proxy().build().expect("the settings are sound");
        Ok(Self { http, url: url.as_str().trim_end_matches('/').to_owned() })
    }

    /// Calls a function and waits for its response.
    ///
    /// # Errors
    /// The error of the function, or that it could not be called. Both have the names that Step Functions
    /// gives them.
    pub async fn invoke(&self, name: &str, payload: &Value) -> Result<Value, TaskError> {
        let url = format!("{}/2015-03-31/functions/{name}/invocations", self.url);
        let response = self
            .http
            .post(&url)
            .body(payload.to_string())
            .send()
            .await
            .map_err(|error| unreachable(&url, &error))?;
        let failed =
            !response.status().is_success() || response.headers().contains_key("x-amz-function-error");
        let status = response.status();
        let body = response.bytes().await.map_err(|error| unreachable(&url, &error))?;
        let body: Option<Value> = engine::json::from_slice(&body).ok();
        match body {
            Some(body) if !failed => Ok(body),
            Some(body) => Err(TaskError::Error {
                error: body["errorType"].as_str().unwrap_or("Lambda.Unknown").to_owned(),
                cause: body.to_string(),
            }),
            None => Err(error(
                "Lambda.ServiceException",
                &format!("{url} responded with {status} and without JSON"),
            )),
        }
    }
}

fn unreachable(url: &str, cause: &reqwest::Error) -> TaskError {
    error("Lambda.SdkClientException", &format!("cannot call {url}: {cause}"))
}

fn error(name: &str, message: &str) -> TaskError {
    task_error(name, &json!({ "errorType": name, "errorMessage": message }).to_string())
}

/// Lambda functions, if the user gave their URL.
#[derive(Debug, Clone, Default)]
pub struct Lambda(pub Option<Functions>);

const NO_FUNCTIONS: &str =
    "no URL for functions is given: give it with --functions URL, or mock the state (--mocks FILE)";

#[async_trait]
impl Service for Lambda {
    fn support(&self, _state: &str, resource: &Resource) -> Support {
        if !matches!(resource, Resource::Function(_)) && !resource.is("lambda", "invoke") {
            Support::No
        } else if self.0.is_some() {
            Support::Yes
        } else {
            Support::Missing(NO_FUNCTIONS.to_owned())
        }
    }

    async fn call(&self, _host: &Host, call: &TaskCall) -> Result<Value, TaskError> {
        let Some(functions) = &self.0 else {
            return Err(task_error("Lambda.SdkClientException", NO_FUNCTIONS));
        };
        let payload = functions.invoke(call.function_name(), call.payload()).await?;
        Ok(call.function_result(payload, &uuid::Uuid::new_v4().to_string()))
    }
}
