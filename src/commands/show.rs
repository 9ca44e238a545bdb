//! `throughline show`: the request of one line, its attempts and its result, from what the run has kept.

mod recorded;

use std::sync::Arc;

use job::file::Drawn;
use job::file::secrets::Secrets;
use job::run::began;
use job::{Job, LineId, Row, RunKeys};
use serde_json::{Value, json};
use worker::request;

use super::exchange::{ShownRequest, print_values};
use super::which;
use crate::args;
use crate::exit::{CliError, Exit};
use crate::local::InputLine;
use crate::text;
use recorded::{Attempt, Recorded};

/// What is said where the request cannot be shown.
const REMOVED: &str = "every line of the run has succeeded, so its lines were removed";

pub(super) async fn show(args: &args::Show) -> Result<Exit, CliError> {
    let found = which::find(&args.of, "show").await?;
    let (objects, run, input) = (found.objects(), found.run.clone(), args.of.input.as_deref());
    let name = found.name();
    if objects.find(&run.keys().plan()).await?.is_none() {
        return Err(CliError::new(format!(
            "the run {name} has not split its input yet, or there is no such run"
        )));
    }
    let opened = job::run::open(&objects, &run).await?;
    let n = LineId::nth(args.line);
    let selection = opened.plan.input.selected();
    if selection.is_none() && args.line > opened.plan.input.lines {
        return Err(CliError::new(format!(
            "there is no line {}: the run {name} has {}",
            args.line,
            text::lines(opened.plan.input.lines)
        )));
    }
    if selection.is_some_and(|selection| !selection.has(args.line)) {
        return Err(CliError::new(format!(
            "the run {name} has only a part of the lines, and not line {}",
            args.line
        )));
    }
    let recorded = Recorded::read(&objects, &opened, n).await?;
    let job = Arc::new(opened.job);
    let line = match (recorded.item, input) {
        (Some(item), _) => Some(InputLine { columns: opened.plan.input.columns.into(), item }),
        // The input is still there, and the identity of the request says whether it is the same one.
        (None, Some(input)) => InputLine::read(input, &job, args.line).await.ok(),
        (None, None) => None,
    };
    let (origin, origin_n) = recorded.origin.unwrap_or((run.id.clone(), n));
    let began = if job.draws() { began(&objects, &RunKeys::new(&run.job, &origin)).await? } else { 0 };
    let drawn = || Drawn::new(&origin, began, origin_n, args.line);
    let rendered = match line.as_ref().map(InputLine::row) {
        None => Err(REMOVED.to_owned()),
        Some(Err(why)) => Err(format!("the line makes no request: {why}")),
        Some(Ok(row)) => request_of(&job, &job.row(row, drawn), &origin, origin_n, &recorded.attempts),
    };
    let extracted = opened.plan.extracted;
    let shown =
        Shown { line: args.line, run: &name, request: rendered, attempts: &recorded.attempts, extracted };
    if args.json {
        println!("{}", shown.json())
    } else {
        shown.print()
    }
    Ok(Exit::Succeeded)
}

/// The request of the line with masked secrets, or why it cannot be shown.
fn request_of(
    job: &Job,
    row: &Arc<Row>,
    run: &str,
    n: LineId,
    attempts: &[Attempt],
) -> Result<ShownRequest, String> {
    let masked = Arc::new(Secrets::masked(job.secrets.keys().cloned()));
    let key = request::idempotency_key(job, [(run, n)]);
    let rendered = request::render(job, row, &masked, key.as_deref())
        .map_err(|failure| format!("the line makes no request: {}: {}", failure.code, failure.detail))?;
    match attempts.iter().rev().find_map(|attempt| attempt.identity) {
        Some(sent) if rendered.identity != Some(sent) => {
            Err(format!("{REMOVED}, and the input has changed since then"))
        }
        _ => Ok(ShownRequest::new(&rendered)),
    }
}

/// What is shown of a line.
struct Shown<'a> {
    line: u64,
    run: &'a str,
    request: Result<ShownRequest, String>,
    attempts: &'a [Attempt],
    /// The names of the extracted columns.
    extracted: Vec<String>,
}

impl Shown<'_> {
    fn print(&self) {
        println!("line {} of the run {}\n", self.line, self.run);
        match &self.request {
            Ok(request) => request.print(),
            Err(why) => println!("request\n    {why}"),
        }
        println!("\nattempts");
        if self.attempts.is_empty() {
            println!("    none that has ended");
        }
        for attempt in self.attempts {
            println!("    {}", attempt.in_words());
        }
        if let Some(values) = self.attempts.last().and_then(|last| last.values.as_ref()) {
            println!("\ncolumns");
            let values = values.iter().map(|value| value.as_str().into());
            print_values(self.extracted.iter().map(String::as_str).zip(values));
        }
    }

    fn json(&self) -> Value {
        let (request, why) = match &self.request {
            Ok(request) => (Some(request.json()), None),
            Err(why) => (None, Some(why)),
        };
        let values = self.attempts.last().and_then(|last| last.values.as_ref());
        let columns = values.map(|values| {
            let value = |value: &String| serde_json::from_str(value).unwrap_or(Value::Null);
            Value::Object(self.extracted.iter().cloned().zip(values.iter().map(value)).collect())
        });
        let attempts: Vec<Value> = self.attempts.iter().map(Attempt::json).collect();
        json!({
            "event": "line", "line": self.line, "run": self.run, "request": request, "no_request": why,
            "attempts": attempts, "columns": columns,
        })
    }
}
