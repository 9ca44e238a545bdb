//! Services at URLs that the user named, for example a DynamoDB Local: those of AWS's JSON protocol, where an action is a
//! header and its parameters are the body (Smithy, "AWS JSON 1.0 protocol").

use std::collections::BTreeMap;

use engine::TaskError;
use serde_json::{Map, Value};

use super::error;
use crate::exit::Wrong;

/// Services: their names in a resource, the prefix of `X-Amz-Target`, the name that errors get, and whether their
/// parameters are written in lower camel case.
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

/// Where services are, by their names.
#[derive(Clone, Default)]
pub struct Endpoints(BTreeMap<String, String>);

impl Endpoints {
    /// Adds `SERVICE=URL`.
    ///
    /// # Errors
    /// When it is no such thing, or the service's protocol is not spoken here.
    pub fn add(&mut self, endpoint: &str) -> Result<(), Wrong> {
        let (service, url) = endpoint.split_once('=').unwrap_or((endpoint, ""));
        if !url.starts_with("http://") && !url.starts_with("https://") {
            return Err(Wrong::new(format!(
                "--endpoint {endpoint:?} is not SERVICE=URL, such as dynamodb=http://127.0.0.1:8000"
            )));
        }
        if service != "s3" && entry(service).is_none() {
            let known = SERVICES.iter().map(|(name, ..)| *name).collect::<Vec<_>>().join(", ");
            return Err(Wrong::new(format!(
                "--endpoint {service}: this service is not spoken to; there are s3, {known}. Mock its states (--mocks FILE)"
            )));
        }
        self.0.insert(service.to_owned(), url.trim_end_matches('/').to_owned());
        Ok(())
    }

    /// Where the store is, if it is not the embedded one.
    pub fn s3(&self) -> Option<&str> {
        self.0.get("s3").map(String::as_str)
    }

    /// Why a service cannot be called.
    pub(super) fn lacks(&self, resource: &str) -> Option<String> {
        let service = service_of(resource);
        if self.0.contains_key(service) {
            return None;
        }
        Some(match entry(service) {
            Some(_) => format!(
                "the service is not on this machine: name where it is with --endpoint {service}=URL, or mock the state (--mocks FILE)"
            ),
            None => "the service is not on this machine: mock the state (--mocks FILE)".to_owned(),
        })
    }

    /// Calls an action of a service, and gives its answer.
    pub(super) async fn call(
        &self,
        resource: &str,
        action: &str,
        parameters: &Value,
    ) -> Result<Value, TaskError> {
        let service = service_of(resource);
        let (Some(url), Some((_, target, name, camel))) = (self.0.get(service), entry(service)) else {
            return Err(error("States.Runtime", &self.lacks(resource).unwrap_or_default()));
        };
        let target = format!("{target}.{}", first_letter(action, char::to_ascii_uppercase));
        let body = if *camel { renamed(parameters, char::to_ascii_lowercase) } else { parameters.clone() };
        let request = super::client()
            .post(url)
            .header("content-type", "application/x-amz-json-1.0")
            .header("x-amz-target", target);
        // Emulators only look for the service's name in it.
        let scope = format!(
            "AWS4-HMAC-SHA256 Credential=local/20260101/us-east-1/{service}/aws4_request, SignedHeaders=host, Signature=0"
        );
        let sent = request.header("authorization", scope).body(body.to_string()).send().await;
        let unreachable =
            |cause: reqwest::Error| error(&format!("{name}.SdkClientException"), &job::in_words(&cause));
        let answer = sent.map_err(unreachable)?;
        let status = answer.status();
        let text = String::from_utf8_lossy(&super::body(answer, service).await?).into_owned();
        let answer = engine::json::from_str(&text).unwrap_or(Value::Null);
        if status.is_success() {
            return Ok(if *camel { renamed(&answer, char::to_ascii_uppercase) } else { answer });
        }
        let code = answer["__type"].as_str().and_then(|code| code.rsplit('#').next()).unwrap_or(name);
        let code = if code.ends_with("Exception") { code.to_owned() } else { format!("{code}Exception") };
        let message = answer["message"].as_str().or(answer["Message"].as_str()).unwrap_or(&text);
        Err(error(
            &format!("{name}.{code}"),
            &format!("{message} (Service: {name}, Status Code: {}, Request ID: null)", status.as_u16()),
        ))
    }
}

fn service_of(resource: &str) -> &str {
    resource.strip_prefix("aws-sdk:").unwrap_or(resource)
}

fn entry(service: &str) -> Option<&'static (&'static str, &'static str, &'static str, bool)> {
    SERVICES.iter().find(|(name, ..)| *name == service)
}

fn first_letter(text: &str, case: fn(&char) -> char) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| case(&first).to_string() + letters.as_str())
}

/// The same with every key's first letter changed.
fn renamed(value: &Value, case: fn(&char) -> char) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| (first_letter(name, case), renamed(value, case)));
            Value::Object(fields.collect::<Map<_, _>>())
        }
        Value::Array(items) => items.iter().map(|item| renamed(item, case)).collect(),
        plain => plain.clone(),
    }
}
