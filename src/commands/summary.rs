//! The summary of a run, as text and as JSON.

use std::path::{Path, PathBuf};
use std::time::Duration;

use job::messages::RunRef;
use job::{ErrorName, Objects};
use postprocess::{ErrorCount, Report, Verdict};
use serde::Serialize;
use serde_json::json;

use crate::args::Places;
use crate::exit::{CliError, Exit};
use crate::local::{Outputs, StateDir, Target};
use crate::progress::Snapshot;
use crate::text;

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
        output: Option<&Path>,
        json: bool,
        requests: RequestsMade,
    ) -> Result<Exit, CliError> {
        let outputs = match Outputs::write(&self.objects, &self.path_of, &self.run, output).await {
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
                return Ok(failed.print(json));
            }
        };
        let exit = Exit::from(report);
        if json {
            print_json(report, &outputs, exit, requests);
        } else {
            self.print_text(report, &outputs, requests);
        }
        Ok(exit)
    }
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
    places: &Places,
    requests: RequestsMade,
) -> Result<Exit, CliError> {
    Summary::local(state, target).print(report, places.output.as_deref(), places.json, requests).await
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

impl Summary {
    fn print_text(&self, report: &Report, outputs: &Outputs, requests: RequestsMade) {
        let time = report
            .duration_seconds
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
            .map(text::duration);
        let requests = match requests {
            RequestsMade::Before => " before; no request was made now",
            RequestsMade::Now => "",
            RequestsMade::NotNow => "; no request was made now",
        };
        println!(
            "{}: {}{}{requests}",
            self.input,
            report.ending(),
            time.map_or_else(String::new, |time| format!(" in {time}"))
        );
        println!();
        let lines = [
            ("lines", report.lines, true),
            ("succeeded", report.ok, true),
            ("failed", report.failed, true),
            ("not processed", report.not_processed, report.not_processed > 0),
        ];
        for (name, count, shown) in lines {
            if shown {
                let share = if name == "lines" || report.lines == 0 {
                    String::new()
                } else {
                    format!("  {}", text::percent(count, report.lines))
                };
                println!("  {name:13} {:>12}{share}", text::count(count));
            }
        }
        report.errors.iter().take(6).for_each(|error| println!("{}", reason(error)));
        println!();
        for lane in &report.lanes {
            let name = lane.provider.as_deref().unwrap_or(&lane.name);
            let latency = lane.latency_ms.map_or_else(String::new, |latency| {
                format!("  p50 {} ms, p99 {} ms", latency.p50, latency.p99)
            });
            println!(
                "  {name}  {} requests, {}, {} throttled{latency}",
                text::count(lane.requests),
                text::rate(lane.requests_per_second),
                text::count(lane.throttled)
            );
            if let Some(reason) = &lane.stopped {
                println!("    stopped: {}", excerpt(reason));
            }
            if let Some(advice) = &lane.advice {
                println!("    {advice}");
            }
        }
        for warning in &report.warnings {
            println!("\n  warning: {warning}");
        }
        if report.verdict == Verdict::Failed {
            println!("\n  {}", report.message);
        }
        let stdout = outputs.output.as_os_str() == "-";
        println!(
            "\n  output  {}",
            if stdout { "standard output".into() } else { outputs.output.display().to_string() }
        );
        if let Some(failed) = &outputs.failed {
            println!("  failed  {}   (send them again: {})", failed.display(), self.again);
        }
        println!("  report  {}", outputs.report.display());
        if let Some(unrelated) = &outputs.unrelated {
            println!(
                "\n  {} exists and does not belong to this run: it was not changed",
                unrelated.display()
            );
        }
    }
}

/// One reason why lines fail: its code, the count, the first lines, and the detail of the first line.
pub(super) fn reason(error: &ErrorCount) -> String {
    let numbers: Vec<String> = error.lines.iter().map(u64::to_string).collect();
    let more = if error.count > error.lines.len() as u64 { ", …" } else { "" };
    let plural = if numbers.len() == 1 { "" } else { "s" };
    format!(
        "    {:20} {:>5}  line{plural} {}{more}: {}",
        error.code,
        text::count(error.count),
        numbers.join(", "),
        excerpt(&error.detail)
    )
}

fn excerpt(text: &str) -> String {
    const MOST: usize = 120;
    let line = text.lines().next().unwrap_or_default();
    if line.chars().count() > MOST {
        format!("{}…", line.chars().take(MOST).collect::<String>())
    } else {
        line.to_owned()
    }
}
