//! `throughline watch`: shows a run on AWS in the same way as a run on this machine.

use std::path::PathBuf;
use std::sync::Arc;

use job::ErrorName;
use job::run::RunRef;
use tokio_util::sync::CancellationToken;

use super::run;
use super::summary::{FailedRun, RequestsMade, Shown, Summary};
use crate::args;
use crate::aws::{self, AwsStack, Execution, Status};
use crate::exit::{CliError, Exit, is_user_error};
use crate::local::{Outputs, ProtectedFiles};
use crate::progress::{Progress, Style, show};
use crate::signals::Signals;

pub(super) async fn watch(args: args::Watch) -> Result<Exit, CliError> {
    if let Some(output) = &args.watch_options.output {
        Outputs::check(output, "", &ProtectedFiles::default())?;
    }
    let stack = AwsStack::connect(&args.stack).await?;
    // Just after an upload no execution has claimed the run yet.
    let run = stack.run(&args.run).await?;
    follow(&stack, &run, &args.watch_options).await
}

/// Shows a run until it ends, then prints its summary. Ctrl-C ends the command and not the run.
pub(super) async fn follow(
    stack: &AwsStack,
    run: &RunRef,
    watch_options: &args::WatchOptions,
) -> Result<Exit, CliError> {
    let progress = Arc::new(Progress::remote());
    let style = if watch_options.json { Style::Json } else { Style::Text };
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
            let again = command_for("watch", stack, run);
            if watch_options.json {
                let sent = progress.snapshot().lanes.iter().any(|lane| lane.done > 0);
                let event = serde_json::json!({
                    "event": "summary", "exit_code": Exit::Interrupted.code(), "requests_sent": sent, "verdict": "interrupted",
                    "message": format!("the run continues; to watch it again: {again}"),
                });
                println!("{event}");
            } else {
                eprintln!("the run continues; to watch it again: {again}");
            }
            Ok(Exit::Interrupted)
        }
        Some(None) => Err(match not_started(stack, run).await? {
            Some(why) => CliError::new(format!("the run {} has not started: {why}", run_name(run))),
            None => CliError::new(format!(
                "no execution has claimed the run {}: check the id of the run, and that uploads to the bucket {} start runs",
                run_name(run),
                stack.bucket()
            )),
        }),
        Some(Some(execution)) => print_end(stack, run, &execution, watch_options).await,
    }
}

/// The reason why no execution could claim the run, if a report gives it.
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

/// The id of a run for users: `JOB/ID`.
pub(super) fn run_name(run: &RunRef) -> String {
    format!("{}/{}", run.job, run.id)
}

/// The command line that does `verb` to a run.
pub(super) fn command_for(verb: &str, stack: &AwsStack, run: &RunRef) -> String {
    format!("throughline {verb} {} {}", run_name(run), stack.options())
}

/// Prints the summary of a run that has ended.
pub(super) async fn print_end(
    stack: &AwsStack,
    run: &RunRef,
    execution: &Execution,
    watch_options: &args::WatchOptions,
) -> Result<Exit, CliError> {
    let run = &RunRef { file: execution.file.clone(), ..run.clone() };
    match (&execution.status, run::latest_report(&stack.objects(), run).await?) {
        (Status::Failed { error, cause }, _) if error != ErrorName::RunFailed.as_str() => {
            // If there is a plan, lines may have been sent.
            let begun = stack.objects().find(&run.keys().plan()).await?.is_some();
            let exit = if is_user_error(error) && !begun { Exit::Wrong } else { Exit::Failed };
            let verdict = if begun { "failed" } else { "not_started" };
            Ok(FailedRun { exit, verdict, error, message: &crate::local::message_of(cause), sent: begun }
                .print(watch_options.json))
        }
        (Status::Aborted, None) => {
            let message = format!(
                "the execution was stopped from outside and wrote no output; `{}` finishes the run",
                command_for("redrive", stack, run)
            );
            let sent = stack.objects().find(&run.keys().plan()).await?.is_some();
            let failed = FailedRun {
                exit: Exit::Failed,
                verdict: "aborted",
                error: "Execution.Aborted",
                message: &message,
                sent,
            };
            Ok(failed.print(watch_options.json))
        }
        (_, Some(report)) => {
            let bucket = stack.bucket().to_owned();
            let summary = Summary {
                objects: stack.objects(),
                path_of: Box::new(move |key| PathBuf::from(format!("s3://{bucket}/{key}"))),
                run: run.clone(),
                input: run.file.clone(),
                again: command_for("redrive", stack, run),
                finish: format!("`{} -o FILE`", command_for("watch", stack, run)),
            };
            summary
                .print(
                    &report,
                    &Shown {
                        output: watch_options.output.as_deref(),
                        json: watch_options.json,
                        quiet: false,
                    },
                    RequestsMade::by_now(report.requests > 0),
                )
                .await
        }
        (status, None) => {
            let saved = if watch_options.output.is_some() { ", so there is nothing to save" } else { "" };
            let message = format!(
                "the report and the output of the run {} were replaced by a later upload of {}{saved}",
                run_name(run),
                run.file
            );
            let (exit, verdict) = match (status, execution.output["failed"].as_u64()) {
                (Status::Succeeded, Some(0)) => (Exit::Succeeded, "succeeded"),
                (Status::Succeeded, _) => (Exit::SomeFailed, "some_failed"),
                _ => (Exit::Failed, "failed"),
            };
            // A script that asked for the output must not go on without it.
            let exit = if watch_options.output.is_some() { Exit::Failed } else { exit };
            Ok(FailedRun { exit, verdict, error: "Output.Replaced", message: &message, sent: true }
                .print(watch_options.json))
        }
    }
}
