//! Executions on AWS.

use std::time::Duration;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_sfn::Client;
use aws_sdk_sfn::operation::describe_execution::DescribeExecutionError;
use aws_sdk_sfn::types::ExecutionStatus;
use job::run::lease::Executions;
use job::{ErrorName, StepError};

/// The shortest wait before an execution asks for a lease again: the shortest run takes longer.
pub const LEASE_WAIT: Duration = Duration::from_secs(2);

/// Asks Step Functions whether an execution has ended.
#[derive(Debug, Clone)]
pub struct StepFunctions(Client);

impl StepFunctions {
    /// Uses the environment's credentials, Region and endpoint.
    pub fn new(aws: &SdkConfig) -> Self {
        Self(Client::new(aws))
    }
}

#[async_trait]
impl Executions for StepFunctions {
    async fn ended(&self, execution: &str) -> Result<bool, StepError> {
        match self.0.describe_execution().execution_arn(execution).send().await {
            Ok(found) => {
                Ok(!matches!(found.status(), ExecutionStatus::Running | ExecutionStatus::PendingRedrive))
            }
            // Step Functions forgets an execution 90 days after its end.
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(DescribeExecutionError::is_execution_does_not_exist) =>
            {
                Ok(true)
            }
            Err(error) => {
                let message = format!("cannot tell whether {execution} has ended: {}", job::in_words(&error));
                Err(StepError::new(ErrorName::StorageUnavailable, message))
            }
        }
    }
}
