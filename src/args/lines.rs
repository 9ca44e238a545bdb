//! Arguments of the commands that look at one line.

#![expect(missing_docs, reason = "a flattened group is documented by its type")]

use std::path::PathBuf;

use clap::Args;

use super::{Account, Target};

/// `throughline try`
#[derive(Debug, Args)]
pub struct Try {
    #[command(flatten)]
    pub target: Target,
    /// The line to send, counted from 1 without the header.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub line: u64,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// `throughline show`
#[derive(Debug, Args)]
pub struct Show {
    /// The job file; or, without INPUT, the id of a run on AWS, as printed by `throughline submit`.
    #[arg(value_name = "JOB|RUN")]
    pub job: PathBuf,
    /// The input file of the run on this machine.
    pub input: Option<PathBuf>,
    /// The line to show, counted from 1 without the header.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub line: u64,
    /// The folder that remembers runs.
    #[arg(long, value_name = "DIR", default_value = ".throughline")]
    pub state: PathBuf,
    /// The bucket of the stack, for a run on AWS.
    #[arg(long, value_name = "NAME", env = "THROUGHLINE_BUCKET")]
    pub bucket: Option<String>,
    #[command(flatten)]
    pub account: Account,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}
