//! Services at URLs that the user named, for example DynamoDB Local. They use AWS's JSON protocol, in which
//! the action is a header and the body holds the parameters (Smithy, "AWS JSON 1.0 protocol").

mod jobs;
mod known;

use std::collections::BTreeMap;

use async_trait::async_trait;
use engine::{Host as _, Pattern, Resource, TaskCall, TaskError};
use serde_json::Value;

use super::{Service, Support, sdk};
use crate::error::task_error;
use crate::{Error, Host};
use jobs::{JobAction, JobStatus, LOOK_AFTER, LOOK_EVERY};
use known::short;

/// How often a service may be unreachable, one time after another, while a task waits for a job.
const UNREACHABLE: u32 = 5;

/// The URLs of services, by their names.
#[derive(Clone, Default)]
pub struct Endpoints(BTreeMap<String, String>);

impl Endpoints {
    /// Adds `SERVICE=URL`.
    ///
    /// # Errors
    /// When it is not of that form, or the service's protocol is not supported.
    pub fn add(&mut self, endpoint: &str) -> Result<(), Error> {
        let (service, url) = endpoint.split_once('=').unwrap_or((endpoint, ""));
        if !url.starts_with("http://") && !url.starts_with("https://") {
            return Err(Error::new(format!(
                "--endpoint {endpoint:?} is not SERVICE=URL, such as dynamodb=http://127.0.0.1:8000"
            )));
        }
        if service != "s3" && (service.contains(':') || known::find(service).is_none()) {
            let known = known::SERVICES.iter().map(|known| known.name).collect::<Vec<_>>().join(", ");
            return Err(Error::new(format!(
                "--endpoint {service}: unsupported service; supported: s3, {known}. Mock the states of other services (--mocks FILE)"
            )));
        }
        self.0.insert(service.to_owned(), url.trim_end_matches('/').to_owned());
        Ok(())
    }

    /// The URL of the store, if it is not the embedded one.
    pub fn s3(&self) -> Option<&str> {
        self.0.get("s3").map(String::as_str)
    }

    /// Calls an action of a service and returns its response.
    async fn request(&self, resource: &str, action: &str, parameters: &Value) -> Result<Value, TaskError> {
        let service = short(resource);
        let (Some(url), Some(known)) = (self.0.get(service), known::find(service)) else {
            return Err(task_error("States.Runtime", &no_endpoint(service)));
        };
        let target = format!("{}.{}", known.target, sdk::first_letter(action, char::to_ascii_uppercase));
        let body = if known.camel { sdk::lower(parameters) } else { parameters.clone() };
        let request = super::http_client()
            .post(url)
            .header("content-type", "application/x-amz-json-1.0")
            .header("x-amz-target", target);
        // Emulators read only the service's name from it.
        let scope = format!(
            "AWS4-HMAC-SHA256 Credential=local/20260101/us-east-1/{service}/aws4_request, SignedHeaders=host, Signature=0"
        );
        let sent = request.header("authorization", scope).body(body.to_string()).send().await;
        let response = sent.map_err(|cause| known.unreachable(resource, &job::in_words(&cause)))?;
        let status = response.status();
        let text = String::from_utf8_lossy(&super::body(response, service).await?).into_owned();
        let output = engine::json::from_str(&text).unwrap_or(Value::Null);
        if status.is_success() {
            return Ok(if known.camel { sdk::upper(&output) } else { output });
        }
        let code = output["__type"].as_str().and_then(|code| code.rsplit('#').next());
        let message = output["message"].as_str().or(output["Message"].as_str()).unwrap_or(&text);
        // A response without a code has the name of the service's exception.
        Err(known.error(resource, code.unwrap_or("ValidationError"), message, status.as_u16()))
    }

    /// Waits for the end of a job that was started, and returns the job.
    async fn job_ended(
        &self,
        host: &Host,
        service: &str,
        job: &JobAction,
        asks: &Value,
    ) -> Result<Value, TaskError> {
        let (mut wait, mut unreachable) = (LOOK_AFTER, 0);
        loop {
            host.sleep_until(host.now() + wait).await;
            wait = LOOK_EVERY.min(wait * 2);
            let found = match self.request(service, job.describe, asks).await {
                Ok(found) => found,
                Err(TaskError::Error { error, .. })
                    if error.ends_with(".SdkClientException") && unreachable < UNREACHABLE =>
                {
                    unreachable += 1;
                    continue;
                }
                Err(error) => return Err(error),
            };
            unreachable = 0;
            match (job.reads)(&found) {
                JobStatus::UnderWay => {}
                JobStatus::Succeeded(ended) => return Ok(ended),
                JobStatus::Failed(ended) => {
                    return Err(task_error("States.TaskFailed", &ended.to_string()));
                }
            }
        }
    }
}

#[async_trait]
impl Service for Endpoints {
    fn support(&self, _state: &str, resource: &Resource) -> Support {
        let Resource::Service { service, action, pattern } = resource else { return Support::No };
        let service = short(service);
        if waits_for_job(*pattern) && known::find(service).is_some() && jobs::find(service, action).is_none()
        {
            return Support::Missing(format!(
                "{service}:{action} cannot be waited for on this machine (.sync): mock the state (--mocks FILE)"
            ));
        }
        if self.0.contains_key(service) {
            Support::Yes
        } else if known::find(service).is_some() {
            Support::Missing(no_endpoint(service))
        } else {
            Support::No
        }
    }

    async fn call(&self, host: &Host, call: &TaskCall) -> Result<Value, TaskError> {
        let Resource::Service { service, action, pattern } = &call.resource else { return Ok(Value::Null) };
        let started = self.request(service, action, &call.parameters).await?;
        match jobs::find(service, action).filter(|_| waits_for_job(*pattern)) {
            None => Ok(started),
            Some(job) => match (job.asks)(&call.parameters, &started) {
                Some(asks) => self.job_ended(host, service, job, &asks).await,
                None => Err(task_error("States.TaskFailed", &started.to_string())),
            },
        }
    }
}

fn waits_for_job(pattern: Pattern) -> bool {
    matches!(pattern, Pattern::Sync | Pattern::Sync2)
}

fn no_endpoint(service: &str) -> String {
    format!(
        "the service is not on this machine: give its URL with --endpoint {service}=URL, or mock the state (--mocks FILE)"
    )
}
