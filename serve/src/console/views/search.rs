//! Executions of one machine or of all, by status, name, error and time.

use askama::Template;
use jiff::Timestamp;

use super::super::Console;
use super::super::page::{Page, Wanted, encode};
use super::{Executions, PAGE, Row};
use crate::api::ApiError;
use crate::catalog::{Machine, Moment};
use crate::executions::{Execution, Listing, Position, Status};

/// The executions that a page looks at before it asks whether to go on.
const LOOKED_AT: usize = 5_000;
/// The machines that can be chosen.
const MACHINES: usize = 1_000;

#[derive(Template)]
#[template(path = "search.html")]
struct Form {
    machines: Vec<String>,
    machine: String,
    statuses: [(&'static str, &'static str); 6],
    status: String,
    name: String,
    error: String,
    from: String,
    to: String,
}

const STATUSES: [(&str, &str); 6] = [
    ("", "any"),
    ("RUNNING", "running"),
    ("SUCCEEDED", "succeeded"),
    ("FAILED", "failed"),
    ("TIMED_OUT", "timed out"),
    ("ABORTED", "stopped"),
];

/// What is searched for.
struct Search<'a> {
    status: Option<Status>,
    name: &'a str,
    error: &'a str,
    from: Option<Moment>,
}

impl Search<'_> {
    fn wants(&self, execution: &Execution) -> bool {
        let end = execution.end.as_ref();
        let text = |text: &Option<String>| text.as_deref().is_some_and(|text| text.contains(self.error));
        execution.name.starts_with(self.name)
            && (self.error.is_empty() || end.is_some_and(|end| text(&end.error) || text(&end.cause)))
            && self.from.is_none_or(|from| execution.position().time >= from)
    }
}

pub(super) fn page(console: &Console, wanted: &Wanted) -> Result<Page, ApiError> {
    let text = |name: &str| wanted.get(name).unwrap_or_default();
    let machines = console.api.catalog().machines_after("", MACHINES);
    let form = Form {
        machines: machines.iter().map(|machine| machine.name.clone()).collect(),
        machine: text("machine").to_owned(),
        statuses: STATUSES,
        status: text("status").to_owned(),
        name: text("name").to_owned(),
        error: text("error").to_owned(),
        from: text("from").to_owned(),
        to: text("to").to_owned(),
    };
    let all = [Status::Running].into_iter().chain(Status::ENDED);
    let search = Search {
        status: all.into_iter().find(|status| status.name() == text("status")),
        name: text("name"),
        error: text("error"),
        from: moment(text("from")),
    };
    let chosen: Vec<&Machine> = machines
        .iter()
        .map(AsRef::as_ref)
        .filter(|machine| !machine.express && (form.machine.is_empty() || machine.name == form.machine))
        .collect();
    let before = wanted.number("time").zip(wanted.number("number"));
    let before = before.and_then(|(time, number)| position(time, number));
    // Until a time includes its minute.
    let until = moment(text("to")).map(|to| Position { time: Moment(to.0 + 60_000_000), number: 0 });
    let (found, next) = find(console, &chosen, &search, before.or(until))?;
    let query: String = ["machine", "status", "name", "error", "from", "to"]
        .iter()
        .filter_map(|name| wanted.get(name).map(|value| format!("{name}={}&", encode(value))))
        .collect();
    let next = next.map(|at| format!("/executions?{query}time={}&number={}", at.time.0, at.number));
    let rows = found.iter().map(Row::of).collect();
    let empty = match &next {
        Some(_) => "None of those that were looked at. The link below goes on with older ones.",
        None => "There is no such execution.",
    };
    let table = Executions { caption: "Executions", empty, rows, with_machine: true, next };
    Page::new("Executions").form("search", &form)?.part("executions", &table)
}

/// The executions before a position, newest first, and where the list goes on.
fn find(
    console: &Console,
    machines: &[&Machine],
    search: &Search<'_>,
    mut before: Option<Position>,
) -> Result<(Vec<Execution>, Option<Position>), ApiError> {
    let (mut found, mut looked_at) = (Vec::new(), 0);
    loop {
        // The newest of each machine are the newest of all as far as the least far of them goes.
        let mut page: Vec<Execution> = Vec::new();
        for machine in machines {
            let listing =
                Listing { machine_number: machine.number, status: search.status, version: None, alias: None };
            page.extend(console.api.executions.list(&listing, before, PAGE + 1)?);
        }
        page.sort_by_key(|execution| std::cmp::Reverse(execution.position()));
        page.truncate(PAGE + 1);
        looked_at += page.len().max(1);
        let is_last = page.len() <= PAGE;
        let too_old =
            |execution: &Execution| search.from.is_some_and(|from| execution.position().time < from);
        for execution in page {
            if too_old(&execution) {
                return Ok((found, None));
            }
            if found.len() == PAGE {
                return Ok((found, before));
            }
            before = Some(execution.position());
            if search.wants(&execution) {
                found.push(execution);
            }
        }
        if is_last {
            return Ok((found, None));
        }
        if looked_at >= LOOKED_AT {
            return Ok((found, before));
        }
    }
}

fn position(time: u64, number: u64) -> Option<Position> {
    Some(Position { time: Moment(i64::try_from(time).ok()?), number })
}

/// A time as forms send it, in UTC: `2026-11-30T14:02`.
fn moment(text: &str) -> Option<Moment> {
    let time: Timestamp = format!("{text}:00Z").parse().ok()?;
    Some(Moment(time.as_microsecond()))
}
