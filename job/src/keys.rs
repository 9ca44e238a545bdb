//! Where things lie: the same keys in a bucket and in the local state folder.

use std::fmt;

use serde::{Deserialize, Serialize};

/// `jobs/<job>/job.toml`.
pub fn job_file(job: &str) -> String {
    format!("jobs/{job}/job.toml")
}

/// `jobs/<job>/input/<file>`.
pub fn input(job: &str, file: &str) -> String {
    format!("jobs/{job}/input/{file}")
}

/// `jobs/<job>/output/<file>`.
pub fn output(job: &str, file: &str) -> String {
    format!("jobs/{job}/output/{file}")
}

/// `jobs/<job>/failed/<file>`.
pub fn failed(job: &str, file: &str) -> String {
    format!("jobs/{job}/failed/{file}")
}

/// `jobs/<job>/report/<file>.json`.
pub fn report(job: &str, file: &str) -> String {
    format!("jobs/{job}/report/{file}.json")
}

/// `runs/<job>/turn.json`: which run of the job may send requests now.
pub fn turn(job: &str) -> String {
    format!("runs/{job}/turn.json")
}

/// Takes `jobs/<job>/input/<file>` apart. `None` for any other key, and for the console's empty folder keys.
pub fn parse_input(key: &str) -> Option<(&str, &str)> {
    let (job, file) = key.strip_prefix("jobs/")?.split_once("/input/")?;
    let plain = |part: &str| !part.is_empty() && !part.ends_with('/');
    (plain(job) && !job.contains('/') && plain(file)).then_some((job, file))
}

/// The keys below one run's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunKeys {
    prefix: String,
}

impl RunKeys {
    /// The folder `runs/<job>/<run>/`.
    pub fn new(job: &str, run: &str) -> Self {
        Self { prefix: format!("runs/{job}/{run}/") }
    }

    /// The folder itself, with its closing `/`.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The copy of the job file that all steps read.
    pub fn job_file(&self) -> String {
        format!("{}job.toml", self.prefix)
    }

    /// Which execution owns this run; a redrive is a generation with a claim of its own.
    pub fn claim(&self, generation: u32) -> String {
        match generation {
            0 => format!("{}claim.json", self.prefix),
            g => format!("{}claim-{g:04}.json", self.prefix),
        }
    }

    /// The plan, written last by the pre-process step: a run with a plan is completely split.
    pub fn plan(&self) -> String {
        format!("{}plan.json", self.prefix)
    }

    /// What a step lays aside for its next call, when one call is too short for it: `at` tells the calls apart.
    pub fn checkpoint(&self, step: &str, at: &str, part: &str) -> String {
        format!("{}checkpoint/{step}/{at}/{part}", self.prefix)
    }

    /// The lines of a lane.
    pub fn items(&self, lane: &str) -> String {
        format!("{}items/{lane}.jsonl", self.prefix)
    }

    /// The batches of a lane.
    pub fn manifest(&self, generation: u32, lane: &str) -> String {
        format!("{}manifest/{generation:04}/{lane}.json", self.prefix)
    }

    /// All flush objects of a run.
    pub fn results(&self) -> String {
        format!("{}results/", self.prefix)
    }

    /// All flush objects of a lane.
    pub fn lane_results(&self, lane: &str) -> String {
        format!("{}results/{lane}/", self.prefix)
    }

    /// All flush objects and notes of the batch whose first line is `first`.
    pub fn batch_results(&self, lane: &str, first: u64) -> String {
        format!("{}results/{lane}/{first:012}/", self.prefix)
    }

    /// A marker that stops one lane in one generation; its content says why.
    pub fn stop_lane(&self, generation: u32, lane: &str) -> String {
        format!("{}stop/{generation:04}/{lane}.json", self.prefix)
    }

    /// A marker that stops every lane in one generation; its content says why.
    pub fn stop_run(&self, generation: u32) -> String {
        format!("{}stop/{generation:04}.json", self.prefix)
    }
}

/// One call of a worker for one batch. Orders by generation, then by time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Invocation(String);

impl Invocation {
    /// `generation` of the run, milliseconds since 1970, and a random number so that two calls never meet.
    pub fn new(generation: u32, millis: u64, random: u32) -> Self {
        Self(format!("{generation:04}{millis:013}{random:08x}"))
    }

    /// The redrive generation the call belongs to.
    pub fn generation(&self) -> u32 {
        self.0.get(..4).and_then(|digits| digits.parse().ok()).unwrap_or(0)
    }
}

impl fmt::Display for Invocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of one object that a worker flushed: it carries its counts, so that a listing is enough to watch a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FlushKey {
    /// Records of finished lines.
    Records {
        /// The call that wrote it.
        invocation: Invocation,
        /// Number of the flush within the call.
        k: u32,
        /// Lines that succeeded.
        ok: u64,
        /// Lines that failed.
        failed: u64,
        /// Answers since the last flush that asked to slow down.
        throttled: u64,
        /// Requests since the last flush that went out, whatever became of them.
        sent: u64,
    },
    /// [`crate::record::Notes`].
    Notes {
        /// The call that wrote it.
        invocation: Invocation,
        /// Number of the note within the call.
        k: u32,
    },
}

impl FlushKey {
    /// The last part of the key; the batch's folder stands before it.
    pub fn name(&self) -> String {
        match self {
            Self::Records { invocation, k, ok, failed, throttled, sent } => {
                format!("{invocation}-{k:06}-{ok}-{failed}-{throttled}-{sent}.jsonl")
            }
            Self::Notes { invocation, k } => format!("{invocation}-{k:06}.notes.json"),
        }
    }

    /// Takes a key's last part apart; `None` for a name that no worker writes.
    pub fn parse(key: &str) -> Option<Self> {
        let name = key.rsplit('/').next()?;
        if let Some(stem) = name.strip_suffix(".notes.json") {
            let (invocation, k) = stem.split_once('-')?;
            return Some(Self::Notes { invocation: Invocation(invocation.to_owned()), k: k.parse().ok()? });
        }
        let mut parts = name.strip_suffix(".jsonl")?.split('-');
        let invocation = Invocation(parts.next()?.to_owned());
        let numbers: Vec<u64> = parts.map(|part| part.parse().ok()).collect::<Option<_>>()?;
        let (k, ok, failed, throttled, sent) = match numbers[..] {
            [k, ok, failed, throttled, sent] => (k, ok, failed, throttled, sent),
            // Written before requests were counted: each outcome was one at least.
            [k, ok, failed, throttled] => (k, ok, failed, throttled, ok + failed + throttled),
            _ => return None,
        };
        Some(Self::Records { invocation, k: u32::try_from(k).ok()?, ok, failed, throttled, sent })
    }

    /// The call that wrote the object.
    pub fn invocation(&self) -> &Invocation {
        match self {
            Self::Records { invocation, .. } | Self::Notes { invocation, .. } => invocation,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_keys() {
        assert_eq!(parse_input("jobs/a/input/b.csv"), Some(("a", "b.csv")));
        assert_eq!(parse_input("jobs/a/input/2026/b.csv"), Some(("a", "2026/b.csv")));
        for other in [
            "jobs/a/input/",
            "jobs/a/input/x/",
            "jobs/a/b/input/c",
            "jobs/a/output/b",
            "runs/a/input/b",
            "jobs//input/b",
        ] {
            assert_eq!(parse_input(other), None, "{other}");
        }
    }

    #[test]
    fn flush_names_round_trip() {
        let invocation = Invocation::new(3, 1_763_700_000_000, 0xabc);
        let records = FlushKey::Records {
            invocation: invocation.clone(),
            k: 7,
            ok: 10,
            failed: 2,
            throttled: 1,
            sent: 15,
        };
        let notes = FlushKey::Notes { invocation, k: 7 };
        assert_eq!(FlushKey::parse(&format!("x/{}", records.name())), Some(records.clone()));
        assert_eq!(FlushKey::parse(&notes.name()), Some(notes));
        let uncounted = records.name().replace("-15.jsonl", ".jsonl");
        assert!(
            matches!(FlushKey::parse(&uncounted), Some(FlushKey::Records { ok: 10, sent: 13, .. })),
            "{uncounted}"
        );
        assert_eq!(records.invocation().generation(), 3);
        assert_eq!(FlushKey::parse("readme.jsonl"), None);
    }

    #[test]
    fn invocations_order_by_generation_then_time() {
        assert!(Invocation::new(0, 2, 0) < Invocation::new(1, 1, 0));
        assert!(Invocation::new(1, 1, 9) < Invocation::new(1, 2, 0));
    }
}
