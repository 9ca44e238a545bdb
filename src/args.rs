//! Command-line arguments.

mod aws;
mod import;
mod jobs;
mod lines;
mod manual;
mod runs;
mod secret;
mod serve;
pub mod states;

use clap::{Parser, Subcommand};

pub use aws::{Account, OnServer, Stack, Submit, Watch, WatchOptions};
pub use import::{Import, ImportFrom};
pub use jobs::{Again, Check, Demo, Init, Part, Recipe, Redrive, Run, RunOptions, Runs, Target, Vars};
pub use lines::{Show, Try};
pub use manual::{Completions, Help, Man};
pub use runs::{Clean, Export, OfRun, Status, Stop};
pub use secret::{Secret, SecretCommand};
pub use serve::{LogForm, Serve, ServeCommand, ServerFolder};
pub use states::{States, StatesCommand};

/// Sends one network request per line of a file, within the limits of each API, and writes one output file in
/// input order.
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 100, after_help = EXIT_CODES, disable_help_subcommand = true)]
pub struct Cli {
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 every line succeeded; 1 the command or the job was wrong, and nothing was \
sent; 2 finished, some lines failed, within what the job tolerates; 3 stopped, failed, over tolerance, or lines not \
processed; 4 busy: another process has the whole state folder for itself, or the run on AWS is still going, and nothing was sent; 130 interrupted: the same command \
continues; 141 the reader of the output has gone: the same command continues.";

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a job over a file. After an interruption the same command continues.
    Run(Run),
    /// Validate a job. Shows its first requests, its lanes and the expected time of the run; sends nothing.
    Check(Check),
    /// Send again only the lines that failed or were not processed, and write the complete output.
    Redrive(Redrive),
    /// Show one line of a run: its exact request, also as a curl command, every attempt, and its result.
    Show(Show),
    /// Send one line now and show the request and the response. Nothing is kept, and no limit is waited for.
    Try(Try),
    /// Upload a job and a file to a stack on AWS; the upload starts the run.
    Submit(Submit),
    /// Show a run on AWS until it ends.
    Watch(Watch),
    /// List the runs on this machine or on AWS, and their state.
    Runs(Runs),
    /// Show how far a run is.
    Status(Status),
    /// Write the output of a run as far as it has come, also while it goes on.
    Export(Export),
    /// End a run early, on this machine or on AWS. The results so far are merged into its output.
    Stop(Stop),
    /// Remove what is kept of a run, or of old runs: lines, responses and outputs in the store.
    Clean(Clean),
    /// Run, validate, test and draw any Amazon States Language definition on this machine.
    States(States),
    /// Serve jobs, the Step Functions API and S3 on this machine, durably, to the AWS CLI and SDKs.
    Serve(Serve),
    /// Set, list and remove the secrets of the jobs of a server.
    Secret(Secret),
    /// Write a commented job file to start from.
    Init(Init),
    /// Make a job file of a curl command, an OpenAPI operation, or the options of `qsv fetch`.
    Import(Import),
    /// Show a run against a sample API with limits on this machine: some thousand lines, under a minute.
    Demo(Demo),
    /// Explain a command; `help job` explains every key of a job file.
    Help(Help),
    /// Print the JSON Schema of job files, with which editors complete and check the keys.
    Schema,
    /// Print the completions of a shell.
    Completions(Completions),
    /// Write a manual page for each command.
    Man(Man),
}

impl Command {
    /// Whether the command prints JSON.
    pub fn json(&self) -> bool {
        match self {
            Self::Run(args) => args.options.json,
            Self::Check(args) => args.json,
            Self::Redrive(args) => args.options.json,
            Self::Show(args) => args.json,
            Self::Status(args) => args.json,
            Self::Try(args) => args.json,
            Self::Submit(args) => args.watch_options.json,
            Self::Runs(args) => args.json,
            Self::Watch(args) => args.watch_options.json,
            Self::States(args) => match &args.command {
                StatesCommand::Validate(args) => args.definition.json,
                StatesCommand::Run(args) => args.definition.json,
                StatesCommand::Test(args) => args.definition.json,
                StatesCommand::Graph(_) => false,
            },
            Self::Stop(_) | Self::Export(_) | Self::Clean(_) => false,
            Self::Serve(_) | Self::Secret(_) | Self::Init(_) | Self::Demo(_) => false,
            Self::Import(_) | Self::Help(_) | Self::Schema | Self::Completions(_) | Self::Man(_) => false,
        }
    }
}
