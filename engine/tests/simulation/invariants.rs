//! The invariants of every execution.

mod attempts;
mod files;
mod history;
mod loops;
mod tokens;

use std::collections::BTreeMap;

use engine::{Outcome, Phase};

use crate::generator::{ERROR, MapPlan, StoreFault, Workflow};
use crate::host::{Simulated, place};
use files::Files;
pub(crate) use history::{history, kept};
pub(crate) use loops::{turned, turns};
pub(crate) use tokens::tokens;

/// The outcomes of the items of each Map Run that has ended, by the id of its input.
pub(crate) type Fates = BTreeMap<String, BTreeMap<String, &'static str>>;

/// Every item has one outcome, and the run failed exactly when too many items or its store did.
pub(crate) fn map_runs(workflow: &Workflow, host: &Simulated, wrong: &mut Vec<String>) -> Fates {
    let mut fates = Fates::new();
    for run in host.map_runs.lock().unwrap().iter() {
        let phase = run.phase();
        if !matches!(phase, Phase::Succeeded | Phase::Failed) {
            continue;
        }
        let (before, uuid) = run.arn.rsplit_once(':').unwrap();
        let label = before.rsplit_once('/').unwrap().1;
        let plan = &workflow.maps[label];
        let counts = run.items();
        let failed = counts.failed + counts.timed_out;
        let ended = counts.succeeded + failed;
        let exceeded = exceeded(plan, failed);
        let manifest = manifest(host, uuid);
        let store = Store::of(workflow, plan, manifest.as_deref());
        // Two of its outputs together exceed the size of an output.
        let oversized = plan.is_big && !plan.writes && counts.succeeded > 1;
        let fails = exceeded || oversized || store == Store::Fails;
        if fails != (phase == Phase::Failed) && !(store == Store::MayFail && phase == Phase::Failed) {
            wrong.push(format!(
                "{label}: {failed} of {} items failed, the store is {store:?}, and the run is {phase:?}",
                plan.items
            ));
        }
        if phase == Phase::Succeeded && ended != plan.items {
            wrong.push(format!("{label}: {ended} of {} items ended", plan.items));
        }
        let Some(manifest) = manifest else {
            if plan.writes && store == Store::Sound {
                wrong.push(format!("{label}: it is {phase:?} without a manifest"));
            }
            continue;
        };
        let files = Files::read(host, &manifest);
        if files.are_all || phase == Phase::Succeeded || store == Store::Sound {
            files.check(label, plan, failed, exceeded, wrong);
            let parent = files.items.keys().next().and_then(|id| id.rsplit_once('.'));
            if let (Some((parent, _)), false) = (parent, exceeded) {
                fates.insert(parent.to_owned(), files.items);
            }
        }
    }
    fates
}

fn manifest(host: &Simulated, uuid: &str) -> Option<String> {
    let ending = format!("/{uuid}/manifest.json");
    host.objects.lock().unwrap().keys().find(|key| key.ends_with(&ending)).cloned()
}

/// The behaviour of the store that a Map Run meets.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Store {
    Sound,
    MayFail,
    Fails,
}

impl Store {
    /// The prefix of its results names the attempt of a run.
    fn of(workflow: &Workflow, plan: &MapPlan, manifest: Option<&str>) -> Self {
        let attempt = manifest.map(|object| place(object.split_once('/').unwrap().1).1);
        let faults: Vec<_> = plan
            .faults
            .iter()
            .enumerate()
            .filter(|(number, _)| attempt.is_none_or(|attempt| attempt == *number))
            .collect();
        match () {
            () if workflow.foul_weather => Store::MayFail,
            () if faults.iter().all(|(_, fault)| fault.is_none()) => Store::Sound,
            () if faults.iter().all(|(_, fault)| fault.is_some_and(StoreFault::is_certain)) => Store::Fails,
            () => Store::MayFail,
        }
    }
}

fn exceeded(plan: &MapPlan, failed: u64) -> bool {
    let by_count = plan.tolerated_count.map(|most| failed > most);
    let by_percentage = plan.tolerated_percentage.map(|most| failed * 100 > most * plan.items);
    match (by_count, by_percentage) {
        (None, None) => failed > 0,
        (count, percentage) => count == Some(true) || percentage == Some(true),
    }
}

/// All errors that can occur.
pub(crate) fn known(outcome: &Outcome, wrong: &mut Vec<String>) {
    const OF_STORE: [&str; 2] = ["States.ItemReaderFailed", "States.ResultWriterFailed"];
    const OTHERS: [&str; 5] = [ERROR, "Final", "States.Timeout", attempts::THRESHOLD, attempts::OVERSIZED];
    if let Outcome::Failed { error, cause } = outcome
        && !OF_STORE.iter().chain(&OTHERS).any(|known| known == error)
    {
        wrong.push(format!("it failed with {error}: {cause}"));
    }
}

/// Map Runs that have ended in both executions have the same outcomes of items.
pub(crate) fn same_fates(one: &Fates, other: &Fates, wrong: &mut Vec<String>) {
    for (parent, items) in one {
        if other.get(parent).is_some_and(|found| found != items) {
            wrong.push(format!("{parent}: {items:?} without a crash, {:?} with crashes", other[parent]));
        }
    }
}
