//! What waits for a person. If the input of a task has `approval: {title, text, choices}`, the page shows it as a form.

use askama::Template;
use serde_json::Value;

use super::super::page::Page;
use super::super::{Console, Who};
use super::{PAGE, named};
use crate::api::ApiError;
use crate::executions::rfc3339;
use crate::inbox::{Sent, Waiting};
use crate::keys::Role;

#[derive(Template)]
#[template(path = "inbox.html")]
pub(super) struct Tasks {
    caption: &'static str,
    rows: Vec<Row>,
}

struct Row {
    id: String,
    title: String,
    path: String,
    name: String,
    since: String,
    until: Option<String>,
}

#[derive(Template)]
#[template(path = "sent.html")]
struct Answered {
    rows: Vec<SentRow>,
}

struct SentRow {
    time: String,
    path: String,
    name: String,
    sent: Sent,
}

#[derive(Template)]
#[template(path = "task.html")]
struct Task {
    id: String,
    text: String,
    state: String,
    path: String,
    name: String,
    input: String,
    choices: Vec<String>,
    /// Whether the key may decide.
    may: bool,
}

pub(super) fn table(console: &Console, caption: &'static str, limit: usize) -> Result<Tasks, ApiError> {
    let row = |waiting: &Waiting| {
        let (name, path) = named(&waiting.execution);
        Row {
            id: waiting.id(),
            title: title(waiting),
            path,
            name,
            since: rfc3339(waiting.since),
            until: waiting.until.map(rfc3339),
        }
    };
    Ok(Tasks { caption, rows: console.inbox.list(limit)?.iter().map(row).collect() })
}

pub(super) fn list(console: &Console) -> Result<Page, ApiError> {
    let row = |sent: Sent| {
        let (name, path) = named(&sent.execution);
        SentRow { time: rfc3339(sent.at), path, name, sent }
    };
    let answered = Answered { rows: console.inbox.last_sent(PAGE)?.into_iter().map(row).collect() };
    Page::new("Inbox").part("waiting", &table(console, "Waiting", PAGE)?)?.part("answered", &answered)
}

pub(super) fn task(console: &Console, who: &Who, id: &str) -> Result<Page, ApiError> {
    let waiting = console.inbox.find(id)?.ok_or_else(gone)?;
    let (name, path) = named(&waiting.execution);
    let approval = &waiting.input["approval"];
    let choices = approval["choices"].as_array().into_iter().flatten();
    let task = Task {
        id: id.to_owned(),
        text: approval["text"].as_str().unwrap_or_default().to_owned(),
        state: waiting.state.clone(),
        path,
        name,
        input: serde_json::to_string_pretty(&waiting.input).unwrap_or_default(),
        choices: choices.filter_map(Value::as_str).map(str::to_owned).collect(),
        may: who.key.role.may(Role::Operator),
    };
    Page::new(title(&waiting)).below("/inbox", "Inbox").form("task", &task)
}

pub(in crate::console) fn gone() -> ApiError {
    ApiError::new(
        "ResourceNotFound",
        "The task does not wait any more: it was answered, it timed out, or its execution has ended.",
    )
}

fn title(waiting: &Waiting) -> String {
    waiting.input["approval"]["title"].as_str().unwrap_or(&waiting.state).to_owned()
}
