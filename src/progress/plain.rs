//! Progress as lines of text, for logs.

use std::fmt::Write;

use super::show::Rates;
use super::{Batches, LaneSnapshot, OtherJob, Phase, Queue, Snapshot, TakenOver, rows};
use crate::text;

/// The number of lanes that are printed at a time.
const MAX_LANES: usize = 10;

/// What the run has taken over from another one.
pub(super) fn taken_over(taken_over: &TakenOver) -> String {
    let TakenOver { started, kept, unknown, to_send, .. } = taken_over;
    let unknown = match unknown {
        0 => String::new(),
        unknown => format!(", {} with an unknown outcome not sent again", text::lines(*unknown)),
    };
    format!(
        "continues the run of {started}: {} kept{unknown}, {} to send",
        text::responses(*kept),
        text::lines(*to_send)
    )
}

/// A line for all lanes and one for each unfinished lane, or one line for another phase.
pub(super) fn progress(now: &Snapshot, rates: &Rates) -> String {
    let mut out = String::new();
    match now.phase {
        Phase::Starting => _ = now.unclaimed.map(|left| writeln!(out, "{}", unclaimed(left))),
        Phase::Queued => _ = writeln!(out, "{}", queue(now).swap_remove(0)),
        Phase::Splitting if now.remote => _ = writeln!(out, "splitting"),
        Phase::Merging if now.remote => _ = writeln!(out, "merging"),
        Phase::Splitting => {
            _ = writeln!(out, "splitting: {}, {}", text::lines(now.split_lines), text::bytes(now.split_bytes))
        }
        Phase::Merging => _ = writeln!(out, "merging: {}", text::lines(now.merged_lines)),
        Phase::Sending => {
            if now.batches.is_some_and(|batches| batches.total > 0) {
                let _ = writeln!(out, "sending{}", batches(now));
            }
            if now.lanes.len() > 1 {
                line(&mut out, &now.total(), rates);
            }
            let mut open: Vec<&LaneSnapshot> =
                now.lanes.iter().filter(|lane| lane.done < lane.lines).collect();
            open.sort_by_key(|lane| rates.requests(&lane.name) <= 0.0);
            let more = open.split_off(open.len().min(MAX_LANES));
            open.into_iter().for_each(|lane| line(&mut out, lane, rates));
            if !more.is_empty() {
                let _ = writeln!(out, "{}", rows::hidden_lanes(&more));
            }
        }
    }
    out
}

fn line(out: &mut String, lane: &LaneSnapshot, rates: &Rates) {
    let (done, lines) = (text::count(lane.done), text::count(lane.lines));
    let _ = writeln!(out, "{}: {done} of {lines} lines · {}", lane.name, figures(lane, rates));
}

/// The counts of the Map Runs, if they are known.
pub(super) fn batches(now: &Snapshot) -> String {
    let Some(Batches { total, done, failed, running }) = now.batches.filter(|batches| batches.total > 0)
    else {
        return String::new();
    };
    let failed = if failed > 0 { format!(", {} failed", text::count(failed)) } else { String::new() };
    format!(": {} of {} batches done, {running} running{failed}", text::count(done), text::count(total))
}

/// The run that this one waits for, in a long and in a short form.
pub(super) fn queue(now: &Snapshot) -> Vec<String> {
    let Some(Queue { holder, since, ended, begins }) = &now.queue else {
        return vec!["waiting: another run of this job comes first".to_owned()];
    };
    let Some(holder) = holder else {
        let until = begins.as_deref().unwrap_or("they end");
        return vec![
            format!(
                "waiting: the previous run was aborted, and its workers may send until {until}; then this run starts"
            ),
            format!("waiting until {until}"),
        ];
    };
    let since = since.as_ref().map_or_else(String::new, |since| format!(", which started at {since}"));
    let then = if *ended {
        "it has ended, and this run starts at its next check"
    } else {
        "this run starts when that run has ended"
    };
    vec![
        format!("waiting for the run {holder} of the same job{since}; {then}"),
        format!("waiting for the run {holder}"),
    ]
}

/// What is waited for before an execution has claimed the run.
pub(super) fn unclaimed(left: u64) -> String {
    format!("no execution has claimed the run yet; giving up in {left} s")
}

/// Requests a second, failures, throttled responses, and the time left.
fn figures(lane: &LaneSnapshot, rates: &Rates) -> String {
    let rate = rates.in_words(&lane.name).map(|rate| rate + " · ").unwrap_or_default();
    let mut out =
        format!("{rate}{} failed · {} throttled", text::count(lane.failed), text::count(lane.throttled));
    if let Some(left) = left(lane, rates) {
        let _ = write!(out, " · {left}");
    }
    out
}

/// How long a lane will still take, or how long it waits.
pub(super) fn left(lane: &LaneSnapshot, rates: &Rates) -> Option<String> {
    match (lane.held_seconds, rates.time_left(lane)) {
        _ if lane.done >= lane.lines => None,
        _ if lane.waits_for.is_some() => lane.waits_for.as_ref().map(OtherJob::to_string),
        (Some(seconds), _) => Some(format!("waits {seconds} s")),
        (None, left) => left.map(|left| format!("{} left", text::duration(left))),
    }
}
