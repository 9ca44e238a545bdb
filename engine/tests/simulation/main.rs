//! Deterministic simulation: random workflows on a simulated clock and a seeded host, each run once without
//! and once with crashes and cancellations. `CONTRIBUTING.md` has the command of the long form.

#![allow(clippy::unwrap_used)]

#[path = "../support/database.rs"]
mod database;
mod generator;
mod host;
mod invariants;
mod rng;
mod tally;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use engine::{History, Journal, Machine, Outcome, Start, Stop};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use database::Database;
use generator::Workflow;
use host::{Cut, Simulated};
use rng::Rng;
use tally::Tally;

#[test]
fn hundreds_of_seeds_keep_the_invariants() {
    let tally = simulate(0, 300);
    assert!(tally.succeeded > 100 && tally.failed > 10 && tally.timed_out > 1, "{tally:?}");
    assert!(
        tally.crashes > 300 && tally.cancellations > 50 && tally.map_runs > 100 && tally.repeated > 50,
        "{tally:?}"
    );
    assert!(tally.refused_reads > 20 && tally.broken_bodies > 20 && tally.refused_pages > 10, "{tally:?}");
    assert!(tally.failed_writes > 30 && tally.healed > 10, "{tally:?}");
    assert!(
        tally.taken > 100
            && tally.early > 50
            && tally.again > 50
            && tally.after_crash > 1
            && tally.to_parked > 0
            && tally.by_another > 5
            && tally.silent > 50,
        "{tally:?}"
    );
    assert!(
        tally.crashes_before_file > 3 && tally.crashes_after_file > 5 && tally.crashes_at_manifest > 5,
        "{tally:?}"
    );
    assert!(tally.crashes_midway > 0, "{tally:?}");
    assert!(tally.turns > 100 && tally.in_loops > 100, "{tally:?}");
    assert!(tally.redriven > 20 && tally.parked > 20, "{tally:?}");
    assert!(tally.refused > 50 && tally.heartbeats > 100, "{tally:?}");
}

#[test]
fn seed_reproduces_its_run() {
    assert_eq!(simulate(7, 20), simulate(7, 20));
}

/// `SIMULATION_SEEDS` seeds from `SIMULATION_FIRST` on; with `SIMULATION_SHOW`, their definitions are
/// printed.
#[test]
#[ignore = "the long form"]
fn ten_thousand_seeds_keep_the_invariants() {
    let number =
        |name: &str, otherwise: u64| std::env::var(name).map_or(otherwise, |text| text.parse().unwrap());
    let tally = simulate(number("SIMULATION_FIRST", 0), number("SIMULATION_SEEDS", 10_000));
    println!("{tally}");
}

fn simulate(first: u64, count: u64) -> Tally {
    let mut tally = Tally::default();
    let mut failing = Vec::new();
    for seed in first..first + count {
        let wrong = match catch_unwind(AssertUnwindSafe(|| one(seed, &mut tally))) {
            Ok(wrong) => wrong,
            Err(_) => vec!["it panicked".into()],
        };
        if wrong.is_empty() {
            continue;
        }
        println!("seed {seed}:\n  {}", wrong.join("\n  "));
        println!("  {}", reproduce(seed));
        failing.push(seed);
    }
    assert!(failing.is_empty(), "seeds that fail: {failing:?}; {}", reproduce(failing[0]));
    tally
}

fn reproduce(seed: u64) -> String {
    format!(
        "SIMULATION_FIRST={seed} SIMULATION_SEEDS=1 cargo test -p engine --test simulation -- --ignored --nocapture"
    )
}

/// A description of what is wrong.
fn one(seed: u64, tally: &mut Tally) -> Vec<String> {
    let mut wrong = Vec::new();
    let workflow = generator::workflow(seed);
    let text = workflow.definition.to_string();
    if std::env::var_os("SIMULATION_SHOW").is_some() {
        println!("seed {seed}: {:#}", workflow.definition);
    }
    let machine = match engine::compile(&text) {
        Ok(machine) => Arc::new(machine),
        Err(problems) => return vec![format!("the definition is refused: {problems}\n{text}")],
    };
    let host = Simulated::new(seed, &workflow);
    let history = History::default();
    let uncut = life(&machine, &host, &Journal::in_memory().unwrap(), None, Watch::Recorded(history.clone()));
    let uncut = match uncut {
        Some(Ok(outcome)) => outcome,
        other => return vec![format!("without a crash it came to {other:?}")],
    };
    invariants::history(&workflow, &history.events(), &mut wrong);
    invariants::tokens(&host, &history.events(), &mut wrong);
    invariants::known(&uncut, &mut wrong);
    let fates = invariants::map_runs(&workflow, &host, &mut wrong);
    tally.seeds += 1;
    match uncut {
        Outcome::Succeeded(_) => tally.succeeded += 1,
        Outcome::Failed { .. } => tally.failed += 1,
        Outcome::TimedOut => tally.timed_out += 1,
        Outcome::Aborted { .. } => wrong.push("nobody aborted it".into()),
    }
    tally.turns += invariants::turned(&workflow, &history.events());
    tally.states +=
        history.events().iter().filter(|event| event.kind.ends_with("StateEntered")).count() as u64;
    tally.add(&host);
    wrong.extend(host.wrong());

    let (outcome, host, journal, database) = cut_off(seed, &machine, &workflow, &host, tally);
    if let (1, Ok(outcome)) = (seed % 2, &outcome) {
        invariants::kept(&database.events(seed), database.ended(seed), outcome, &mut wrong);
    }
    match &outcome {
        Ok(outcome) if workflow.foul_weather => invariants::known(outcome, &mut wrong),
        Ok(outcome) if neutral(outcome) == neutral(&uncut) => {}
        other => wrong.push(format!("without a crash it came to {uncut:?}, with crashes to {other:?}")),
    }
    let found = invariants::map_runs(&workflow, &host, &mut wrong);
    if !workflow.foul_weather {
        invariants::same_fates(&fates, &found, &mut wrong);
    }
    if let (1, Ok(Outcome::Failed { .. } | Outcome::TimedOut)) = (seed % 2, outcome) {
        let outcome = redriven(seed, &machine, &host, &journal, tally);
        invariants::known(&outcome, &mut wrong);
        invariants::kept(&database.events(seed), database.ended(seed), &outcome, &mut wrong);
    }
    tally.add(&host);
    wrong.extend(host.wrong());
    wrong
}

/// Redrives an execution that ended without success, with a crash.
fn redriven(
    seed: u64,
    machine: &Arc<Machine>,
    host: &Arc<Simulated>,
    journal: &Journal,
    tally: &mut Tally,
) -> Outcome {
    host.redrive();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    assert_eq!(runtime.block_on(journal.redrive(host.stopped())).unwrap(), 1);
    tally.redriven += 1;
    let crash = (host.events() + 1 + Rng::new(("redrive", seed)).below(20), Cut::Crash);
    let first = life(machine, host, journal, Some(crash), Watch::Nobody);
    let ended = first.or_else(|| life(machine, host, journal, None, Watch::Nobody));
    ended.expect("nothing hangs without a cut").unwrap()
}

/// Runs the workflow with up to six crashes or cancellations, each after a part of the events that it has
/// without them. The first one is often at an event that writes results.
fn cut_off(
    seed: u64,
    machine: &Arc<Machine>,
    workflow: &Workflow,
    uncut: &Simulated,
    tally: &mut Tally,
) -> (Result<Outcome, Stop>, Arc<Simulated>, Journal, Database) {
    let mut rng = Rng::new(("cuts", seed));
    let host = Simulated::new(seed, workflow);
    // Every second execution has its journal in a database of the host.
    let database = Database::at_once();
    let journal = match seed % 2 {
        0 => Journal::in_memory().unwrap(),
        _ => database.journal(seed),
    };
    // Up to the first crash, both runs have the same events.
    let first = {
        let store = uncut.store.lock().unwrap();
        let events = if store.midway.is_empty() { &store.settlement } else { &store.midway };
        (!events.is_empty() && rng.percent(60)).then(|| (rng.one_of(events), Cut::Crash))
    };
    let more = 1 + rng.below(6) as usize - usize::from(first.is_some());
    for planned in first.map(Some).into_iter().chain(std::iter::repeat_n(None, more)) {
        let cut = if rng.percent(70) { Cut::Crash } else { Cut::Cancel };
        let (at, cut) =
            planned.unwrap_or_else(|| (host.events() + 1 + rng.below(uncut.events().max(1)), cut));
        match lives(machine, &host, &journal, Some((at, cut)), seed, tally) {
            None => tally.crashes += 1,
            Some(Err(Stop::Interrupted)) if cut == Cut::Cancel => tally.cancellations += 1,
            Some(ended) => return (ended, host, journal, database),
        }
    }
    let ended = lives(machine, &host, &journal, None, seed, tally);
    (ended.expect("nothing hangs without a cut"), host, journal, database)
}

/// Runs processes until the execution is not parked any more. Only every second execution is ever parked.
fn lives(
    machine: &Arc<Machine>,
    host: &Arc<Simulated>,
    journal: &Journal,
    cut: Option<(u64, Cut)>,
    seed: u64,
    tally: &mut Tally,
) -> Option<Result<Outcome, Stop>> {
    loop {
        let watch = if seed % 2 == 1 { Watch::Parks } else { Watch::Nobody };
        match life(machine, host, journal, cut, watch) {
            Some(Err(Stop::Parked { until })) => {
                tally.parked += 1;
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                runtime.block_on(host.parked(until, journal));
            }
            other => return other,
        }
    }
}

/// Who watches an execution.
enum Watch {
    Nobody,
    /// Somebody who records its history.
    Recorded(History),
    /// A server that parks it when it waits for a second.
    Parks,
}

/// Runs one process. None means a crash.
fn life(
    machine: &Arc<Machine>,
    host: &Arc<Simulated>,
    journal: &Journal,
    cut: Option<(u64, Cut)>,
    watch: Watch,
) -> Option<Result<Outcome, Stop>> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let cancel = CancellationToken::new();
        let hung = host.begin(cut, cancel.clone());
        let mut start = Start::new(
            "arn:aws:states:eu-west-1:000000000000:execution:machine:one",
            json!({"id": "", "n": 5}),
        );
        match watch {
            Watch::Nobody => {}
            Watch::Recorded(history) => start.history = Some(history),
            Watch::Parks => start.park_after = Some(Duration::from_secs(1)),
        }
        start.tokens = host.tokens();
        let mut run =
            std::pin::pin!(engine::run(machine.clone(), start, host.clone(), journal.clone(), cancel));
        let ended = tokio::select! {
            biased;
            ended = &mut run => Some(ended),
            () = hung.cancelled() => None,
            () = tokio::time::sleep(FOREVER) => panic!("it waits for nothing"),
        };
        host.end();
        ended
    })
}

/// Longer than any wait.
const FOREVER: Duration = Duration::from_secs(50_000_000);

/// Removes the names of Map Runs, which are random and new after a crash.
fn neutral(outcome: &Outcome) -> Value {
    fn without_uuids(value: &mut Value) {
        const BEFORE: &str = "00000000-0000-4000-8000-";
        match value {
            Value::String(text) => {
                if let Some(place) = text.find(BEFORE) {
                    let number = place + BEFORE.len();
                    text.replace_range(number..number + 12, "");
                }
            }
            Value::Array(values) => values.iter_mut().for_each(without_uuids),
            Value::Object(fields) => fields.values_mut().for_each(without_uuids),
            _ => {}
        }
    }
    let mut value = match outcome {
        Outcome::Succeeded(output) => json!({"output": output}),
        Outcome::Failed { error, cause } => json!({"error": error, "cause": cause}),
        Outcome::TimedOut => json!("timed out"),
        Outcome::Aborted { error, cause } => json!({"aborted": error, "cause": cause}),
    };
    without_uuids(&mut value);
    value
}
