//! The keys of all objects. They are the same in a bucket and in the local state folder.

use super::LineId;
use crate::error::{ErrorName, StepError};

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

/// `turns/<job>.json`: the lease of a job. Only the run that holds it may send requests. It is outside `runs/`,
/// where objects expire.
pub fn lease(job: &str) -> String {
    format!("turns/{job}.json")
}

/// `turns/<job>/queue/`: the runs that wait for the lease of a job.
pub fn lease_queue(job: &str) -> String {
    format!("turns/{job}/queue/")
}

/// `turns/limit/<hash>.json`: the lease of a limit that several jobs may name. Only the lane that holds it may
/// send requests. The names of limits may have any characters, so the key has a hash of it.
pub fn limit_lease(limit: &str) -> String {
    format!("turns/limit/{}.json", hash_of_limit(limit))
}

/// `turns/limit/<hash>/queue/`: the runs of which a lane waits for the lease of a limit.
pub fn limit_queue(limit: &str) -> String {
    format!("turns/limit/{}/queue/", hash_of_limit(limit))
}

fn hash_of_limit(limit: &str) -> String {
    blake3::hash(limit.as_bytes()).to_hex()[..16].to_owned()
}

/// `runs/<job>/turn.json`: the lease of a job in earlier versions. While there is one, it is the job's lease.
pub fn earlier_lease(job: &str) -> String {
    format!("runs/{job}/turn.json")
}

/// `runs/<job>/latest/<file>.json`: the run that had this job and file last.
pub fn latest(job: &str, file: &str) -> String {
    format!("runs/{job}/latest/{file}.json")
}

/// `quotas/<hash of its name>/<seconds>.json`: how many requests a limit has had in a window.
pub fn quota(limit: &str, window: std::time::Duration) -> String {
    let hash = blake3::hash(limit.as_bytes()).to_hex();
    format!("quotas/{}/{}.json", &hash[..32], window.as_secs())
}

/// The job and the file of `jobs/<job>/input/<file>`. `None` for any other key, and for the empty folder keys
/// that the console makes.
pub fn parse_input(key: &str) -> Option<(&str, &str)> {
    parse_upload(key).filter(|(job, _)| !job.contains('/'))
}

/// The job with its folders and the file of `jobs/<job>/<folders>/input/<file>`, to which somebody has
/// uploaded an input by mistake. `None` for the keys of outputs, which may have a folder `input` too.
pub fn parse_misplaced_input(key: &str) -> Option<(&str, &str)> {
    let (path, file) = parse_upload(key)?;
    let (_, folders) = path.split_once('/')?;
    let ours = ["output", "failed", "report"];
    (!ours.contains(&folders.split('/').next()?)).then_some((path, file))
}

/// The endings of files that start a run although they are empty (`ENDINGS` in cdk/lib/trigger.ts).
pub const ENDINGS_OF_EMPTY: [&str; 4] = [".txt", ".csv", ".tsv", ".jsonl"];

/// Whether an input of this name and size in bytes starts a run.
pub fn starts_run(name: &str, size: u64) -> bool {
    size > 0 || ENDINGS_OF_EMPTY.iter().any(|ending| name.ends_with(ending))
}

fn parse_upload(key: &str) -> Option<(&str, &str)> {
    let (path, file) = key.strip_prefix("jobs/")?.split_once("/input/")?;
    let plain = |part: &str| !part.is_empty() && !part.ends_with('/');
    (plain(path) && plain(file)).then_some((path, file))
}

/// [`parse_input`], for a key that must be an input's.
///
/// # Errors
/// `Event.Invalid` for any other key.
pub fn require_input(key: &str) -> Result<(&str, &str), StepError> {
    parse_input(key).ok_or_else(|| {
        let message = format!("the key {key:?} is not the key of an input: upload the file to jobs/<job>/input/<file>, with one folder between jobs/ and /input/");
        StepError::new(ErrorName::EventInvalid, message)
    })
}

/// The last part of the key of a batch's origins, see [`RunKeys::origins`].
pub const ORIGINS: &str = "origins.json";

/// The end of the key of an object with lines whose first steps have been answered, see [`crate::wire::Begun`].
pub const BEGUN: &str = ".begun";

/// The keys of a run's folder.
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

    /// What the run began with, see [`super::Start`].
    pub fn start(&self) -> String {
        format!("{}start.json", self.prefix)
    }

    /// The marker of a run of which every line has succeeded, see [`super::Finished`].
    pub fn finished(&self) -> String {
        format!("{}finished.json", self.prefix)
    }

    /// The marker of a run that another run continues, see [`super::Continued`].
    pub fn continued(&self) -> String {
        format!("{}continued.json", self.prefix)
    }

    /// The claim: which execution owns the run. Each redrive is a generation and has another claim.
    pub fn claim(&self, generation: u32) -> String {
        match generation {
            0 => format!("{}claim.json", self.prefix),
            g => format!("{}claim-{g:04}.json", self.prefix),
        }
    }

    /// The plan. The pre-process step writes it last: a run with a plan is completely split.
    pub fn plan(&self) -> String {
        format!("{}plan.json", self.prefix)
    }

    /// Everything that the calls of a step leave to each other.
    pub fn checkpoint_of(&self, step: &str) -> String {
        format!("{}checkpoint/{step}/", self.prefix)
    }

    /// A part of a checkpoint: what one call of a step saves for the next call. `at` tells the calls apart.
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

    /// All results and intents of a run.
    pub fn results(&self) -> String {
        format!("{}results/", self.prefix)
    }

    /// All results and intents of a lane.
    pub fn lane_results(&self, lane: &str) -> String {
        format!("{}results/{lane}/", self.prefix)
    }

    /// All results and intents of the batch whose first line is `first`.
    pub fn batch_results(&self, lane: &str, first: LineId) -> String {
        format!("{}results/{lane}/{first:012}/", self.prefix)
    }

    /// The lines of a batch that an earlier run may have sent, see [`crate::wire::Origins`].
    pub fn origins(&self, lane: &str, first: LineId) -> String {
        format!("{}{ORIGINS}", self.batch_results(lane, first))
    }

    /// How many requests one generation has sent, where the job says how many it may.
    pub fn budget(&self, generation: u32) -> String {
        format!("{}budget/{generation:04}.json", self.prefix)
    }

    /// The versions of the steps that have worked in one generation.
    pub fn versions(&self, generation: u32) -> String {
        format!("{}versions/{generation:04}/", self.prefix)
    }

    /// What the requests of one generation have cost, where the job says how much they may.
    pub fn spent(&self, generation: u32) -> String {
        format!("{}spent/{generation:04}.json", self.prefix)
    }

    /// The marker that stops one lane in one generation. Its content says why.
    pub fn stop_lane(&self, generation: u32, lane: &str) -> String {
        format!("{}stop/{generation:04}/{lane}.json", self.prefix)
    }

    /// The changes of the lanes of one generation, while it goes.
    pub fn changed_lanes(&self, generation: u32) -> String {
        format!("{}lanes/{generation:04}.json", self.prefix)
    }

    /// The marker that stops every lane in one generation. Its content says why.
    pub fn stop_run(&self, generation: u32) -> String {
        format!("{}stop/{generation:04}.json", self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_of_an_input_folder_are_inputs() {
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
    fn an_input_below_folders_of_a_job_is_misplaced() {
        assert_eq!(parse_misplaced_input("jobs/a/b/input/c.csv"), Some(("a/b", "c.csv")));
        for other in [
            "jobs/a/input/c.csv",
            "jobs/a/output/input/c.csv",
            "jobs/a/failed/x/input/c.csv",
            "jobs/a/report/input/c.csv.json",
            "jobs/a/b/input/",
            "runs/a/b/input/c",
        ] {
            assert_eq!(parse_misplaced_input(other), None, "{other}");
        }
    }
}
