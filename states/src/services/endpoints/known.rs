//! The services that are known, and the names that AWS gives to their errors.

use engine::TaskError;

use crate::error::task_error;
use crate::services::sdk;

/// A service whose protocol is AWS's JSON protocol.
pub(super) struct Known {
    /// Its name in a resource.
    pub(super) name: &'static str,
    /// The prefix of `X-Amz-Target`.
    pub(super) target: &'static str,
    /// Whether its members are in lower camel case.
    pub(super) camel: bool,
    /// Its name in the errors of `aws-sdk:…`.
    sdk: &'static str,
    /// The names in the errors of its own integration, if it has one.
    own: Option<Own>,
    /// Errors that its model does not have, besides [`COMMON`]. They get the name of the service's exception.
    unmodelled: &'static [&'static str],
}

/// How the errors of a service's own integration are named: by the first version of the SDK for Java.
struct Own {
    name: &'static str,
    service: &'static str,
    exception: &'static str,
}

/// Errors that no service has in its model.
const COMMON: &[&str] = &[
    "AccessDenied",
    "IncompleteSignature",
    "InvalidClientTokenId",
    "InvalidParameterValue",
    "MissingAuthenticationToken",
    "MissingParameter",
    "SerializationException",
    "UnrecognizedClientException",
    "ValidationError",
];

const fn known(name: &'static str, target: &'static str, sdk: &'static str) -> Known {
    Known { name, target, camel: false, sdk, own: None, unmodelled: &[] }
}

impl Known {
    const fn camel(self) -> Self {
        Self { camel: true, ..self }
    }

    const fn own(self, name: &'static str, service: &'static str, exception: &'static str) -> Self {
        Self { own: Some(Own { name, service, exception }), ..self }
    }

    const fn without(self, unmodelled: &'static [&'static str]) -> Self {
        Self { unmodelled, ..self }
    }
}

pub(super) const SERVICES: &[Known] = &[
    known("athena", "AmazonAthena", "Athena").own("Athena", "AmazonAthena", "AmazonAthenaException"),
    known("codebuild", "CodeBuild_20161006", "CodeBuild").camel().own(
        "CodeBuild",
        "AWSCodeBuild",
        "AWSCodeBuildException",
    ),
    known("dynamodb", "DynamoDB_20120810", "DynamoDb")
        .own("DynamoDB", "AmazonDynamoDBv2", "AmazonDynamoDBException")
        .without(&["AccessDeniedException", "ValidationException"]),
    known("ecs", "AmazonEC2ContainerServiceV20141113", "Ecs").camel().own(
        "ECS",
        "AmazonECS",
        "AmazonECSException",
    ),
    known("eventbridge", "AWSEvents", "EventBridge"),
    known("events", "AWSEvents", "EventBridge").own(
        "EventBridge",
        "AmazonEventBridge",
        "AmazonEventBridgeException",
    ),
    known("glue", "AWSGlue", "Glue").own("Glue", "AWSGlue", "AWSGlueException"),
    known("kinesis", "Kinesis_20131202", "Kinesis"),
    known("kms", "TrentService", "Kms"),
    known("secretsmanager", "secretsmanager", "SecretsManager")
        .without(&["AccessDeniedException", "ValidationException"]),
    known("sfn", "AWSStepFunctions", "Sfn").camel(),
    known("sqs", "AmazonSQS", "Sqs").own("SQS", "AmazonSQS", "AmazonSQSException"),
    known("ssm", "AmazonSSM", "Ssm"),
];

/// A service by its name in a resource, with or without `aws-sdk:`.
pub(super) fn find(resource: &str) -> Option<&'static Known> {
    SERVICES.iter().find(|known| known.name == short(resource))
}

/// The name of a service without `aws-sdk:`.
pub(super) fn short(resource: &str) -> &str {
    resource.strip_prefix("aws-sdk:").unwrap_or(resource)
}

impl Known {
    /// The error of a service that answered with `code`, for a task with this resource.
    pub(super) fn error(&self, resource: &str, code: &str, message: &str, status: u16) -> TaskError {
        let unmodelled = COMMON.contains(&code) || self.unmodelled.contains(&code);
        let Some(own) = self.own_of(resource) else {
            let generic = format!("{}Exception", self.sdk);
            return sdk::sdk_error(self.sdk, if unmodelled { &generic } else { code }, message, status);
        };
        let name = if unmodelled { own.exception.to_owned() } else { sdk::exception(code) };
        task_error(
            &format!("{}.{name}", own.name),
            &format!(
                "{message} (Service: {}; Status Code: {status}; Error Code: {code}; Request ID: null; Proxy: null)",
                own.service
            ),
        )
    }

    /// The error of a service that could not be reached.
    pub(super) fn unreachable(&self, resource: &str, cause: &str) -> TaskError {
        let name = self.own_of(resource).map_or(self.sdk, |own| own.name);
        task_error(&format!("{name}.SdkClientException"), cause)
    }

    fn own_of(&self, resource: &str) -> Option<&Own> {
        self.own.as_ref().filter(|_| !resource.starts_with("aws-sdk:"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As AWS recorded them.
    #[test]
    fn errors_have_the_names_of_aws() {
        let cases = [
            ("dynamodb", "ResourceNotFoundException", "DynamoDB.ResourceNotFoundException"),
            ("dynamodb", "ValidationException", "DynamoDB.AmazonDynamoDBException"),
            ("aws-sdk:dynamodb", "ResourceNotFoundException", "DynamoDb.ResourceNotFoundException"),
            ("aws-sdk:dynamodb", "ValidationException", "DynamoDb.DynamoDbException"),
            ("aws-sdk:secretsmanager", "ValidationException", "SecretsManager.SecretsManagerException"),
            ("sqs", "MissingParameter", "SQS.AmazonSQSException"),
            ("sqs", "QueueDoesNotExist", "SQS.QueueDoesNotExistException"),
            ("ecs", "ClusterNotFoundException", "ECS.ClusterNotFoundException"),
            ("aws-sdk:ecs", "ClusterNotFoundException", "Ecs.ClusterNotFoundException"),
        ];
        for (resource, code, name) in cases {
            let known = find(resource).expect("it is known");
            let TaskError::Error { error, .. } = known.error(resource, code, "so", 400) else {
                panic!("an error");
            };
            assert_eq!(error, name, "{resource} {code}");
        }
    }
}
