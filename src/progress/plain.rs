//! Progress as lines of text, for logs.

use std::fmt::Write;

use super::show::Rates;
use super::{Batches, LaneNow, Now, Phase, Queue, rows};
use crate::text;

/// Lanes that are told of at a time.
const LANES: usize = 10;

/// A line for all lanes and one for each that moves, or one for what else is going on.
pub(super) fn progress(now: &Now, rates: &Rates) -> String {
    let mut out = String::new();
    match now.phase {
        Phase::Starting => {}
        Phase::Queued => _ = writeln!(out, "{}", queue(now).swap_remove(0)),
        Phase::Splitting if now.elsewhere => _ = writeln!(out, "splitting"),
        Phase::Merging if now.elsewhere => _ = writeln!(out, "merging"),
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
            let mut open: Vec<&LaneNow> = now.lanes.iter().filter(|lane| lane.done < lane.lines).collect();
            open.sort_by_key(|lane| rates.requests(&lane.name) <= 0.0);
            let more = open.split_off(open.len().min(LANES));
            open.into_iter().for_each(|lane| line(&mut out, lane, rates));
            if !more.is_empty() {
                let _ = writeln!(out, "{}", rows::left_out(&more));
            }
        }
    }
    out
}

fn line(out: &mut String, lane: &LaneNow, rates: &Rates) {
    let (done, lines) = (text::count(lane.done), text::count(lane.lines));
    let _ = writeln!(out, "{}: {done} of {lines} lines · {}", lane.name, figures(lane, rates));
}

/// How far the Map Runs are, where they are known.
pub(super) fn batches(now: &Now) -> String {
    let Some(Batches { total, done, failed, running }) = now.batches.filter(|batches| batches.total > 0)
    else {
        return String::new();
    };
    let failed = if failed > 0 { format!(", {} failed", text::count(failed)) } else { String::new() };
    format!(": {} of {} batches done, {running} running{failed}", text::count(done), text::count(total))
}

/// Whose turn it is, since when, and when it is taken over: in full, and in short.
pub(super) fn queue(now: &Now) -> Vec<String> {
    let Some(Queue { holder, since, ended, begins }) = &now.queue else {
        return vec!["waiting: another run of this job has its turn".to_owned()];
    };
    let Some(holder) = holder else {
        let until = begins.as_deref().unwrap_or("they have ended");
        return vec![
            format!(
                "waiting: the run before this one was aborted, and its workers may send until {until}: then this run begins"
            ),
            format!("waiting until {until}"),
        ];
    };
    let since = since.as_ref().map_or_else(String::new, |since| format!(", which began at {since}"));
    let then = if *ended {
        "it has ended, and this run begins when it looks next"
    } else {
        "this run begins when it has ended"
    };
    vec![
        format!("waiting: the turn of this job is held by the run {holder}{since}; {then}"),
        format!("waiting for the run {holder}"),
    ]
}

/// Requests a second, failures, throttles, time left.
fn figures(lane: &LaneNow, rates: &Rates) -> String {
    let mut out = format!(
        "{} · {} failed · {} throttled",
        text::rate(rates.requests(&lane.name)),
        text::count(lane.failed),
        text::count(lane.throttled)
    );
    if let Some(left) = left(lane, rates) {
        let _ = write!(out, " · {left}");
    }
    out
}

/// How long a lane still takes, or waits.
pub(super) fn left(lane: &LaneNow, rates: &Rates) -> Option<String> {
    match (lane.held_seconds, rates.left(lane)) {
        _ if lane.done >= lane.lines => None,
        (Some(seconds), _) => Some(format!("waits {seconds} s")),
        (None, left) => left.map(|left| format!("{} left", text::duration(left))),
    }
}
