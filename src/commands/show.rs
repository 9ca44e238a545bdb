//! `throughline show`: the request of one line, its attempts and its result, from what the run has kept.

mod recorded;

use std::path::Path;
use std::sync::Arc;

use job::file::secrets::Secrets;
use job::run::{FORMAT, Latest, RunRef};
use job::{Job, LineId, Objects, Row, keys};
use serde_json::{Value, json};
use worker::request;

use super::exchange::{ShownRequest, print_values};
use crate::args;
use crate::aws::{AwsStack, latest_generation};
use crate::exit::{CliError, Exit};
use crate::local::{Input, InputLine, StateDir, job_name};
use crate::text;
use recorded::{Attempt, Recorded};

/// What is said where the request cannot be shown.
const REMOVED: &str = "every line of the run has succeeded, so its lines were removed";

pub(super) async fn show(args: &args::Show) -> Result<Exit, CliError> {
    let (objects, run, input) = match (&args.input, &args.bucket) {
        (Some(input), _) => {
            let (objects, run) = on_this_machine(args, input).await?;
            (objects, run, Some(input.as_path()))
        }
        (None, Some(bucket)) => {
            let stack = args::Stack { bucket: bucket.clone(), account: args.account.clone() };
            let stack = AwsStack::connect(&stack).await?;
            let run = stack.run(&args.job.display().to_string()).await?;
            (stack.objects(), run, None)
        }
        (None, None) => {
            return Err(CliError::new(
                "give the job file and the input file of a run on this machine, or the id of a run on AWS and the bucket of its stack (--bucket)",
            ));
        }
    };
    let name = format!("{}/{}", run.job, run.id);
    if objects.find(&run.keys().plan()).await?.is_none() {
        return Err(CliError::new(format!(
            "the run {name} has not split its input yet, or there is no such run"
        )));
    }
    let opened = job::run::open(&objects, &run).await?;
    let n = LineId::nth(args.line);
    if args.line > opened.plan.input.lines {
        return Err(CliError::new(format!(
            "there is no line {}: the run {name} has {}",
            args.line,
            text::lines(opened.plan.input.lines)
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
    let (origin, n) = recorded.origin.unwrap_or((run.id.clone(), n));
    let rendered = match line.as_ref().map(InputLine::row) {
        None => Err(REMOVED.to_owned()),
        Some(Err(why)) => Err(format!("the line makes no request: {why}")),
        Some(Ok(row)) => request_of(&job, &row, &origin, n, &recorded.attempts),
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

/// The run of this job and file that came last.
async fn on_this_machine(args: &args::Show, input: &Path) -> Result<(Objects, RunRef), CliError> {
    let not_yet = || {
        let (job, input) = (args.job.display(), input.display());
        CliError::new(format!(
            "this job and input have not been run on this machine yet: start with `throughline run {job} {input}`, or send the line alone with `throughline try {job} {input} --line {}`",
            args.line
        ))
    };
    if !args.state.is_dir() {
        return Err(not_yet());
    }
    let objects = StateDir::open_objects(&args.state, "show")?.objects();
    let (job, file) = (job_name(&args.job)?, Input::open(input)?.name);
    let key = keys::latest(&job, &file);
    let latest = objects.find(&key).await?.ok_or_else(not_yet)?;
    let latest: Latest = serde_json::from_slice(&latest).map_err(|error| job::run::damaged(&key, error))?;
    let bucket = s3::BUCKET.to_owned();
    let mut run = RunRef { format: FORMAT, bucket, job, file, id: latest.run, generation: 0 };
    run.generation = latest_generation(&objects, &run).await?.unwrap_or(0);
    Ok((objects, run))
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
