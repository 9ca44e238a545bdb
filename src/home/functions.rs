//! Functions in another process, called over Lambda's Invoke API (AWS Lambda API Reference, "Invoke").

use std::time::Duration;

use engine::TaskError;
use serde_json::{Value, json};

use crate::exit::Wrong;

/// A call may last as long as a function on AWS.
const LONGEST: Duration = Duration::from_secs(15 * 60);

/// Where functions are called, for example by `cargo lambda watch`.
#[derive(Debug, Clone)]
pub struct Functions {
    http: reqwest::Client,
    url: String,
}

impl Functions {
    /// At this URL, without a path.
    ///
    /// # Errors
    /// When it is no http or https URL.
    pub fn at(url: &str) -> Result<Self, Wrong> {
        let parsed = reqwest::Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let Some(url) = parsed else {
            return Err(Wrong::new(format!(
                "--functions {url:?} is no http or https URL: `cargo lambda watch` is at http://127.0.0.1:9000"
            )));
        };
        let http =
            reqwest::Client::builder().timeout(LONGEST).no_proxy().build().expect("the settings are sound");
        Ok(Self { http, url: url.as_str().trim_end_matches('/').to_owned() })
    }

    /// Calls one, and waits for its answer.
    ///
    /// # Errors
    /// By the names that Step Functions gives them: what the function failed with, or that it could not be called.
    pub async fn invoke(&self, name: &str, payload: &Value) -> Result<Value, TaskError> {
        let url = format!("{}/2015-03-31/functions/{name}/invocations", self.url);
        let answer = self
            .http
            .post(&url)
            .body(payload.to_string())
            .send()
            .await
            .map_err(|error| unreachable(&url, &error))?;
        let failed = !answer.status().is_success() || answer.headers().contains_key("x-amz-function-error");
        let status = answer.status();
        let body = answer.bytes().await.map_err(|error| unreachable(&url, &error))?;
        let body: Option<Value> = engine::json::from_slice(&body).ok();
        match body {
            Some(body) if !failed => Ok(body),
            Some(body) => Err(TaskError::Error {
                error: body["errorType"].as_str().unwrap_or("Lambda.Unknown").to_owned(),
                cause: body.to_string(),
            }),
            None => Err(error("Lambda.ServiceException", &format!("{url} answered {status} without JSON"))),
        }
    }
}

fn unreachable(url: &str, cause: &reqwest::Error) -> TaskError {
    error("Lambda.SdkClientException", &format!("cannot call {url}: {cause}"))
}

fn error(name: &str, message: &str) -> TaskError {
    TaskError::Error {
        error: name.to_owned(),
        cause: json!({ "errorType": name, "errorMessage": message }).to_string(),
    }
}
