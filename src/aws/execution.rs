//! The executions that own runs.

use aws_sdk_sfn::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sfn::types::ExecutionStatus;
use job::Objects;
use job::run::{Claim, Redrive, RunRef, StopMarker, read_file};
use serde_json::Value;

use super::AwsStack;
use crate::exit::CliError;
use crate::progress::Batches;

/// An execution as `DescribeExecution` describes it.
#[derive(Debug, Clone)]
pub struct Execution {
    /// Its ARN.
    pub arn: String,
    /// Its status.
    pub status: Status,
    /// The input's file name.
    pub file: String,
    /// Its output.
    pub output: Value,
    machine: String,
    /// The event that started it.
    event: Value,
}

/// The status of an execution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// It has not ended.
    Running,
    /// It succeeded.
    Succeeded,
    /// It failed, with this error and cause.
    Failed {
        /// The error's name.
        error: String,
        /// The cause, in words or as a function reported it.
        cause: String,
    },
    /// It was stopped from outside (StopExecution), or ran into a time limit: the run has no output.
    Aborted,
}

impl AwsStack {
    /// The execution that has claimed this generation of a run, or `None` if none has.
    ///
    /// # Errors
    /// When the bucket or Step Functions cannot be read.
    pub async fn execution(&self, run: &RunRef) -> Result<Option<Execution>, CliError> {
        let key = run.keys().claim(run.generation);
        let Some(claim) = self.objects().find(&key).await? else { return Ok(None) };
        let claim: Claim = read_file(&claim, &key, "a claim")?;
        self.describe(&claim.execution).await.map(Some)
    }

    /// Whether an execution has ended.
    ///
    /// # Errors
    /// When Step Functions cannot be read.
    pub(super) async fn has_ended(&self, arn: &str) -> Result<bool, CliError> {
        Ok(self.describe(arn).await?.status != Status::Running)
    }

    pub(crate) async fn describe(&self, arn: &str) -> Result<Execution, CliError> {
        let found = self.states.describe_execution().execution_arn(arn).send().await;
        let found =
            found.map_err(|error| call_error(&format!("cannot look up the execution {arn}"), &error))?;
        let event: Value = serde_json::from_str(found.input().unwrap_or_default()).unwrap_or_default();
        let key = event["detail"]["object"]["key"].as_str().unwrap_or_default();
        let file = job::keys::parse_input(key).map(|(_, file)| file.to_owned()).unwrap_or_default();
        let status = match found.status() {
            ExecutionStatus::Succeeded => Status::Succeeded,
            ExecutionStatus::Failed => Status::Failed {
                error: found.error().unwrap_or_default().to_owned(),
                cause: found.cause().unwrap_or_default().to_owned(),
            },
            ExecutionStatus::Aborted | ExecutionStatus::TimedOut => Status::Aborted,
            _ => Status::Running,
        };
        let output = found.output().and_then(|output| serde_json::from_str(output).ok()).unwrap_or_default();
        Ok(Execution {
            arn: arn.to_owned(),
            status,
            file,
            output,
            machine: found.state_machine_arn().to_owned(),
            event,
        })
    }

    /// The counts of all Map Runs of the execution together. Each lane has one.
    ///
    /// # Errors
    /// When Step Functions cannot be read.
    pub async fn batches(&self, arn: &str) -> Result<Batches, CliError> {
        let failed = |error: SdkError<_>| call_error(&format!("cannot list the Map Runs of {arn}"), &error);
        let runs = self.states.list_map_runs().execution_arn(arn).send().await.map_err(failed)?;
        let mut all = Batches::default();
        for run in runs.map_runs() {
            let run = self.states.describe_map_run().map_run_arn(run.map_run_arn()).send().await;
            let run =
                run.map_err(|error| call_error(&format!("cannot look up a Map Run of {arn}"), &error))?;
            let Some(counts) = run.execution_counts() else { continue };
            let count = |count: i64| count.max(0).cast_unsigned();
            all.total += count(counts.total());
            all.done += count(counts.succeeded());
            all.failed += count(counts.failed()) + count(counts.timed_out()) + count(counts.aborted());
            all.running += count(counts.running());
        }
        Ok(all)
    }

    /// Writes the stop marker, at which the workers of a run end.
    ///
    /// # Errors
    /// When the bucket cannot be written.
    pub async fn stop(&self, run: &RunRef, reason: &str) -> Result<(), CliError> {
        Ok(StopMarker::place(&self.objects(), &run.keys().stop_run(run.generation), reason).await?)
    }

    /// Starts the next generation of a run on its state machine, with the same event and the redrive in it.
    ///
    /// # Errors
    /// When Step Functions refuses.
    pub async fn redrive(
        &self,
        run: &RunRef,
        execution: &Execution,
        include_unknown: bool,
    ) -> Result<RunRef, CliError> {
        let redrive = Redrive {
            run: run.id.clone(),
            generation: run.generation + 1,
            include_unknown,
            only: Vec::new(),
        };
        let mut event = execution.event.clone();
        let fields = event.as_object_mut().ok_or_else(|| {
            CliError::new(format!("the input of the execution {} is not an event", execution.arn))
        })?;
        fields.insert("redrive".to_owned(), serde_json::to_value(&redrive).expect("it is plain data"));
        // The time makes the name unique: an execution that ended before its claim must not block its name.
        let name = format!("{}-redrive-{}-{:x}", run.id, redrive.generation, crate::local::now());
        let started = self
            .states
            .start_execution()
            .state_machine_arn(&execution.machine)
            .name(&name)
            .input(event.to_string())
            .send()
            .await;
        started.map_err(|error| call_error(&format!("cannot start the execution {name}"), &error))?;
        Ok(RunRef { generation: redrive.generation, ..run.clone() })
    }
}

/// The number of a run's last redrive, 0 if there was none, or `None` if there is no such run.
///
/// # Errors
/// When the run's folder cannot be listed.
pub async fn latest_generation(objects: &Objects, run: &RunRef) -> Result<Option<u32>, CliError> {
    let keys = run.keys();
    let claims = objects.list(&format!("{}claim", keys.prefix())).await?;
    let generation = |key: &str| (0..=9999).find(|generation| keys.claim(*generation) == key);
    Ok(claims.iter().filter_map(|entry| generation(&entry.key)).max())
}

fn call_error<E: ProvideErrorMetadata + std::error::Error + 'static>(
    what: &str,
    error: &SdkError<E>,
) -> CliError {
    let why = match (error.code(), error.message()) {
        (Some(code), Some(message)) => format!("{message} ({code})"),
        (Some(code), None) => code.to_owned(),
        _ => job::in_words(error),
    };
    CliError::new(format!("{what}: {why}"))
}
