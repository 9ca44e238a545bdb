//! What can be typed.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// One network request per line of a file, never faster than the APIs allow, one output file in input order.
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 100, after_help = EXIT_CODES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 every line succeeded; 1 the command or the job was wrong; 2 finished, some lines failed, \
within what the job tolerates; 3 stopped, failed, over tolerance or lines not processed; 130 interrupted: the same command continues.";

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a job over a file; the same command again continues after an interruption.
    Run(Run),
    /// Validate a job, and show its first requests, its lanes and how long the run will take.
    Check(Check),
    /// Send again only the lines that failed or were not processed, and write the complete output.
    Redrive(Redrive),
    /// Write a commented job file to start from.
    Init(Init),
    /// See it work: a sample API with limits on this machine, some thousand lines, under a minute.
    Demo(Demo),
}

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
pub struct Places {
    /// The output file; failed lines and report go beside it, as OUTPUT.failed.… and OUTPUT.report.json.
    /// Default: jobs/JOB/output/ in the state folder.
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
    #[expect(missing_docs, reason = "documented by its type")]
    pub target: Target,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented by its type")]
    pub places: Places,
    /// Start over, even if this file was run before: every request is made again.
    #[arg(long)]
    pub fresh: bool,
}

/// `throughline check`
#[derive(Debug, Args)]
pub struct Check {
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented by its type")]
    pub target: Target,
    /// How many requests to show.
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub lines: usize,
}

/// `throughline redrive`
#[derive(Debug, Args)]
pub struct Redrive {
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented by its type")]
    pub target: Target,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented by its type")]
    pub places: Places,
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
