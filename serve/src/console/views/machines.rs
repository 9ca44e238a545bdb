//! The machines, and one of them.

use std::collections::HashMap;

use askama::Template;
use serde_json::Value;

use super::super::page::{Page, Wanted, encode};
use super::super::{Console, Who};
use super::versions::routes;
use super::{Executions, PAGE, Row, cut};
use crate::api::ApiError;
use crate::catalog::Moment;
use crate::executions::{Listing, Position, Status, rfc3339};
use crate::jobs::MACHINE;
use crate::keys::Role;

#[derive(Template)]
#[template(path = "machines.html")]
struct Machines {
    rows: Vec<MachineRow>,
    next: Option<String>,
}

struct MachineRow {
    name: String,
    path: String,
    kind: &'static str,
    running: usize,
    created: String,
}

#[derive(Template)]
#[template(path = "machine.html")]
struct Facts {
    path: String,
    /// Its name in a query.
    query: String,
    arn: String,
    kind: &'static str,
    updated: String,
    versions: Vec<u32>,
    aliases: Vec<(String, String)>,
    definition: String,
}

#[derive(Template)]
#[template(path = "graph.html")]
pub(super) struct Graph {
    pub(super) label: String,
    pub(super) svg: String,
}

#[derive(Template)]
#[template(path = "start.html")]
struct Start {
    action: String,
    input: String,
}

/// The machine of jobs is started by uploads only.
#[derive(Template)]
#[template(path = "of_jobs.html")]
struct OfJobs;

pub(super) fn list(console: &Console, wanted: &Wanted) -> Result<Page, ApiError> {
    let mut found = console.api.catalog().machines_after(wanted.get("after").unwrap_or_default(), PAGE + 1);
    let more = found.len() > PAGE;
    found.truncate(PAGE);
    let next = found.last().filter(|_| more).map(|last| format!("/machines?after={}", encode(&last.name)));
    let running: HashMap<String, usize> = console.api.executions.open_by_machine().into_iter().collect();
    let row = |machine: &std::sync::Arc<crate::catalog::Machine>| MachineRow {
        name: machine.name.clone(),
        path: format!("/machines/{}", encode(&machine.name)),
        kind: kind(machine.express),
        running: running.get(&machine.name).copied().unwrap_or_default(),
        created: rfc3339(machine.created),
    };
    let table = Machines { rows: found.iter().map(row).collect(), next };
    Page::new("Machines").part("machines", &table)
}

pub(super) fn page(console: &Console, who: &Who, name: &str, wanted: &Wanted) -> Result<Page, ApiError> {
    let api = &console.api;
    let arn = api.place.machine(name);
    let machine = api.catalog().machine(name).ok_or_else(|| ApiError::no_machine(&arn))?;
    let revision = api.catalog().revision(&machine.revision)?;
    let path = format!("/machines/{}", encode(name));
    let definition: Value = serde_json::from_str(&revision.definition).unwrap_or_default();
    let facts = Facts {
        path: path.clone(),
        query: encode(name),
        arn,
        kind: kind(machine.express),
        updated: rfc3339(revision.updated),
        versions: machine.versions.iter().map(|version| version.number).collect(),
        aliases: machine.aliases.iter().map(|alias| (alias.name.clone(), routes(alias))).collect(),
        definition: revision.definition.clone(),
    };
    let graph = Graph { label: format!("Graph of {name}"), svg: states::svg_of_page(&definition, &|_| "") };
    let mut page = Page::new(name).below("/machines", "Machines").part("facts", &facts)?;
    if name == MACHINE {
        page = page.part("jobs", &OfJobs)?;
    } else if who.key.role.may(Role::Operator) && !machine.express {
        // The execution whose input begins the form.
        let from = wanted.get("from").map(|from| api.executions.find(name, from)).transpose()?.flatten();
        let input = from.map_or_else(|| "{}".to_owned(), |from| from.input);
        page = page.form("start", &Start { action: format!("{path}/executions"), input })?;
    }
    page = page.part("graph", &graph)?;
    if machine.express {
        return Ok(page);
    }
    let before = wanted.number("time").zip(wanted.number("number"));
    let before =
        before.and_then(|(time, number)| Some(Position { time: Moment(i64::try_from(time).ok()?), number }));
    let all = [Status::Running].into_iter().chain(Status::ENDED);
    let status = wanted.get("status").and_then(|name| all.into_iter().find(|status| status.name() == name));
    let listing = Listing { machine_number: machine.number, status, version: None, alias: None };
    let mut found = api.executions.list(&listing, before, PAGE + 1)?;
    let next = cut(&mut found).map(|last| {
        let status = status.map_or("", Status::name);
        format!("{path}?status={status}&time={}&number={}", last.time.0, last.number)
    });
    let rows = found.iter().map(Row::of).collect();
    let empty = "There are no executions yet.";
    page.part("executions", &Executions { caption: "Executions", empty, rows, with_machine: false, next })
}

fn kind(express: bool) -> &'static str {
    if express { "Express" } else { "Standard" }
}
