//! The summary as text.

use std::borrow::Cow;
use std::time::Duration;

use job::text::excerpt;
use postprocess::{ErrorCount, Report, Verdict};

use super::{RequestsMade, Summary};
use crate::local::Outputs;
use crate::text;

/// The characters that are shown of the first line of a reason or detail, at most.
const DETAIL_CHARACTERS: usize = 120;

impl Summary {
    /// Prints the summary as text.
    pub(super) fn print_text(&self, report: &Report, outputs: &Outputs, requests: RequestsMade) {
        let time = report
            .duration_seconds
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
            .map(text::duration);
        let (requests, now) = match requests {
            RequestsMade::Before => (" before; no request was made now", ""),
            RequestsMade::Now => ("", " now"),
            RequestsMade::NotNow => ("; no request was made now", ""),
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
            ("no request", report.skipped, report.skipped > 0),
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
        if report.kept > 0 {
            let from = report.kept_from.as_deref().unwrap_or("an earlier run");
            let kept = text::responses(report.kept);
            println!("  {kept} kept from {from}, {} sent{now}", text::requests(report.requests));
        }
        if report.limited {
            println!(
                "  the file has more lines: `throughline run` of the whole file sends them, and keeps these"
            );
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
                println!("    stopped: {}", first_line(reason));
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
pub(in crate::commands) fn reason(error: &ErrorCount) -> String {
    let numbers: Vec<String> = error.lines.iter().map(u64::to_string).collect();
    let more = if error.count > error.lines.len() as u64 { ", …" } else { "" };
    let plural = if numbers.len() == 1 { "" } else { "s" };
    format!(
        "    {:20} {:>5}  line{plural} {}{more}: {}",
        error.code,
        text::count(error.count),
        numbers.join(", "),
        first_line(&error.detail)
    )
}

fn first_line(text: &str) -> Cow<'_, str> {
    excerpt(text.lines().next().unwrap_or_default(), DETAIL_CHARACTERS)
}
