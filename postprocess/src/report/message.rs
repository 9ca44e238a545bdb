//! The report's message.

use super::{ErrorCount, Report, Verdict};
use crate::merge::WITHOUT_RESULT;
use job::text::excerpt;

/// The maximum number of characters of an example's detail.
const DETAIL: usize = 200;

/// How the run ended, why most lines failed, and why lanes were stopped.
pub(super) fn message(report: &Report, tolerated: f64) -> String {
    let lines = report.lines;
    if lines == 0 {
        return "the input has no lines".to_owned();
    }
    if report.complete() {
        let (sent, skipped) = (report.ok, report.skipped);
        let skipped = if skipped == 0 {
            String::new()
        } else {
            format!(", {} made no request", count(skipped, "line"))
        };
        return format!("all {} succeeded{skipped}{}", count(sent, "line"), kept(report));
    }
    let mut text = match (report.failed, report.not_processed) {
        (failed, 0) => format!("{} of {} failed", grouped(failed), count(lines, "line")),
        (0, missing) => format!("{} of {} not processed", grouped(missing), count(lines, "line")),
        (failed, missing) => format!(
            "{} of {} failed, {} not processed",
            grouped(failed),
            count(lines, "line"),
            grouped(missing)
        ),
    };
    text += &kept(report);
    if report.verdict == Verdict::SomeFailed && tolerated < 1.0 {
        text += &format!(", within the tolerated {}%", percent(tolerated));
    } else if report.failed as f64 > tolerated * lines as f64 {
        text += &format!(", more than the tolerated {}%", percent(tolerated));
    }
    // The reason why lines were not processed is among the other errors.
    let example = report.errors.iter().find(|error| !WITHOUT_RESULT.contains(&error.code.as_str()));
    if let Some(ErrorCount { code, count, lines, detail, .. }) = example {
        let line = lines.first().map_or(0, |line| *line);
        text += &format!(
            "; most often {code} ({}), for example line {}: {}",
            grouped(*count),
            grouped(line),
            excerpt(detail, DETAIL)
        );
    }
    let mut stopped: Vec<(&str, Vec<&str>)> = Vec::new();
    for lane in &report.lanes {
        let Some(reason) = lane.stopped.as_deref() else { continue };
        match stopped.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, lanes)) => lanes.push(&lane.name),
            None => stopped.push((reason, vec![&lane.name])),
        }
    }
    for (reason, lanes) in stopped {
        text += &if lanes.len() == report.lanes.len() {
            let reason = reason
                .strip_prefix("stopped ")
                .map_or_else(|| format!("stopped: {reason}"), |by| format!("stopped {by}"));
            format!("; the run was {reason}")
        } else {
            format!(
                "; {} {} stopped: {reason}",
                lanes.join(", "),
                if lanes.len() == 1 { "was" } else { "were" }
            )
        };
    }
    text
}

/// How many responses were kept from which run.
fn kept(report: &Report) -> String {
    match (report.kept, &report.kept_from) {
        (0, _) => String::new(),
        (n, None) => format!(", {} kept from an earlier run", count(n, "response")),
        (n, Some(from)) => format!(", {} kept from the run of {from}", count(n, "response")),
    }
}

fn count(n: u64, noun: &str) -> String {
    format!("{} {noun}{}", grouped(n), if n == 1 { "" } else { "s" })
}

/// 1234567 as 1,234,567.
fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn percent(share: f64) -> f64 {
    (share * 1e6).round() / 1e4
}
