//! The summary of a run, as text and as JSON.

mod text_form;

use std::path::{Path, PathBuf};

use job::run::RunRef;
use job::{ErrorName, Objects};
use postprocess::Report;
use serde::Serialize;
use serde_json::json;

use crate::args::RunOptions;
use crate::exit::{CliError, Exit};
use crate::local::{Outputs, StateDir, Target};
use crate::log;
use crate::progress::Snapshot;
use crate::text;

pub(super) use text_form::reason;

/// What a summary needs in addition to the report.
pub(super) struct Summary {
    /// The store that holds the outputs.
    pub(super) objects: Objects,
    /// The path or URL by which the user knows an object.
    pub(super) path_of: Box<dyn Fn(&str) -> PathBuf + Send + Sync>,
    pub(super) run: RunRef,
    /// The input as the user named it.
    pub(super) input: String,
    /// The command that sends failed lines again.
    pub(super) again: String,
    /// The command that writes the outputs later if they cannot be written now.
    pub(super) finish: String,
}

impl Summary {
    /// The summary of a run on this machine.
    pub(super) fn local(state: &StateDir, target: &Target) -> Self {
        let folder = state.folder().to_owned();
        Self {
            objects: state.objects(),
            path_of: Box::new(move |key| folder.join(key)),
            run: target.run.clone(),
            input: target.input.display().to_string(),
            again: "throughline redrive, with the same arguments".to_owned(),
            // A redrive would send the failed lines once more.
            finish: if target.run.generation == 0 {
                "the same command"
            } else {
                "`throughline run` with the same arguments"
            }
            .to_owned(),
        }
    }

    /// Writes the outputs to `output`, if it is given, and prints the summary.
    pub(super) async fn print(
        &self,
        report: &Report,
        options: &Shown<'_>,
        requests: RequestsMade,
    ) -> Result<Exit, CliError> {
        let outputs = match Outputs::write(&self.objects, &self.path_of, &self.run, options.output).await {
            Ok(outputs) => outputs,
            Err(unwritten) => {
                let kept = format!("{unwritten}. Every response is kept");
                let finish = &self.finish;
                let (error, message) = if unwritten.is_full() {
                    (ErrorName::StorageFull.as_str(), format!("{kept}. Make room; {finish} continues"))
                } else {
                    let message = format!(
                        "{kept}; {finish}, with this or another -o, writes the outputs and makes no request"
                    );
                    ("Output.Unwritable", message)
                };
                let failed = FailedRun {
                    exit: Exit::Failed,
                    verdict: "stopped",
                    error,
                    message: &message,
                    sent: requests == RequestsMade::Now,
                };
                return Ok(failed.print(options.json));
            }
        };
        let exit = Exit::from(report);
        log::event(&log_of(report, exit));
        if options.quiet && exit == Exit::Succeeded {
            return Ok(exit);
        }
        if options.json {
            print_json(report, &outputs, exit, requests);
        } else {
            self.print_text(report, &outputs, requests);
        }
        Ok(exit)
    }
}

/// What of a summary is shown.
pub(super) struct Shown<'a> {
    /// Where the outputs go.
    pub(super) output: Option<&'a Path>,
    pub(super) json: bool,
    /// Nothing is shown if every line has succeeded.
    pub(super) quiet: bool,
}

/// A summary for the log: the counts, and no value of a line.
fn log_of(report: &Report, exit: Exit) -> serde_json::Value {
    let errors = report.errors.iter().map(|error| {
        json!({ "code": error.code, "cause": error.cause, "count": error.count, "lines": error.lines })
    });
    json!({
        "event": "summary", "run": format!("{}/{}", report.job, report.run), "exit_code": exit.code(),
        "verdict": report.verdict, "lines": report.lines, "ok": report.ok, "failed": report.failed,
        "not_processed": report.not_processed, "skipped": report.skipped, "kept": report.kept,
        "requests": report.requests, "throttled": report.throttled, "duration_seconds": report.duration_seconds,
        "errors": errors.collect::<Vec<_>>(),
    })
}

/// When the requests of a run were made, seen from the command that prints its summary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RequestsMade {
    /// The run had ended before this command started.
    Before,
    /// This command, or the run that it watched, made requests.
    Now,
    /// The run ended now, and this command made no request.
    NotNow,
}

impl RequestsMade {
    /// For a run that ended now. `sent` says whether requests were made.
    pub(super) fn by_now(sent: bool) -> Self {
        if sent { Self::Now } else { Self::NotNow }
    }
}

/// Prints the summary of a run on this machine, see [`Summary::print`].
pub(super) async fn print_local(
    state: &StateDir,
    target: &Target,
    report: &Report,
    options: &RunOptions,
    requests: RequestsMade,
) -> Result<Exit, CliError> {
    let RunOptions { output, json, quiet, .. } = options;
    let shown = Shown { output: output.as_deref(), json: *json, quiet: *quiet };
    Summary::local(state, target).print(report, &shown, requests).await
}

/// A run that ended without a report.
pub(super) struct FailedRun<'a> {
    pub(super) exit: Exit,
    pub(super) verdict: &'a str,
    /// The stable name of its error.
    pub(super) error: &'a str,
    pub(super) message: &'a str,
    /// Whether this command made requests.
    pub(super) sent: bool,
}

impl FailedRun<'_> {
    /// Prints the failure and returns the exit code.
    pub(super) fn print(&self, json: bool) -> Exit {
        let Self { exit, verdict, error, message, sent } = self;
        log::event(
            &json!({ "event": "summary", "exit_code": exit.code(), "verdict": verdict, "error": error }),
        );
        if json {
            let event = json!({
                "event": "summary", "exit_code": exit.code(), "requests_sent": sent, "verdict": verdict, "error": error, "message": message,
            });
            println!("{event}");
        } else {
            eprintln!("throughline: {message} ({error})");
        }
        *exit
    }
}

/// Prints that the run was interrupted. `sent` says whether requests were made.
pub(super) fn print_interrupted(run: &Snapshot, sent: bool, json: bool) {
    let (done, lines) =
        run.lanes.iter().fold((0, 0), |(done, lines), lane| (done + lane.done, lines + lane.lines));
    log::event(&json!({ "event": "summary", "verdict": "interrupted", "done": done, "lines": lines }));
    if json {
        let event = json!({
            "event": "summary", "exit_code": Exit::Interrupted.code(), "requests_sent": sent, "verdict": "interrupted", "done": done, "lines": lines,
        });
        println!("{event}");
    } else if lines == 0 {
        eprintln!("interrupted before the first request; the same command starts again");
    } else {
        eprintln!(
            "interrupted after {} of {}; the same command continues",
            text::count(done),
            text::lines(lines)
        );
    }
}

fn print_json(report: &Report, outputs: &Outputs, exit: Exit, requests: RequestsMade) {
    #[derive(Serialize)]
    struct Event<'a> {
        event: &'static str,
        exit_code: u8,
        requests_sent: bool,
        #[serde(flatten)]
        report: &'a Report,
        files: Files,
    }
    #[derive(Serialize)]
    struct Files {
        output: String,
        failed: Option<String>,
        report: String,
    }
    let files = Files {
        output: outputs.output.display().to_string(),
        failed: outputs.failed.as_ref().map(|path| path.display().to_string()),
        report: outputs.report.display().to_string(),
    };
    let event = Event {
        event: "summary",
        exit_code: exit.code(),
        requests_sent: requests == RequestsMade::Now,
        report,
        files,
    };
    println!("{}", serde_json::to_string(&event).expect("a report is always JSON"));
}
