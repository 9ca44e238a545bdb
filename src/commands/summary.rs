//! How a run ended, for people and as JSON.

use std::path::{Path, PathBuf};
use std::time::Duration;

use job::run::RunRef;
use job::{ErrorName, Objects};
use postprocess::{ErrorCount, Report, Verdict};
use serde::Serialize;
use serde_json::json;

use crate::args::Places;
use crate::exit::{CliError, Exit};
use crate::local::{Outputs, StateDir, Target};
use crate::progress::Now;
use crate::text;

/// What a summary needs besides the report.
pub(super) struct Summary {
    /// Where the outputs lie.
    pub(super) objects: Objects,
    /// What a person calls an object.
    pub(super) place: Box<dyn Fn(&str) -> PathBuf + Send + Sync>,
    pub(super) run: RunRef,
    /// The input, as the person named it.
    pub(super) input: String,
    /// The command that sends failed lines again.
    pub(super) again: String,
    /// The command that writes the outputs when they could not be written.
    pub(super) finish: String,
}

impl Summary {
    /// Of a run on this machine.
    pub(super) fn local(state: &StateDir, target: &Target) -> Self {
        let folder = state.folder().to_owned();
        Self {
            objects: state.objects(),
            place: Box::new(move |key| folder.join(key)),
            run: target.run.clone(),
            input: target.input.display().to_string(),
            again: "throughline redrive, with the same arguments".to_owned(),
            // A redrive would send what failed once more.
            finish: if target.run.generation == 0 {
                "the same command"
            } else {
                "`throughline run` with the same arguments"
            }
            .to_owned(),
        }
    }

    /// Writes the outputs where they are wanted and prints the summary.
    pub(super) async fn print(
        &self,
        report: &Report,
        output: Option<&Path>,
        json: bool,
        when: When,
    ) -> Result<Exit, CliError> {
        let outputs = match Outputs::write(&self.objects, &self.place, &self.run, output).await {
            Ok(outputs) => outputs,
            Err(unwritten) => {
                let kept = format!("{unwritten}. Every response is kept");
                let finish = &self.finish;
                let (error, message) = if unwritten.is_full() {
                    (ErrorName::StorageFull.as_str(), format!("{kept}. Make room; {finish} continues"))
                } else {
                    let message = format!(
                        "{kept}; {finish}, also with another -o, writes the outputs and makes no request"
                    );
                    ("Output.Unwritable", message)
                };
                let failed = Failed {
                    exit: Exit::Failed,
                    verdict: "stopped",
                    error,
                    message: &message,
                    sent: when == When::Sent,
                };
                return Ok(failed.print(json));
            }
        };
        let exit = Exit::from(report);
        if json {
            print_json(report, &outputs, exit, when);
        } else {
            self.print_text(report, &outputs, when);
        }
        Ok(exit)
    }
}

/// Whether the command that prints a summary made the requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    /// The run had ended before this command.
    Before,
    /// This command, or the run that it watched, made requests.
    Sent,
    /// The run ended now, and no request was made now.
    NothingSent,
}

impl When {
    /// Of a run that ended now.
    pub(super) fn now(sent: bool) -> Self {
        if sent { Self::Sent } else { Self::NothingSent }
    }
}

/// [`Summary::print`] of a run on this machine.
pub(super) async fn finished(
    state: &StateDir,
    target: &Target,
    report: &Report,
    places: &Places,
    when: When,
) -> Result<Exit, CliError> {
    Summary::local(state, target).print(report, places.output.as_deref(), places.json, when).await
}

/// The execution ended without a report.
pub(super) struct Failed<'a> {
    pub(super) exit: Exit,
    pub(super) verdict: &'a str,
    /// Its error's stable name.
    pub(super) error: &'a str,
    pub(super) message: &'a str,
    /// Whether requests were made now.
    pub(super) sent: bool,
}

impl Failed<'_> {
    /// Prints it: the exit code.
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

/// The run was interrupted, after requests were `sent` or not.
pub(super) fn interrupted(now: &Now, sent: bool, json: bool) {
    let (done, lines) =
        now.lanes.iter().fold((0, 0), |(done, lines), lane| (done + lane.done, lines + lane.lines));
    if json {
        let event = json!({
            "event": "summary", "exit_code": Exit::Interrupted.code(), "requests_sent": sent, "verdict": "interrupted", "done": done, "lines": lines,
        });
        println!("{event}");
    } else if lines == 0 {
        eprintln!("interrupted before the first request; the same command begins again");
    } else {
        eprintln!(
            "interrupted after {} of {}; the same command continues",
            text::count(done),
            text::lines(lines)
        );
    }
}

fn print_json(report: &Report, outputs: &Outputs, exit: Exit, when: When) {
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
    let event =
        Event { event: "summary", exit_code: exit.code(), requests_sent: when == When::Sent, report, files };
    println!("{}", serde_json::to_string(&event).expect("a report is always JSON"));
}

impl Summary {
    fn print_text(&self, report: &Report, outputs: &Outputs, when: When) {
        let time = report
            .duration_seconds
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
            .map(text::duration);
        let when = match when {
            When::Before => " before; no request was made now",
            When::Sent => "",
            When::NothingSent => "; no request was made now",
        };
        println!(
            "{}: {}{}{when}",
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
        if let Some(left) = &outputs.left {
            println!("\n  {} is there already and not this run's: it was left as it is", left.display());
        }
    }
}

/// One reason why lines fail: code, count, the first lines, and what was wrong with the first.
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
