//! Arguments of the commands for runs that exist.

#![expect(missing_docs, reason = "a flattened group is documented by its type")]

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use job::file::parse_duration;

use super::{Account, OnServer};

/// A run: the last one of a job and an input on this machine, or one by its id.
#[derive(Debug, Clone, Args)]
pub struct OfRun {
    /// The job file; or, without INPUT, the id of a run, JOB/ID, as `throughline runs` and `throughline submit`
    /// print it.
    #[arg(value_name = "JOB|RUN")]
    pub job: PathBuf,
    /// The input file of the run on this machine.
    pub input: Option<PathBuf>,
    /// The folder that remembers runs.
    #[arg(long, value_name = "DIR", default_value = ".throughline")]
    pub state: PathBuf,
    /// The bucket of the stack, for a run on AWS.
    #[arg(long, value_name = "NAME", env = "THROUGHLINE_BUCKET")]
    pub bucket: Option<String>,
    #[command(flatten)]
    pub account: Account,
    #[command(flatten)]
    pub server: OnServer,
}

/// `throughline status`
#[derive(Debug, Args)]
pub struct Status {
    #[command(flatten)]
    pub of: OfRun,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// `throughline export`
#[derive(Debug, Args)]
pub struct Export {
    #[command(flatten)]
    pub of: OfRun,
    /// The file for the rows; - is standard output.
    #[arg(short, long)]
    pub output: PathBuf,
}

/// `throughline stop`
#[derive(Debug, Args)]
pub struct Stop {
    #[command(flatten)]
    pub of: OfRun,
}

/// `throughline clean`
#[derive(Debug, Args)]
pub struct Clean {
    /// The job file; or, without INPUT, the id of a run, JOB/ID. With --older the name of a job, for the old runs of
    /// that job; without it those of all jobs.
    #[arg(value_name = "JOB|RUN", required_unless_present = "older")]
    pub job: Option<PathBuf>,
    /// The input file of the run on this machine.
    #[arg(conflicts_with = "older")]
    pub input: Option<PathBuf>,
    /// Remove every run that began longer ago than this and has ended: 30d.
    #[arg(long, value_name = "AGE", value_parser = parse_duration)]
    pub older: Option<Duration>,
    /// The folder that remembers runs.
    #[arg(long, value_name = "DIR", default_value = ".throughline")]
    pub state: PathBuf,
    /// The bucket of the stack, for runs on AWS.
    #[arg(long, value_name = "NAME", env = "THROUGHLINE_BUCKET")]
    pub bucket: Option<String>,
    #[command(flatten)]
    pub account: Account,
    #[command(flatten)]
    pub server: OnServer,
}
