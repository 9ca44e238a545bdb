//! What runs, what waits for a person, and what has failed.

use super::super::Console;
use super::super::page::Page;
use super::{Executions, Row, inbox, jobs, runs};
use crate::api::ApiError;
use crate::catalog::Moment;
use crate::executions::Execution;
use crate::jobs::MACHINE;

/// The entries of each list.
const FEW: usize = 10;
/// How long a failure is news: a day, in microseconds.
const NEWS: i64 = 24 * 60 * 60 * 1_000_000;

pub(super) async fn page(console: &Console) -> Result<Page, ApiError> {
    let executions = &console.api.executions;
    let row = |execution: &Execution| match execution.machine == MACHINE {
        // The page of a run says more than that of its execution.
        true => Row { path: runs::path_of(&execution.name), ..Row::of(execution) },
        false => Row::of(execution),
    };
    let rows = |found: Vec<Execution>| found.iter().map(row).collect();
    let table = |caption, empty, rows| Executions { caption, empty, rows, with_machine: true, next: None };
    let mut failed = executions.last_failed(FEW)?;
    failed.retain(|execution| Moment::now().0 - execution.stopped().0 < NEWS);
    let idle =
        "Nothing runs. Upload a file on the page of a job, or start an execution on the page of a machine.";
    let none = "Nothing has failed in the last 24 hours.";
    let first = runs::few(console, FEW).await?;
    Page::new("Overview")
        .part("runs", &first)?
        .part(
            "running",
            &table("Running executions", idle, rows(without_runs(executions.last_started(FEW * 2)?))),
        )?
        .part("waiting", &inbox::table(console, "Waiting for a person", FEW)?)?
        .part("failed", &table("Failed in the last 24 hours", none, rows(failed)))?
        .part("schedules", &jobs::schedules(console, None)?)
}

/// The runs of jobs have a list of their own.
fn without_runs(mut found: Vec<Execution>) -> Vec<Execution> {
    found.retain(|execution| execution.machine != MACHINE);
    found.truncate(FEW);
    found
}
