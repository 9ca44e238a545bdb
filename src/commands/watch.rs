//! `throughline watch`: a run on AWS, as a run on this machine is shown.

use std::path::PathBuf;
use std::sync::Arc;

use job::ErrorName;
use job::run::RunRef;
use tokio_util::sync::CancellationToken;

use super::run;
use super::summary::{Failed, Summary, When};
use crate::args;
use crate::aws::{self, AwsStack, Execution, Status};
use crate::exit::{CliError, Exit, is_wrong};
use crate::local::{Outputs, Protected};
use crate::progress::{Progress, Style, show};
use crate::signals::Signals;

pub(super) async fn watch(args: args::Watch) -> Result<Exit, CliError> {
    if let Some(output) = &args.shown.output {
        Outputs::check(output, "", &Protected::default())?;
    }
    let stack = AwsStack::connect(&args.stack).await?;
    // Just after an upload nothing has claimed it.
    let run = stack.run(&args.run).await?;
    follow(&stack, &run, &args.shown).await
}

/// Shows a run until it ends, and its summary. Ctrl-C leaves the run alone.
pub(super) async fn follow(stack: &AwsStack, run: &RunRef, shown: &args::Shown) -> Result<Exit, CliError> {
    let progress = Arc::new(Progress::elsewhere());
    let style = if shown.json { Style::Json } else { Style::Person };
    let done = CancellationToken::new();
    let showing = tokio::spawn(show(progress.clone(), style, done.clone()));
    let mut signals = Signals::listen();
    let followed = tokio::select! {
        followed = aws::follow(stack, run, &progress) => Some(followed),
        () = signals.next() => None,
    };
    done.cancel();
    let _ = showing.await;
    match followed.transpose()? {
        None => {
            let again = command("watch", stack, run);
            if shown.json {
                let sent = progress.now().lanes.iter().any(|lane| lane.done > 0);
                let event = serde_json::json!({
                    "event": "summary", "exit_code": Exit::Interrupted.code(), "requests_sent": sent, "verdict": "interrupted",
                    "message": format!("the run goes on; watch it again: {again}"),
                });
                println!("{event}");
            } else {
                eprintln!("the run goes on; watch it again: {again}");
            }
            Ok(Exit::Interrupted)
        }
        Some(None) => Err(match not_started(stack, run).await? {
            Some(why) => CliError::new(format!("the run {} has not started: {why}", name(run))),
            None => CliError::new(format!(
                "no execution has claimed the run {}: is that its name, and does a stack with the bucket {} start runs for uploads?",
                name(run),
                stack.bucket()
            )),
        }),
        Some(Some(execution)) => ended(stack, run, &execution, shown).await,
    }
}

/// Why an execution could not even claim the run, as far as its report says.
async fn not_started(stack: &AwsStack, run: &RunRef) -> Result<Option<String>, CliError> {
    if run.file.is_empty() {
        return Ok(None);
    }
    let report = stack.objects().find(&postprocess::report_key(run)).await?;
    let report = report
        .and_then(|report| serde_json::from_slice::<serde_json::Value>(&report).ok())
        .unwrap_or_default();
    Ok(report["message"].as_str().filter(|_| report["verdict"] == "not_started").map(str::to_owned))
}

/// `JOB/ID`, as it is typed.
pub(super) fn name(run: &RunRef) -> String {
    format!("{}/{}", run.job, run.id)
}

/// What to type about a run.
pub(super) fn command(verb: &str, stack: &AwsStack, run: &RunRef) -> String {
    format!("throughline {verb} {} {}", name(run), stack.options())
}

/// The summary of a run that has ended.
pub(super) async fn ended(
    stack: &AwsStack,
    run: &RunRef,
    execution: &Execution,
    shown: &args::Shown,
) -> Result<Exit, CliError> {
    let run = &RunRef { file: execution.file.clone(), ..run.clone() };
    match (&execution.status, run::finished(&stack.objects(), run).await?) {
        (Status::Failed { error, cause }, _) if error != ErrorName::RunFailed.as_str() => {
            // With a plan, lines may have been sent.
            let begun = stack.objects().find(&run.keys().plan()).await?.is_some();
            let exit = if is_wrong(error) && !begun { Exit::Wrong } else { Exit::Failed };
            let verdict = if begun { "failed" } else { "not_started" };
            Ok(Failed { exit, verdict, error, message: &crate::local::message_of(cause), sent: begun }
                .print(shown.json))
        }
        (Status::Aborted, None) => {
            let message = format!(
                "the execution was stopped from outside and left no output; `{}` finishes the run",
                command("redrive", stack, run)
            );
            let sent = stack.objects().find(&run.keys().plan()).await?.is_some();
            let failed = Failed {
                exit: Exit::Failed,
                verdict: "aborted",
                error: "Execution.Aborted",
                message: &message,
                sent,
            };
            Ok(failed.print(shown.json))
        }
        (_, Some(report)) => {
            let bucket = stack.bucket().to_owned();
            let summary = Summary {
                objects: stack.objects(),
                place: Box::new(move |key| PathBuf::from(format!("s3://{bucket}/{key}"))),
                run: run.clone(),
                input: run.file.clone(),
                again: command("redrive", stack, run),
                finish: format!("`{} -o FILE`", command("watch", stack, run)),
            };
            summary.print(&report, shown.output.as_deref(), shown.json, When::now(report.requests > 0)).await
        }
        (status, None) => {
            let message = format!(
                "the report and the output of the run {} were replaced by a later upload of {}",
                name(run),
                run.file
            );
            let (exit, verdict) = match (status, execution.output["failed"].as_u64()) {
                (Status::Succeeded, Some(0)) => (Exit::Succeeded, "succeeded"),
                (Status::Succeeded, _) => (Exit::SomeFailed, "some_failed"),
                _ => (Exit::Failed, "failed"),
            };
            Ok(Failed { exit, verdict, error: "Output.Replaced", message: &message, sent: true }
                .print(shown.json))
        }
    }
}
