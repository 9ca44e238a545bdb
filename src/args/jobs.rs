//! Arguments of the commands that run a job on this machine.

#![expect(missing_docs, reason = "a flattened group is documented by its type")]

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use job::file::Selection;

use super::{Account, OnServer};

/// The arguments of every run.
#[derive(Debug, Clone, Args)]
pub struct Target {
    /// The job file.
    pub job: PathBuf,
    /// The input file: text, CSV, TSV or JSONL, also as .gz, .zst or .bz2; or the first sheet of an .xlsx file. - is
    /// standard input.
    pub input: PathBuf,
    #[command(flatten)]
    pub vars: Vars,
}

/// Other values of the job's variables.
#[derive(Debug, Clone, Default, Args)]
pub struct Vars {
    /// A value of a variable, in place of the one that `vars` of the job file has. It can be repeated.
    #[arg(long, value_name = "NAME=VALUE", value_parser = variable)]
    pub set: Vec<(String, String)>,
}

fn variable(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// The locations of a run's outputs and state.
#[derive(Debug, Clone, Args)]
pub struct RunOptions {
    /// The output file, also as .gz or .zst. Failed lines and report are written to the same folder, as OUTPUT.failed.… and
    /// OUTPUT.report.json. With - the output goes to standard output, and all messages go to standard error.
    /// Default: a file in jobs/JOB/output/ of the state folder.
    #[arg(short, long)]
    pub output: Option<PathBuf>,
    /// The folder that remembers runs.
    #[arg(long, value_name = "DIR", default_value = ".throughline")]
    pub state: PathBuf,
    /// Print progress and summary as JSON, one object per line.
    #[arg(long)]
    pub json: bool,
    /// Print no progress, and the summary only if a line failed.
    #[arg(short, long, conflicts_with = "json")]
    pub quiet: bool,
    /// Append what happens to this file, one JSON object per line.
    #[arg(long, value_name = "FILE")]
    pub log: Option<PathBuf>,
}

/// `throughline run`
#[derive(Debug, Args)]
pub struct Run {
    #[command(flatten)]
    pub target: Target,
    #[command(flatten)]
    pub options: RunOptions,
    #[command(flatten)]
    pub server: OnServer,
    #[command(flatten)]
    pub again: Again,
    #[command(flatten)]
    pub part: Part,
    /// Call the functions preprocess, worker and postprocess at this URL, over Lambda's Invoke API, instead of in
    /// this process. `cargo lambda watch` serves them at http://127.0.0.1:9000.
    #[arg(long, value_name = "URL")]
    pub functions: Option<String>,
    /// With --functions: the port of 127.0.0.1 at which the functions reach the store.
    #[arg(long, value_name = "PORT", default_value_t = 9001)]
    pub s3_port: u16,
}

/// A part of the lines of the input. A later run of more lines keeps the responses of these, and sends the others.
#[derive(Debug, Clone, Default, Args)]
#[group(multiple = false)]
pub struct Part {
    /// Send only the first N lines. A later run without the limit keeps their responses and sends the others.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub limit: Option<u64>,
    /// Send only these lines, counted from 1 without the header: 17, 17-20 or 3,17-20.
    #[arg(long, value_name = "LINES", value_parser = Selection::lines)]
    pub lines: Option<Selection>,
    /// Send only this share of the lines, such as 1%. A larger share has the same lines, and others.
    #[arg(long, value_name = "SHARE", value_parser = Selection::sample)]
    pub sample: Option<Selection>,
}

impl Part {
    /// The lines that the user has asked for.
    pub fn selection(&self) -> Option<Selection> {
        self.limit.map(Selection::First).or(self.lines.clone()).or(self.sample.clone())
    }
}

/// What happens to the responses of the run before of the same job and file. The job file can say it too:
/// `[run] again`.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct Again {
    /// Start over, even if this file was run before. Every request is sent again.
    #[arg(long)]
    pub fresh: bool,
    /// Keep the responses of the run before for the lines whose request is the same, and send only the others,
    /// also if that run had succeeded and the file, the requests or a secret have changed since then.
    #[arg(long = "continue", conflicts_with = "fresh")]
    pub keep: bool,
}

impl Again {
    /// What the user has said.
    pub fn said(self) -> Option<job::run::Again> {
        match self {
            Self { fresh: true, .. } => Some(job::run::Again::Fresh),
            Self { keep: true, .. } => Some(job::run::Again::Continue),
            _ => None,
        }
    }
}

/// `throughline check`
#[derive(Debug, Args)]
pub struct Check {
    #[command(flatten)]
    pub target: Target,
    /// The number of requests to show.
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub lines: usize,
    /// Check every line, however long that takes. Default: as many lines as ten seconds allow.
    #[arg(long)]
    pub all: bool,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
    /// Also show the estimated bill of the run on AWS, item by item.
    #[arg(long)]
    pub cost: bool,
    /// With --cost: the account's limit of concurrent Lambda functions. A new account may have 10.
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    pub concurrency: u32,
    /// With --cost: also show a NAT gateway that is there for this run alone.
    #[arg(long, requires = "cost")]
    pub nat: bool,
}

/// `throughline redrive`
#[derive(Debug, Args)]
pub struct Redrive {
    /// The job file; or, without INPUT, the id of a run on AWS, as printed by `throughline submit`.
    #[arg(value_name = "JOB|RUN")]
    pub job: PathBuf,
    /// The input file of the run on this machine.
    pub input: Option<PathBuf>,
    #[command(flatten)]
    pub vars: Vars,
    #[command(flatten)]
    pub options: RunOptions,
    /// The bucket of the stack, for a run on AWS.
    #[arg(long, value_name = "NAME", env = "THROUGHLINE_BUCKET")]
    pub bucket: Option<String>,
    #[command(flatten)]
    pub account: Account,
    #[command(flatten)]
    pub server: OnServer,
    /// Keep the responses of the last run although a secret, or everything that it sent, has changed since then.
    #[arg(long = "continue")]
    pub keep: bool,
    /// Also send the lines whose outcome is unknown because a crash interrupted their request. Their requests may
    /// then be sent twice.
    #[arg(long)]
    pub include_unknown: bool,
}

/// `throughline runs`
#[derive(Debug, Args)]
pub struct Runs {
    /// Only the runs of this job: its name, as NAME of NAME.toml.
    pub job: Option<String>,
    /// The folder that remembers runs.
    #[arg(long, value_name = "DIR", default_value = ".throughline")]
    pub state: PathBuf,
    /// The bucket of a stack on AWS, for its runs.
    #[arg(long, value_name = "NAME", env = "THROUGHLINE_BUCKET", conflicts_with = "state")]
    pub bucket: Option<String>,
    #[command(flatten)]
    pub account: Account,
    #[command(flatten)]
    pub server: OnServer,
    /// Print one JSON object per run.
    #[arg(long)]
    pub json: bool,
}

/// `throughline init`
#[derive(Debug, Args)]
pub struct Init {
    /// The job's name. The file is NAME.toml in the current folder.
    pub name: String,
    /// Begin with a job of this kind, instead of one that shows the keys.
    #[arg(long, value_name = "KIND")]
    pub recipe: Option<Recipe>,
}

/// The kinds of jobs to start from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Recipe {
    /// An API behind OAuth2.
    Oauth2,
    /// A language model over a file.
    Llm,
    /// The status of each link of a list.
    Links,
    /// A GraphQL query per line.
    Graphql,
    /// A signed delivery per line.
    Webhooks,
}

/// `throughline demo`
#[derive(Debug, Args)]
pub struct Demo {
    /// The folder for the demo's job, input, output and state.
    #[arg(long, value_name = "DIR", default_value = "throughline-demo")]
    pub folder: PathBuf,
}
