//! Services at URLs that the user named, for example DynamoDB Local. They use AWS's JSON protocol, in which
//! the action is a header and the body holds the parameters (Smithy, "AWS JSON 1.0 protocol").

use std::collections::BTreeMap;

use async_trait::async_trait;
use engine::{Resource, TaskCall, TaskError};
use serde_json::Value;

use super::{Service, Support, sdk};
use crate::error::task_error;
use crate::{Error, Host};

/// The supported services. For each: its name in a resource, the prefix of `X-Amz-Target`, its name in
/// errors, and whether its parameters are in lower camel case.
const SERVICES: &[(&str, &str, &str, bool)] = &[
    ("athena", "AmazonAthena", "Athena", false),
    ("codebuild", "CodeBuild_20161006", "CodeBuild", true),
    ("dynamodb", "DynamoDB_20120810", "DynamoDb", false),
    ("ecs", "AmazonEC2ContainerServiceV20141113", "Ecs", true),
    ("eventbridge", "AWSEvents", "EventBridge", false),
    ("events", "AWSEvents", "EventBridge", false),
    ("glue", "AWSGlue", "Glue", false),
    ("kinesis", "Kinesis_20131202", "Kinesis", false),
    ("kms", "TrentService", "Kms", false),
    ("secretsmanager", "secretsmanager", "SecretsManager", false),
    ("sfn", "AWSStepFunctions", "Sfn", true),
    ("sqs", "AmazonSQS", "Sqs", false),
    ("ssm", "AmazonSSM", "Ssm", false),
];

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
        if service != "s3" && entry(service).is_none() {
            let known = SERVICES.iter().map(|(name, ..)| *name).collect::<Vec<_>>().join(", ");
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
        let service = service_of(resource);
        let (Some(url), Some((_, target, name, camel))) = (self.0.get(service), entry(service)) else {
            return Err(task_error("States.Runtime", &no_endpoint(service)));
        };
        let target = format!("{target}.{}", sdk::first_letter(action, char::to_ascii_uppercase));
        let body = if *camel { sdk::lower(parameters) } else { parameters.clone() };
        let request = super::http_client()
            .post(url)
            .header("content-type", "application/x-amz-json-1.0")
            .header("x-amz-target", target);
        // Emulators read only the service's name from it.
        let scope = format!(
            "AWS4-HMAC-SHA256 Credential=local/20260101/us-east-1/{service}/aws4_request, SignedHeaders=host, Signature=0"
        );
        let sent = request.header("authorization", scope).body(body.to_string()).send().await;
        let unreachable =
            |cause: reqwest::Error| task_error(&format!("{name}.SdkClientException"), &job::in_words(&cause));
        let response = sent.map_err(unreachable)?;
        let status = response.status();
        let text = String::from_utf8_lossy(&super::body(response, service).await?).into_owned();
        let output = engine::json::from_str(&text).unwrap_or(Value::Null);
        if status.is_success() {
            return Ok(if *camel { sdk::upper(&output) } else { output });
        }
        let code = output["__type"].as_str().and_then(|code| code.rsplit('#').next()).unwrap_or(name);
        let message = output["message"].as_str().or(output["Message"].as_str()).unwrap_or(&text);
        Err(sdk::sdk_error(name, code, message, status.as_u16()))
    }
}

#[async_trait]
impl Service for Endpoints {
    fn support(&self, _state: &str, resource: &Resource) -> Support {
        let Resource::Service { service, .. } = resource else { return Support::No };
        let service = service_of(service);
        if self.0.contains_key(service) {
            Support::Yes
        } else if entry(service).is_some() {
            Support::Missing(no_endpoint(service))
        } else {
            Support::No
        }
    }

    async fn call(&self, _host: &Host, call: &TaskCall) -> Result<Value, TaskError> {
        let Resource::Service { service, action, .. } = &call.resource else { return Ok(Value::Null) };
        self.request(service, action, &call.parameters).await
    }
}

fn no_endpoint(service: &str) -> String {
    format!(
        "the service is not on this machine: give its URL with --endpoint {service}=URL, or mock the state (--mocks FILE)"
    )
}

fn service_of(resource: &str) -> &str {
    resource.strip_prefix("aws-sdk:").unwrap_or(resource)
}

fn entry(service: &str) -> Option<&'static (&'static str, &'static str, &'static str, bool)> {
    SERVICES.iter().find(|(name, ..)| *name == service)
}
