//! What runs, what waits for a person, and what has failed.

use super::super::Console;
use super::super::page::Page;
use super::{Executions, Row, inbox};
use crate::api::ApiError;
use crate::catalog::Moment;
use crate::executions::{Execution, Listing, Status};

/// The entries of each list.
const FEW: usize = 10;
/// How long a failure is news: a day, in microseconds.
const NEWS: i64 = 24 * 60 * 60 * 1_000_000;
/// The machines that are looked at.
const MACHINES: usize = 1_000;

pub(super) fn page(console: &Console) -> Result<Page, ApiError> {
    let machines = console.api.catalog().machines_after("", MACHINES);
    let last = |statuses: &[Status]| {
        let mut found: Vec<Execution> = Vec::new();
        for machine in &machines {
            for status in statuses {
                let listing = Listing {
                    machine_number: machine.number,
                    status: Some(*status),
                    version: None,
                    alias: None,
                };
                found.extend(console.api.executions.list(&listing, None, FEW)?);
            }
        }
        found.sort_by_key(|execution| std::cmp::Reverse(execution.position()));
        Ok::<_, ApiError>(found)
    };
    let rows = |found: Vec<Execution>| found.iter().take(FEW).map(Row::of).collect();
    let mut failed = last(&[Status::Failed, Status::TimedOut])?;
    failed.retain(|execution| Moment::now().0 - execution.stopped().0 < NEWS);
    let table = |caption, empty, rows| Executions { caption, empty, rows, with_machine: true, next: None };
    Page::new("Overview")
        .part(
            "running",
            &table(
                "Running",
                "Nothing runs. Start an execution on the page of a machine.",
                rows(last(&[Status::Running])?),
            ),
        )?
        .part("waiting", &inbox::table(console, "Waiting for a person", FEW)?)?
        .part(
            "failed",
            &table("Failed in the last 24 hours", "Nothing has failed in the last 24 hours.", rows(failed)),
        )
}
