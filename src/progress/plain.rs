//! Progress as lines of text, for logs.

use std::fmt::Write;

use super::show::Rates;
use super::{Batches, LaneNow, Now, Phase};
use crate::text;

/// A line for each lane that is not finished, or one for what else is going on.
pub(super) fn progress(now: &Now, rates: &Rates) -> String {
    let mut out = String::new();
    match now.phase {
        Phase::Starting => {}
        Phase::Queued => _ = writeln!(out, "waiting: another run of this job has its turn"),
        Phase::Splitting if now.elsewhere => _ = writeln!(out, "splitting"),
        Phase::Merging if now.elsewhere => _ = writeln!(out, "merging"),
        Phase::Splitting => {
            _ = writeln!(out, "splitting: {}, {} MB", text::lines(now.split_lines), text::count(now.split_bytes / 1_000_000))
        }
        Phase::Merging => _ = writeln!(out, "merging: {}", text::lines(now.merged_lines)),
        Phase::Sending => {
            if now.batches.is_some_and(|batches| batches.total > 0) {
                let _ = writeln!(out, "sending{}", batches(now));
            }
            for lane in now.lanes.iter().filter(|lane| lane.done < lane.lines) {
                let _ = writeln!(
                    out,
                    "{}: {} of {} lines · {}",
                    lane.name,
                    text::count(lane.done),
                    text::count(lane.lines),
                    figures(lane, rates)
                );
            }
        }
    }
    out
}

/// How far the Map Runs are, where they are known.
pub(super) fn batches(now: &Now) -> String {
    let Some(Batches { total, done, failed, running }) = now.batches.filter(|batches| batches.total > 0) else { return String::new() };
    let failed = if failed > 0 { format!(", {} failed", text::count(failed)) } else { String::new() };
    format!(": {} of {} batches done, {running} running{failed}", text::count(done), text::count(total))
}

/// Requests a second, failures, throttles, time left.
pub(super) fn figures(lane: &LaneNow, rates: &Rates) -> String {
    let mut out = format!(
        "{} · {} failed · {} throttled",
        text::rate(rates.requests(&lane.name)),
        text::count(lane.failed),
        text::count(lane.throttled)
    );
    match (lane.held_seconds, rates.left(lane)) {
        (Some(seconds), _) => _ = write!(out, " · waiting {seconds} s as asked"),
        (None, Some(left)) if lane.done < lane.lines => _ = write!(out, " · {} left", text::duration(left)),
        _ => {}
    }
    out
}
