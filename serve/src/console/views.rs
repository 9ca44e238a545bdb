//! The pages, by their paths.

mod audit;
mod chart;
mod execution;
pub(super) mod inbox;
pub(super) mod jobs;
mod machines;
pub(super) mod map_run;
mod overview;
mod run;
pub(super) mod runs;
mod search;
pub(super) mod state_test;
mod system;
mod timeline;
mod versions;

use super::page::{Page, Wanted, encode};
use super::status::{self, Shown};
use super::{Console, Who};
use crate::api::ApiError;
use crate::executions::{Execution, Position, rfc3339};

/// The entries of a list on one page.
const PAGE: usize = 50;

/// The page of a path.
pub(super) async fn view(console: &Console, who: &Who, wanted: &Wanted) -> Result<Page, ApiError> {
    let path: Vec<&str> = wanted.path.iter().map(String::as_str).collect();
    match path.as_slice() {
        [] => overview::page(console).await,
        ["runs"] => runs::page(console, wanted).await,
        ["runs", run] => run::page(console, who, run, wanted).await,
        ["jobs"] => jobs::list(console, who).await,
        ["jobs", job] => jobs::page(console, who, job).await,
        ["schedules"] => jobs::schedules_page(console),
        ["machines"] => machines::list(console, wanted),
        ["machines", machine] => machines::page(console, who, machine, wanted),
        ["machines", machine, "versions"] => versions::page(console, machine, wanted),
        ["machines", machine, "test"] => {
            state_test::page(console, machine, &state_test::Written::default(), None)
        }
        ["mapruns", arn] => map_run::page(console, who, arn),
        ["executions"] => search::page(console, wanted),
        ["executions", machine, name] => execution::page(console, who, machine, name, wanted),
        ["inbox"] => inbox::list(console),
        ["inbox", id] => inbox::task(console, who, id),
        ["system"] => system::page(console),
        ["audit"] => audit::page(console, wanted),
        _ => Err(ApiError::new("ResourceNotFound", "No page has this address.")),
    }
}

/// An execution in a list.
struct Row {
    name: String,
    path: String,
    machine: String,
    machine_path: String,
    status: Shown,
    started: String,
    ended: Option<String>,
    error: String,
}

impl Row {
    fn of(execution: &Execution) -> Self {
        let end = execution.end.as_ref();
        Self {
            name: execution.name.clone(),
            path: path_of(&execution.machine, &execution.name),
            machine: execution.machine.clone(),
            machine_path: format!("/machines/{}", encode(&execution.machine)),
            status: status::of(execution.status()),
            started: rfc3339(execution.started),
            ended: end.map(|end| rfc3339(end.stopped)),
            error: end.and_then(|end| end.error.clone()).unwrap_or_default(),
        }
    }
}

pub(super) fn path_of(machine: &str, name: &str) -> String {
    format!("/executions/{}/{}", encode(machine), encode(name))
}

/// The name and the path of the execution of an ARN.
fn named(arn: &str) -> (String, String) {
    match crate::arn::execution(arn) {
        Ok((machine, name)) => (name.to_owned(), path_of(machine, name)),
        Err(_) => (arn.to_owned(), "/machines".to_owned()),
    }
}

/// A table of executions.
#[derive(askama::Template)]
#[template(path = "executions.html")]
struct Executions {
    caption: &'static str,
    empty: &'static str,
    rows: Vec<Row>,
    with_machine: bool,
    next: Option<String>,
}

/// The position of the last of a page, when there are more after it.
fn cut(found: &mut Vec<Execution>) -> Option<Position> {
    let more = found.len() > PAGE;
    found.truncate(PAGE);
    found.last().filter(|_| more).map(Execution::position)
}
