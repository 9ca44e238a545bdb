//! The counts of events in all seeds together.

use std::fmt::{Display, Formatter, Result};

use crate::host::Simulated;

/// Counts by their names, in the order in which they are printed.
macro_rules! tally {
    ($($name:ident: $text:literal,)*) => {
        #[derive(Debug, Default, PartialEq)]
        pub(crate) struct Tally {
            $(pub(crate) $name: u64,)*
        }

        impl Display for Tally {
            fn fmt(&self, f: &mut Formatter<'_>) -> Result {
                $(writeln!(f, "{:<34}{:>10}", $text, self.$name)?;)*
                Ok(())
            }
        }
    };
}

tally! {
    seeds: "seeds run",
    succeeded: "workflows succeeded",
    failed: "          failed",
    timed_out: "          timed out",
    states: "states run",
    map_runs: "Map Runs",
    crashes: "crashes",
    cancellations: "cancellations",
    redriven: "executions redriven",
    parked: "           parked",
    calls: "task calls",
    repeated: "calls repeated",
    turns: "loops: turns seen",
    in_loops: "       calls in later turns",
    refused_reads: "store: reads refused",
    broken_bodies: "       bodies broken off",
    refused_pages: "       pages refused",
    failed_writes: "       writes failed",
    healed: "       later attempts sound",
    crashes_before_file: "settlement: crash before a file",
    crashes_after_file: "            crash behind a file",
    crashes_at_manifest: "            crash at the manifest",
    crashes_midway: "            crash while it runs",
    taken: "tokens: outcomes taken",
    early: "        before the answer",
    again: "        refused a 2nd time",
    by_another: "        by a later process",
    silent: "        never sent",
    to_parked: "        while no process ran",
    after_crash: "        known after a crash",
    refused: "        refused, too late",
    heartbeats: "        heartbeats",
}

impl Tally {
    pub(crate) fn add(&mut self, host: &Simulated) {
        let calls = host.calls.lock().unwrap();
        self.calls += calls.made;
        self.repeated += calls.repeated;
        self.in_loops += calls.in_loops;
        self.map_runs += host.map_runs.lock().unwrap().len() as u64;
        let store = host.store.lock().unwrap();
        self.refused_reads += store.refused_reads;
        self.broken_bodies += store.broken_bodies;
        self.refused_pages += store.refused_pages;
        self.failed_writes += store.failed_writes;
        self.healed += store.healed;
        self.crashes_before_file += store.crashes_before_file;
        self.crashes_after_file += store.crashes_after_file;
        self.crashes_at_manifest += store.crashes_at_manifest;
        self.crashes_midway += store.crashes_midway;
        let post = host.post.lock().unwrap();
        self.taken += post.taken;
        self.early += post.early;
        self.again += post.again;
        self.by_another += post.by_another;
        self.silent += post.silent;
        self.after_crash += post.after_crash;
        self.to_parked += post.to_parked;
        self.refused += post.refused;
        self.heartbeats += post.heartbeats;
    }
}
