//! Arguments of the commands that run a job on this machine.

#![expect(missing_docs, reason = "a flattened group is documented by its type")]

use std::path::PathBuf;

use clap::Args;

use super::Account;

/// What every run needs.
#[derive(Debug, Clone, Args)]
pub struct Target {
    /// The job file.
    pub job: PathBuf,
    /// The input file: text, CSV, TSV or JSONL, also as .gz, .zst or .bz2.
    pub input: PathBuf,
}

/// Where a run keeps what it knows, and where its outputs go.
#[derive(Debug, Clone, Args)]
pub struct RunOptions {
    /// The output file; failed lines and report go to the same folder, as OUTPUT.failed.… and OUTPUT.report.json. With - the
    /// output goes to standard output, and everything else that is printed to standard error. Default: jobs/JOB/output/ in
    /// the state folder.
    #[arg(short, long)]
    pub output: Option<PathBuf>,
    /// The folder that remembers runs.
    #[arg(long, value_name = "DIR", default_value = ".throughline")]
    pub state: PathBuf,
    /// Print progress and summary as JSON, one object a line.
    #[arg(long)]
    pub json: bool,
}

/// `throughline run`
#[derive(Debug, Args)]
pub struct Run {
    #[command(flatten)]
    pub target: Target,
    #[command(flatten)]
    pub options: RunOptions,
    /// Start over, even if this file was run before: every request is made again.
    #[arg(long)]
    pub fresh: bool,
    /// Call the functions preprocess, worker and postprocess there, over Lambda's Invoke API, and not in this process; for
    /// example at http://127.0.0.1:9000, where `cargo lambda watch` has them.
    #[arg(long, value_name = "URL")]
    pub functions: Option<String>,
    /// With --functions: the port of 127.0.0.1 where they find the store.
    #[arg(long, value_name = "PORT", default_value_t = 9001)]
    pub s3_port: u16,
}

/// `throughline check`
#[derive(Debug, Args)]
pub struct Check {
    #[command(flatten)]
    pub target: Target,
    /// How many requests to show.
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub lines: usize,
    /// Look at every line, however long that takes. Default: at as many as ten seconds allow.
    #[arg(long)]
    pub all: bool,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
    /// Also show what the run would cost on AWS, line by line of the bill.
    #[arg(long)]
    pub cost: bool,
    /// With --cost: how many Lambda functions the account may run at a time; a new account has 10.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub concurrency: u32,
}

/// `throughline redrive`
#[derive(Debug, Args)]
pub struct Redrive {
    /// The job file; or, without INPUT, a run on AWS, as `throughline submit` prints it.
    #[arg(value_name = "JOB|RUN")]
    pub job: PathBuf,
    /// The input file of the run on this machine.
    pub input: Option<PathBuf>,
    #[command(flatten)]
    pub options: RunOptions,
    /// The bucket of the stack, for a run on AWS.
    #[arg(long, value_name = "NAME", env = "THROUGHLINE_BUCKET")]
    pub bucket: Option<String>,
    #[command(flatten)]
    pub account: Account,
    /// Also send the lines whose outcome is unknown because a crash cut their request off. They may then be sent twice.
    #[arg(long)]
    pub include_unknown: bool,
}

/// `throughline init`
#[derive(Debug, Args)]
pub struct Init {
    /// The job's name; the file is NAME.toml in this folder.
    pub name: String,
}

/// `throughline demo`
#[derive(Debug, Args)]
pub struct Demo {
    /// The folder for the demo's job, input, output and state.
    #[arg(long, value_name = "DIR", default_value = "throughline-demo")]
    pub folder: PathBuf,
}
