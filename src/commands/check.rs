//! `throughline check`: everything that can be known before a request is made.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use job::job_file::Limit;
use job::secrets::Secrets;
use job::{Item, Job, LaneKind, Plan, PlannedLane, Row};
use worker::request;

use crate::args;
use crate::cost::{self, Charge, Usage};
use crate::exit::{Exit, Wrong};
use crate::home::{LocalSecrets, job_name, read_job};
use crate::text;

/// Bytes of items kept to show requests from.
const KEPT: usize = 4 << 20;

pub(super) async fn check(args: &args::Check) -> Result<Exit, Wrong> {
    let args::Target { job: job_path, input } = &args.target;
    let (_, job) = read_job(job_path)?;
    // The secrets of a run on AWS are there, and no value is needed to show requests.
    if !args.cost {
        LocalSecrets::check(&job_name(job_path)?, &job).await?;
    }
    let job = Arc::new(job);
    let file = File::open(input).map_err(|error| Wrong::new(format!("cannot read the input {}: {error}", input.display())))?;
    let name = input.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let (plan, first) = {
        let job = job.clone();
        let split = move || {
            let mut first = First::default();
            preprocess::split(file, &job, &name, &mut first).map(|plan| (plan, first.0))
        };
        tokio::task::spawn_blocking(split).await.expect("splitting does not panic")?
    };
    println!("job      {} is valid", job_path.display());
    input_facts(&plan);
    println!();
    requests(&job, &plan, &first, args.lines);
    lanes(&job, &plan);
    if args.cost {
        cost(&job, &plan, args.concurrency);
    }
    Ok(Exit::Succeeded)
}

fn input_facts(plan: &Plan) {
    let facts = &plan.input;
    let format = format!("{:?}", facts.format).to_lowercase();
    println!("input    {} of {format}, {} MB", text::lines(facts.lines), text::count(facts.bytes / 1_000_000));
    if !facts.columns.is_empty() {
        println!("columns  {}", facts.columns.join(", "));
    }
    println!("keeps    {}", plan.extracted.join(", "));
    if facts.blank > 0 {
        println!("blank    {} skipped", text::lines(facts.blank));
    }
}

/// The first requests, secrets masked.
fn requests(job: &Job, plan: &Plan, first: &[(String, Vec<u8>)], count: usize) {
    let columns: Arc<[String]> = plan.input.columns.clone().into();
    let secrets = Arc::new(Secrets::masked(job.secrets.keys().cloned()));
    let mut items: Vec<Item<'_>> =
        first.iter().flat_map(|(_, items)| items.split(|byte| *byte == b'\n')).filter_map(|item| Item::parse(item).ok()).collect();
    items.sort_by_key(|item| item.n);
    for item in items.iter().take(count) {
        let rendered = match (item.v, &item.error) {
            (_, Some(error)) => Err(format!("{error}: {}", item.detail.as_deref().unwrap_or_default())),
            (Some(v), None) => Row::parse(&columns, v).map_err(|error| error.to_string()).and_then(|row| {
                request::render(job, &Arc::new(row), &secrets, None).map_err(|failure| format!("{}: {}", failure.code, failure.detail))
            }),
            (None, None) => Err("an item without a value".to_owned()),
        };
        match rendered {
            Err(failure) => println!("line {}  fails without a request: {failure}\n", item.n),
            Ok(request) => {
                println!("line {}  {} {}", item.n, request.method, request.url);
                for (name, value) in &request.headers {
                    println!("        {name}: {}", String::from_utf8_lossy(value.as_bytes()));
                }
                if let Some(body) = &request.body {
                    println!("\n        {}", String::from_utf8_lossy(body));
                }
                println!();
            }
        }
    }
}

fn lanes(job: &Job, plan: &Plan) {
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
        let time = if limit.rate.per_second().is_some() { text::duration(seconds(lane)) } else { "-".to_owned() };
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
        println!("time     as fast as the providers answer: no lane is limited");
    } else {
        println!("time     at least {}, when nothing is slower than its limit and nothing is sent twice", text::duration(longest));
    }
}

/// What the run would cost on AWS.
fn cost(job: &Job, plan: &Plan, concurrency: u32) {
    let usage = Usage::of(plan, job.repeatable(), |kind| limit(job, kind).in_flight);
    let charges = usage.charges();
    println!("\n{:36} {:>14}  {:>10}", "cost on AWS", "amount", "dollars");
    for Charge { what, amount, dollars } in &charges {
        println!("{what:36} {:>14}  {dollars:>10.4}", text::amount(*amount));
    }
    let total: f64 = charges.iter().map(|charge| charge.dollars).sum();
    println!("{:36} {:>14}  {total:>10.4}", "in all", "");
    println!(
        "prices of {}, {}, without the free tier and what leaves AWS; an answer is taken to last {} ms where no limit says how long a lane lasts",
        cost::REGION,
        cost::AS_OF,
        cost::ANSWER_SECONDS * 1000.0
    );
    let workers: u32 = plan.lanes.iter().map(|lane| lane.workers).sum();
    if workers > concurrency {
        println!(
            "\nwarning: the lanes have {workers} workers, the account runs {concurrency} functions at a time: the run will be slower than its limits. \
             Ask AWS for a higher quota, or give the limits a smaller in_flight."
        );
    }
}

fn limit(job: &Job, kind: &LaneKind) -> Limit {
    match kind {
        LaneKind::Named { provider } => {
            job.limits.providers.iter().find(|known| known.name == *provider).map_or(job.limits.default, |known| known.limit)
        }
        LaneKind::Hashed => job.limits.default,
    }
}

fn provider(lane: &PlannedLane) -> String {
    match &lane.kind {
        LaneKind::Named { provider } => provider.clone(),
        LaneKind::Hashed => format!("other hosts ({})", lane.name),
    }
}

fn seconds(lane: &PlannedLane) -> Duration {
    Duration::try_from_secs_f64(lane.seconds).unwrap_or_default()
}

/// Keeps the first items.
#[derive(Default)]
struct First(Vec<(String, Vec<u8>)>, usize);

impl preprocess::Sink for First {
    fn items(&mut self, lane: &str, items: Vec<u8>) -> io::Result<()> {
        if self.1 < KEPT {
            self.1 += items.len();
            self.0.push((lane.to_owned(), items));
        }
        Ok(())
    }
}
