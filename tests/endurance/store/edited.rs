//! Runs whose store fails, and whose job or file is edited before the next command.

use std::collections::BTreeMap;

use job::run::Again;
use serde_json::Value;
use testing::{Action, Api, Call};

use super::random;
use super::run::{End, Files, Segment, command, observed};
use crate::edited::{EDITS, Edit, Edited, hits};

const LINES: usize = 400;
/// Ten workers, and so ten batches at least.
const IN_FLIGHT: usize = 1000;

type Plan = Box<dyn FnMut(&Call) -> Action + Send>;

struct Bed {
    api: Api,
    method: &'static str,
}

/// What a run that was edited has survived.
#[derive(Debug, Default)]
struct Survived {
    /// The calls of the store of each command.
    calls: Vec<u64>,
    /// How many commands left something to do.
    stops: usize,
    /// Lines whose outcome is unknown.
    unknown: usize,
}

impl Bed {
    fn new(method: &'static str) -> Self {
        Self { api: Api::start(), method }
    }

    /// A run whose commands meet one plan each, with an edit after each of them. The last command meets no
    /// fault.
    fn survives<P>(&self, plans: impl IntoIterator<Item = P>, edits: &[Edit]) -> Survived
    where
        P: FnMut(&Call) -> Action + Send + 'static,
    {
        self.api.forget();
        let (folder, mut edited) = (tempfile::tempdir().unwrap(), Edited::new(self.method, LINES, IN_FLIGHT));
        // A run that dies at its end has succeeded, and would ask after most edits.
        let (job, input) = (folder.path().join("edited.toml"), folder.path().join("in.csv"));
        let files = Files { job, input, again: Some(Again::Continue) };
        let state = folder.path().join("state");
        let (mut survived, mut stored) = (Survived::default(), Vec::new());
        let (mut plans, mut edits) = (plans.into_iter(), edits.iter().cycle());
        loop {
            edited.write(folder.path(), &self.api);
            let plan = plans.next();
            let last = plan.is_none();
            let (faults, segments) = match plan {
                Some(plan) => observed(&self.api, plan),
                None => observed(&self.api, |_| Action::Proceed),
            };
            let end = command(&files, &state, &faults, None);
            survived.calls.push(faults.calls());
            stored.append(&mut segments.lock().unwrap());
            match end {
                End::Finished(report) if last || report.complete() => {
                    assert_eq!(report.not_processed, 0);
                    break;
                }
                End::Stopped(message) => assert!(!last, "without a fault: {message}"),
                End::Finished(_) | End::Died => {}
            }
            survived.stops += 1;
            edited.apply(*edits.next().unwrap());
        }
        let out = std::fs::read_to_string(state.join("jobs/edited/output/in.csv")).unwrap();
        survived.unknown = edited.check(&out, &hits(&self.api));
        self.check(&stored);
        survived
    }

    /// No line is sent again once its response is stored, whatever run has stored it.
    fn check(&self, stored: &[Segment]) {
        let mut since: BTreeMap<String, usize> = BTreeMap::new();
        for (requests, body) in stored {
            for result in body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                let result: Value = serde_json::from_slice(result).unwrap();
                if let Some(id) = result["v"][0].as_str() {
                    since.entry(id.to_owned()).or_insert(*requests);
                }
            }
        }
        assert!(!since.is_empty());
        for (index, request) in self.api.requests().iter().enumerate() {
            let id = request.path().trim_start_matches("/ok/");
            let stored = since.get(id).copied().unwrap_or(usize::MAX);
            assert!(index < stored, "line {id} had a stored response and was sent again");
        }
    }
}

/// Lets the process die before or after a call of the store.
fn death(at: u64, before: bool) -> impl FnMut(&Call) -> Action + Send + 'static {
    let action = if before { Action::DieBefore } else { Action::DieAfter };
    move |call: &Call| if call.number == at { action } else { Action::Proceed }
}

/// Lets the process die after it has stored this number of result segments.
fn death_at_a_segment(count: usize) -> impl FnMut(&Call) -> Action + Send + 'static {
    let mut stored = 0;
    move |call: &Call| {
        let is_segment = call.key.contains("/results/") && call.key.ends_with(".jsonl");
        stored += usize::from(is_segment && call.operation.writes());
        if stored == count { Action::DieAfter } else { Action::Proceed }
    }
}

/// A run dies when some of its responses are stored, it is edited, and the run that continues it dies at any
/// call of the store, and is edited again. Returns how many commands stopped.
fn dies_while_it_continues(method: &'static str, deaths: u64) -> usize {
    let bed = Bed::new(method);
    let plans =
        |second: Option<Plan>| [Some(Box::new(death_at_a_segment(3)) as Plan), second].into_iter().flatten();
    let undisturbed = bed.survives(plans(None), &EDITS);
    assert_eq!(undisturbed.stops, 1, "{undisturbed:?}");
    let (calls, mut stops) = (undisturbed.calls[1], undisturbed.stops);
    for (n, at) in (1..=calls).step_by(usize::try_from(calls / deaths).unwrap().max(1)).enumerate() {
        let mut edits = EDITS;
        edits.rotate_left(n % EDITS.len());
        println!("{method}: dies at call {at} of {calls}, after {:?} and before {:?}", edits[0], edits[1]);
        let survived = bed.survives(plans(Some(Box::new(death(at, n % 2 == 0)))), &edits);
        assert!(survived.stops >= 1, "{survived:?}");
        stops += survived.stops;
    }
    stops
}

#[test]
fn run_that_is_edited_after_a_death_survives_a_death_at_any_call() {
    dies_while_it_continues("GET", 12);
}

#[test]
fn post_of_a_run_that_is_edited_after_each_death_is_never_sent_twice() {
    dies_while_it_continues("POST", 8);
}

#[test]
fn run_that_is_edited_between_failures_of_its_store_survives() {
    assert!(fails_between_edits("GET", [1, 2, 5, 6]) > 0, "some command stops");
}

/// Runs whose store fails at random in four commands, with an edit after each. Returns how many commands stopped.
fn fails_between_edits(method: &'static str, seeds: impl IntoIterator<Item = u64>) -> usize {
    let (mut stops, bed) = (0, Bed::new(method));
    for seed in seeds {
        println!("{method}: seed {seed}");
        let mut edits = EDITS;
        edits.rotate_left(usize::try_from(seed).unwrap() % EDITS.len());
        stops += bed.survives((0..4).map(|command| random(seed * 4 + command, seed % 4)), &edits).stops;
    }
    stops
}

/// Many of each, with a death at every call. Returns how many commands stopped.
pub fn many(seeds: u64) -> usize {
    let methods = ["GET", "POST"].into_iter();
    // A listing that does not show the newest objects lets a line be sent again.
    let seeds = (1..=seeds).filter(|seed| seed % 4 != 3);
    methods
        .map(|method| dies_while_it_continues(method, u64::MAX) + fails_between_edits(method, seeds.clone()))
        .sum()
}
