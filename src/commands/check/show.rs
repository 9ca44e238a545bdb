//! The findings as text.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use job::file::Auth;
use job::{Job, LaneKind, Plan, PlannedLane};
use worker::request::Prepared;

use super::limit;
use crate::text;

/// Prints the job and its input.
pub(super) fn head(job: &Job, path: &Path, plan: &Plan, hopeless: bool) {
    let verdict = if hopeless { "cannot succeed with this input: see below" } else { "is valid" };
    println!("job      {} {verdict}", path.display());
    let facts = &plan.input;
    println!(
        "input    {} of {}, {}",
        text::lines(facts.lines),
        facts.format.name(),
        text::bytes(facts.bytes)
    );
    if !facts.columns.is_empty() {
        println!("columns  {}", facts.columns.join(", "));
    }
    println!("keeps    {}", job.output.columns.names().collect::<Vec<_>>().join(", "));
    if let Some(auth) = &job.auth {
        println!("auth     {}", how(auth));
    }
    if facts.blank > 0 {
        println!("blank    {} skipped", text::lines(facts.blank));
    }
    if facts.encoding != "UTF-8" {
        println!("encoding {}", facts.encoding);
    }
    for note in &facts.notes {
        println!("note     {note}");
    }
}

/// What says who sends the requests.
fn how(auth: &Auth) -> String {
    match auth {
        Auth::OAuth2(oauth2) => {
            format!("a token from {}", oauth2.token_url.origin().ascii_serialization())
        }
        Auth::Aws(aws) => format!("a signature for {} in {}", aws.service, aws.region),
        _ => format!("{}, see the requests", auth.name()),
    }
}

/// Prints the first requests with masked secrets.
pub(super) fn requests(first: &BTreeMap<u64, Result<Prepared, String>>) {
    for (n, rendered) in first {
        match rendered {
            Err(failure) => println!("line {n}  fails without a request: {failure}\n"),
            Ok(request) => {
                println!("line {n}  {} {}", request.method, request.url);
                for (name, value) in &request.headers {
                    println!("        {name}: {}", String::from_utf8_lossy(value.as_bytes()));
                }
                if let Some(body) = &request.body {
                    println!("\n        {}", String::from_utf8_lossy(body));
                }
                if let Some(upload) = &request.upload {
                    println!("\n        {}", upload.to_string().replace('\n', "\n        "));
                }
                println!();
            }
        }
    }
}

/// Prints the lanes and how long they take.
pub(super) fn lanes(job: &Job, plan: &Plan) {
    let width = plan.lanes.iter().map(|lane| provider(lane).chars().count()).max().unwrap_or(4).max(4);
    if plan.lanes.is_empty() {
        println!("no lines: the run succeeds at once with an empty output");
        return;
    }
    println!("{:width$}  {:>12}  {:>12}  {:>9}  at its limit", "lane", "lines", "rate", "in flight");
    for lane in &plan.lanes {
        let limit = limit(job, &lane.kind);
        let rate = limit.rate.per_second().map_or("unlimited".to_owned(), text::rate);
        let each = if lane.kind == LaneKind::Hashed { " each" } else { "" };
        let time =
            if limit.rate.per_second().is_some() { text::duration(seconds(lane)) } else { "-".to_owned() };
        println!(
            "{:width$}  {:>12}  {:>12}  {:>9}  {time}",
            provider(lane),
            text::count(lane.lines),
            format!("{rate}{each}"),
            limit.in_flight
        );
    }
    let longest = plan.lanes.iter().map(seconds).max().unwrap_or_default();
    println!();
    if longest.is_zero() {
        println!("time     as fast as the providers respond: no lane has a rate limit");
    } else {
        println!(
            "time     at least {}, if every lane runs at its limit and nothing is sent twice",
            text::duration(longest)
        );
    }
}

/// The provider of a lane.
pub(in crate::commands) fn provider(lane: &PlannedLane) -> String {
    match &lane.kind {
        LaneKind::Named { provider } => provider.clone(),
        LaneKind::Hashed => format!("other hosts ({})", lane.name),
    }
}

/// The time that a lane takes at its limit.
pub(in crate::commands) fn seconds(lane: &PlannedLane) -> Duration {
    Duration::try_from_secs_f64(lane.seconds).unwrap_or_default()
}
