//! Runs whose store fails: each succeeds, or stops with a clear error and can be continued.

pub mod edited;
pub mod run;
mod shapes;

use std::collections::BTreeMap;
use std::fmt;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use run::{LINES, Survived, TestBed};
use testing::{Action, Call, Fault, Operation};

/// Commands of a run that meet faults.
const COMMANDS: u64 = 4;

#[test]
fn run_survives_each_fault_alone() {
    let bed = TestBed::new();
    for fault in Fault::ALL {
        println!("{fault}");
        // The first call that it can meet, and every third from there.
        let plan = |_| {
            let mut met = 0_u64;
            move |call: &Call| {
                met += u64::from(fault.can_meet(call.operation));
                if fault.can_meet(call.operation) && met % 3 == 1 {
                    Action::Fail(fault)
                } else {
                    Action::Proceed
                }
            }
        };
        let survived = bed.survives([0].map(plan));
        assert!(survived.faults.contains_key(&fault), "it was never met");
        assert_eq!(survived.commands, 1, "{:?}", survived.stops);
    }
}

#[test]
fn run_survives_random_faults() {
    let bed = TestBed::new();
    for seed in 1..=4 {
        println!("seed {seed}");
        survives_seed(&bed, seed);
    }
}

#[test]
fn a_post_is_never_sent_twice() {
    let bed = TestBed::posting();
    for seed in [1, 2, 5] {
        println!("seed {seed}");
        survives_seed(&bed, seed);
    }
    for nth in (1..=bed.calls).step_by(usize::try_from(bed.calls / 3).unwrap()) {
        dies_at(&bed, nth, nth % 2 == 0);
    }
}

#[test]
fn run_survives_a_death_at_any_call() {
    let bed = TestBed::new();
    for nth in (1..=bed.calls).step_by(usize::try_from(bed.calls / 6).unwrap()) {
        dies_at(&bed, nth, true);
        dies_at(&bed, nth, false);
    }
}

#[test]
fn run_continues_after_a_full_disk() {
    let bed = TestBed::new();
    for (first, count) in
        [(Operation::Create, 1), (Operation::Complete, 1), (Operation::Put, 8), (Operation::Complete, 2)]
    {
        println!("full from {first:?} {count}");
        let (mut met, mut full) = (0, false);
        let survived = bed.survives([move |call: &Call| {
            met += usize::from(call.operation == first);
            full |= met == count;
            if full { Action::DiskFull } else { Action::Proceed }
        }]);
        assert_eq!(survived.commands, 2, "{:?}", survived.stops);
        assert!(survived.stops[0].contains("No space left on device"), "{:?}", survived.stops);
    }
}

fn survives_seed(bed: &TestBed, seed: u64) -> Survived {
    bed.survives((0..COMMANDS).map(|command| random(seed * COMMANDS + command, seed % 4)))
}

/// Faults at random, by the kind: seldom, often, or in outages in which every call fails.
fn random(seed: u64, kind: u64) -> impl FnMut(&Call) -> Action + Send + 'static {
    let mut rng = StdRng::seed_from_u64(seed);
    let chance = [0.03, 0.15, 0.05, 0.02][kind as usize];
    let outages = kind >= 2;
    let mut outage = 0;
    move |call: &Call| {
        if outage == 0 && outages && rng.random_bool(0.01) {
            outage = rng.random_range(5..150);
        }
        let fails = outage > 0 || rng.random_bool(chance);
        outage = outage.max(1) - 1;
        let possible = Fault::ALL
            .into_iter()
            .filter(|fault| fault.can_meet(call.operation) && (kind == 3 || *fault != Fault::Stale));
        match possible.collect::<Vec<_>>().choose(&mut rng) {
            Some(fault) if fails => Action::Fail(*fault),
            _ => Action::Proceed,
        }
    }
}

fn dies_at(bed: &TestBed, at: u64, before: bool) -> Survived {
    println!("dies {} call {at} of {}", if before { "before" } else { "after" }, bed.calls);
    let action = if before { Action::DieBefore } else { Action::DieAfter };
    bed.survives([move |call: &Call| if call.number == at { action } else { Action::Proceed }])
}

/// The results of many runs.
#[derive(Debug, Default)]
pub struct Tally {
    seeds: u64,
    deaths: usize,
    runs: usize,
    stops: usize,
    faults: BTreeMap<Fault, usize>,
    lines_out: usize,
    lost: usize,
    duplicated: usize,
    repeated: usize,
    /// Runs of requests that must not be sent twice, and their lines whose outcome is unknown.
    posts: usize,
    unknown: usize,
}

/// Runs with this number of seeds, and deaths before and after every call.
pub fn many(seeds: u64) -> Tally {
    let bed = TestBed::new();
    let mut tally = Tally { seeds, ..Tally::default() };
    for seed in 1..=seeds {
        println!("  seed {seed} of {seeds}");
        tally.add(&survives_seed(&bed, seed));
    }
    let posting = TestBed::posting();
    for seed in (1..=seeds).filter(|seed| seed % 4 != 3) {
        println!("  seed {seed} of {seeds}, POST");
        tally.unknown += tally.add(&survives_seed(&posting, seed));
        tally.posts += 1;
    }
    for nth in 1..=bed.calls {
        tally.deaths += 2;
        tally.add(&dies_at(&bed, nth, true));
        tally.add(&dies_at(&bed, nth, false));
    }
    tally
}

impl Tally {
    /// Returns the lines whose outcome is unknown.
    fn add(&mut self, survived: &Survived) -> usize {
        self.runs += 1;
        self.stops += survived.stops.len();
        for (fault, count) in &survived.faults {
            *self.faults.entry(*fault).or_default() += count;
        }
        self.lines_out += survived.lines_out;
        self.lost += survived.lost;
        self.duplicated += survived.duplicated;
        self.repeated += survived.repeated;
        survived.unknown
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (fault, count) in &self.faults {
            writeln!(f, "  {fault:32} {count:>5}")?;
        }
        writeln!(f, "  {:32} {:>5}", "died at a call", self.deaths)?;
        writeln!(
            f,
            "seeds run              {:>9}   ({} runs, continued {} times)",
            self.seeds, self.runs, self.stops
        )?;
        writeln!(f, "lines in               {:>9}", self.runs * LINES)?;
        writeln!(f, "lines out              {:>9}", self.lines_out)?;
        writeln!(f, "lost                   {:>9}", self.lost)?;
        writeln!(f, "duplicated             {:>9}", self.duplicated)?;
        writeln!(
            f,
            "requests repeated      {:>9}   (no POST, in {} runs: {} of their lines are `outcome_unknown`)",
            self.repeated, self.posts, self.unknown
        )
    }
}
