//! What must be true of every execution.

use std::collections::{BTreeMap, BTreeSet};

use engine::{Event, Phase};
use serde_json::Value;

use crate::generator::{MapPlan, Workflow};
use crate::host::Simulated;

/// What became of the items of each Map Run that came to its end, by the id of what it was called with.
pub(crate) type Fates = BTreeMap<String, BTreeMap<String, &'static str>>;

/// Every item has one outcome, and the run failed exactly when too many items did.
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
        if exceeded != (phase == Phase::Failed) {
            wrong.push(format!("{label}: {failed} of {} items failed, and the run is {phase:?}", plan.items));
        }
        if !exceeded && ended != plan.items {
            wrong.push(format!("{label}: {ended} of {} items ended", plan.items));
        }
        if plan.writes {
            let files = Files::read(host, &format!("out/{label}/{uuid}/manifest.json"));
            files.check(label, plan, failed, exceeded, wrong);
            let parent = files.items.keys().next().and_then(|id| id.rsplit_once('.'));
            if let (Some((parent, _)), false) = (parent, exceeded) {
                fates.insert(parent.to_owned(), files.items);
            }
        }
    }
    fates
}

fn exceeded(plan: &MapPlan, failed: u64) -> bool {
    let by_count = plan.tolerated_count.map(|most| failed > most);
    let by_percentage = plan.tolerated_percentage.map(|most| failed * 100 > most * plan.items);
    match (by_count, by_percentage) {
        (None, None) => failed > 0,
        (count, percentage) => count == Some(true) || percentage == Some(true),
    }
}

struct Files {
    items: BTreeMap<String, &'static str>,
    twice: Vec<String>,
    /// Bytes that differ from what the manifest says.
    sizes: Vec<String>,
    aborted: u64,
}

impl Files {
    fn read(host: &Simulated, manifest: &str) -> Files {
        let objects = host.objects.lock().unwrap();
        let manifest: Value = serde_json::from_slice(&objects[manifest]).unwrap();
        let mut files = Files { items: BTreeMap::new(), twice: Vec::new(), sizes: Vec::new(), aborted: 0 };
        for kind in ["SUCCEEDED", "FAILED", "PENDING"] {
            for file in manifest["ResultFiles"][kind].as_array().unwrap() {
                let body = &objects[&format!("out/{}", file["Key"].as_str().unwrap())];
                if body.len() as u64 != file["Size"] {
                    files.sizes.push(file["Key"].to_string());
                }
                let records: Vec<Value> = match body.first() {
                    Some(b'[') => serde_json::from_slice(body).unwrap(),
                    _ => serde_json::Deserializer::from_slice(body).into_iter().map(Result::unwrap).collect(),
                };
                records.iter().for_each(|record| files.add(kind, record));
            }
        }
        files
    }

    fn add(&mut self, kind: &'static str, record: &Value) {
        let input: Value = serde_json::from_str(record["Input"].as_str().unwrap_or_else(|| panic!("{kind}: {record}"))).unwrap();
        let items = input["Items"].as_array().cloned().unwrap_or_else(|| vec![input]);
        for item in items {
            let id = item["id"].as_str().unwrap().to_owned();
            let aborted = record["Status"] == "ABORTED";
            self.aborted += u64::from(aborted);
            if self.items.insert(id.clone(), if aborted { "ABORTED" } else { kind }).is_some() {
                self.twice.push(id);
            }
        }
    }

    fn check(&self, label: &str, plan: &MapPlan, failed: u64, exceeded: bool, wrong: &mut Vec<String>) {
        let of = |fate: &str| self.items.values().filter(|found| **found == fate).count() as u64;
        let places: BTreeSet<u64> = self.items.keys().map(|id| id.rsplit_once('.').unwrap().1.parse().unwrap()).collect();
        if !self.twice.is_empty() {
            wrong.push(format!("{label}: items have two outcomes: {:?}", self.twice));
        }
        if places != (0..plan.items).collect() {
            wrong.push(format!("{label}: of {} items, the files have {places:?}", plan.items));
        }
        if !self.sizes.is_empty() {
            wrong.push(format!("{label}: files are not as long as the manifest says: {:?}", self.sizes));
        }
        // More may have failed while the rest was given up.
        let fails = of("FAILED");
        if fails < failed || (!exceeded && (fails > failed || of("PENDING") + self.aborted > 0)) {
            wrong.push(format!("{label}: {failed} items failed, and the files have {:?}", self.items));
        }
    }
}

/// Map Runs that ended in both executions gave their items the same outcomes.
pub(crate) fn same_fates(one: &Fates, other: &Fates, wrong: &mut Vec<String>) {
    for (parent, items) in one {
        if other.get(parent).is_some_and(|found| found != items) {
            wrong.push(format!("{parent}: {items:?} without a crash, {:?} with crashes", other[parent]));
        }
    }
}

/// The history of an execution that was not cut off.
pub(crate) fn history(workflow: &Workflow, events: &[Event], wrong: &mut Vec<String>) {
    let name = |event: &Event| event.details.as_ref().map(|(_, details)| details["name"].as_str().unwrap_or_default().to_owned());
    let is_end = |kind: &str| ["ExecutionSucceeded", "ExecutionFailed", "ExecutionTimedOut"].contains(&kind);
    let mut left = BTreeSet::new();
    for (index, event) in events.iter().enumerate() {
        let mut say = |what: &str| wrong.push(format!("history: event {} ({}) {what}", event.id, event.kind));
        if event.id != index as u64 + 1 {
            say(&format!("has place {}", index + 1));
            return;
        }
        if event.previous >= event.id {
            say(&format!("follows {}", event.previous));
            return;
        }
        if (event.kind == "ExecutionStarted") != (index == 0) {
            say("is not where an execution starts");
        }
        if is_end(&event.kind) != (index + 1 == events.len()) {
            say("is not where an execution ends");
        }
        if index > 0 && event.timestamp < events[index - 1].timestamp {
            say("comes before the one before it");
        }
        let Some(kind) = event.kind.strip_suffix("StateExited") else { continue };
        let entered = format!("{kind}StateEntered");
        let mut at = event.previous;
        while at > 0 {
            let found = &events[at as usize - 1];
            if found.kind == entered && name(found) == name(event) && !left.contains(&at) {
                break;
            }
            at = found.previous;
        }
        match at {
            0 => say("leaves a state that was not entered, or was left before"),
            _ => _ = left.insert(at),
        }
        outputs(workflow, event, wrong);
    }
}

/// A Distributed Map without a ResultWriter gives the outputs of items that are all its own, each once.
fn outputs(workflow: &Workflow, event: &Event, wrong: &mut Vec<String>) {
    let Some((_, details)) = event.details.as_ref().filter(|_| event.kind == "MapStateExited") else { return };
    let name = details["name"].as_str().unwrap();
    let Some(plan) = workflow.maps.get(name).filter(|plan| !plan.writes && !plan.batched) else { return };
    let output: Value = serde_json::from_str(details["output"].as_str().unwrap()).unwrap();
    let Some(outputs) = output[name].as_array() else { return };
    let places: BTreeSet<&str> = outputs.iter().filter_map(|output| output["id"].as_str()?.rsplit('.').next()).collect();
    let failed = plan.items - outputs.len() as u64;
    if places.len() != outputs.len() || exceeded(plan, failed) {
        wrong.push(format!("{name}: of {} items, the outputs are {outputs:?}", plan.items));
    }
}
