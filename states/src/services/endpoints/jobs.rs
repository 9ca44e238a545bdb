//! Tasks that end with the job that they start (`.sync`): the service is asked for the job until it has ended
//! (AWS Step Functions Developer Guide, "Run a Job").

use std::time::Duration;

use serde_json::{Value, json};

/// The first and the longest wait between two looks at a job.
pub(super) const LOOK_AFTER: Duration = Duration::from_millis(250);
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(10);

/// An action that starts a job. Members are in upper camel case.
pub(super) struct JobAction {
    service: &'static str,
    action: &'static str,
    /// The action that describes the job.
    pub(super) describe: &'static str,
    /// The parameters of `describe`, from those of the action and its response. `None` if no job was started.
    pub(super) asks: fn(&Value, &Value) -> Option<Value>,
    /// What the description says.
    pub(super) reads: fn(&Value) -> JobStatus,
}

/// Whether a job has ended. A job that has ended is the task's result, or the cause of its error.
#[derive(Debug, PartialEq)]
pub(super) enum JobStatus {
    UnderWay,
    Succeeded(Value),
    Failed(Value),
}

const JOBS: &[JobAction] = &[
    JobAction {
        service: "athena",
        action: "startQueryExecution",
        describe: "getQueryExecution",
        asks: |_, started| Some(json!({ "QueryExecutionId": started["QueryExecutionId"].as_str()? })),
        reads: |found| match found["QueryExecution"]["Status"]["State"].as_str() {
            Some("SUCCEEDED") => JobStatus::Succeeded(found.clone()),
            Some("FAILED" | "CANCELLED") => JobStatus::Failed(found.clone()),
            _ => JobStatus::UnderWay,
        },
    },
    JobAction {
        service: "codebuild",
        action: "startBuild",
        describe: "batchGetBuilds",
        asks: |_, started| Some(json!({ "Ids": [started["Build"]["Id"].as_str()?] })),
        reads: |found| {
            let build = &found["Builds"][0];
            match build["BuildStatus"].as_str() {
                Some("SUCCEEDED") => JobStatus::Succeeded(json!({ "Build": build })),
                Some("IN_PROGRESS") | None => JobStatus::UnderWay,
                Some(_) => JobStatus::Failed(json!({ "Build": build })),
            }
        },
    },
    JobAction {
        service: "ecs",
        action: "runTask",
        describe: "describeTasks",
        asks: |asked, started| {
            let task = started["Tasks"][0]["TaskArn"].as_str()?;
            let mut asks = json!({ "Tasks": [task] });
            if let Some(cluster) = asked["Cluster"].as_str() {
                asks["Cluster"] = cluster.into();
            }
            Some(asks)
        },
        reads: |found| {
            let task = &found["Tasks"][0];
            if task["LastStatus"] != "STOPPED" {
                return JobStatus::UnderWay;
            }
            // A container that never ran has no exit code.
            let ended_well = |container: &Value| container["ExitCode"] == 0;
            match task["Containers"].as_array() {
                Some(containers) if containers.iter().all(ended_well) => JobStatus::Succeeded(task.clone()),
                _ => JobStatus::Failed(task.clone()),
            }
        },
    },
    JobAction {
        service: "glue",
        action: "startJobRun",
        describe: "getJobRun",
        asks: |asked, started| {
            Some(json!({ "JobName": asked["JobName"].as_str()?, "RunId": started["JobRunId"].as_str()? }))
        },
        reads: |found| {
            let run = &found["JobRun"];
            match run["JobRunState"].as_str() {
                Some("SUCCEEDED") => JobStatus::Succeeded(run.clone()),
                Some("FAILED" | "ERROR" | "TIMEOUT" | "STOPPED" | "EXPIRED") => {
                    JobStatus::Failed(run.clone())
                }
                _ => JobStatus::UnderWay,
            }
        },
    },
];

/// The job that an action of a service starts.
pub(super) fn find(service: &str, action: &str) -> Option<&'static JobAction> {
    JOBS.iter().find(|job| job.service == service && job.action == action)
}
