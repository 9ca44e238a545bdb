//! DescribeMapRun, ListMapRuns, UpdateMapRun.

use engine::{MapRunUpdate, UpdateError};
use serde_json::{Value, json};

use super::{Api, ApiError, Input};
use crate::arn::Arn;
use crate::executions::MapRun;
use crate::store::{KeyReader, KeyWriter};

impl Api {
    pub(super) fn describe_map_run(&self, input: &Input) -> Result<Value, ApiError> {
        let run = self.map_run_of(input.text("mapRunArn"))?;
        let mut shown = run.shown.clone();
        shown["mapRunArn"] = run.arn.as_str().into();
        shown["executionArn"] = run.execution.as_str().into();
        show_times(&mut shown, &run);
        Ok(shown)
    }

    /// Changes the limits of a Map Run under way. They are on disk when this returns.
    pub(super) async fn update_map_run(&self, input: &Input) -> Result<Value, ApiError> {
        let arn = input.text("mapRunArn");
        self.map_run_of(arn)?;
        let number = |name: &str| input.value(name).and_then(Value::as_u64);
        let update = MapRunUpdate {
            max_concurrency: number("maxConcurrency"),
            tolerated_failure_count: number("toleratedFailureCount"),
            tolerated_failure_percentage: input.value("toleratedFailurePercentage").and_then(Value::as_f64),
        };
        let ended = || {
            ApiError::validation("The Map Run has ended and cannot be updated")
                .with("reason", "CANNOT_UPDATE_COMPLETED_MAP_RUN")
        };
        let status = self.executions.map_runs().under_way(arn).ok_or_else(ended)?;
        match status.update(update).await {
            Ok(()) => Ok(json!({})),
            Err(UpdateError::Ended) => Err(ended()),
            Err(UpdateError::Journal(error)) => Err(ApiError::unavailable(error.to_string())),
        }
    }

    fn map_run_of(&self, arn: &str) -> Result<MapRun, ApiError> {
        match Arn::parse(arn)? {
            Arn::MapRun => {}
            other => return Err(other.wrong_kind()),
        }
        let run = self.executions.map_runs().find(arn)?;
        run.ok_or_else(|| ApiError::about("ResourceNotFound", "Resource not found", arn))
    }

    pub(super) fn list_map_runs(&self, input: &Input) -> Result<Value, ApiError> {
        let arn = input.text("executionArn");
        let execution = self.execution_of(arn)?;
        let list = format!("ListMapRuns {arn}");
        let after = match self.page_position(&list, input)? {
            Some(position) => Some(KeyReader(&position).number().ok_or_else(ApiError::invalid_token)?),
            None => None,
        };
        let size = input.page_size();
        let mut found = self.executions.map_runs().of_execution(arn, after, size + 1)?;
        let mut shown = json!({});
        if found.len() > size {
            found.truncate(size);
            let last = found.last().map_or(0, |(position, _)| *position);
            shown["nextToken"] = self.page_token(&list, &KeyWriter::default().number(last).done()).into();
        }
        let item = |(_, run): &(u64, MapRun)| {
            let mut item = json!({
                "mapRunArn": run.arn,
                "executionArn": run.execution,
                "stateMachineArn": self.place.machine(&execution.machine),
            });
            show_times(&mut item, run);
            item
        };
        shown["mapRuns"] = found.iter().map(item).collect();
        Ok(shown)
    }
}

fn show_times(shown: &mut Value, run: &MapRun) {
    shown["startDate"] = run.started.to_json();
    if let Some(stopped) = run.stopped {
        shown["stopDate"] = stopped.to_json();
    }
}
