//! What can be typed.

mod aws;
mod jobs;
pub mod states;

use clap::{Parser, Subcommand};

pub use aws::{Account, Stack, Stop, Submit, Watch, WatchOptions};
pub use jobs::{Check, Demo, Init, Redrive, Run, RunOptions, Target};
pub use states::{States, StatesCommand};

/// One network request per line of a file, never faster than the APIs allow, one output file in input order.
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 100, after_help = EXIT_CODES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 every line succeeded; 1 the command or the job was wrong, and nothing was sent; 2 finished, \
some lines failed, within what the job tolerates; 3 stopped, failed, over tolerance, or lines not processed; 4 busy: another \
process uses the state folder, and nothing was sent; 130 interrupted: the same command continues; 141 nobody reads any more what \
is printed: the same command continues.";

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a job over a file; the same command again continues after an interruption.
    Run(Run),
    /// Validate a job, and show its first requests, its lanes and how long the run will take.
    Check(Check),
    /// Send again only the lines that failed or were not processed, and write the complete output.
    Redrive(Redrive),
    /// Upload a job and a file to a stack on AWS; the upload starts the run.
    Submit(Submit),
    /// Show a run on AWS until it ends.
    Watch(Watch),
    /// End a run on AWS early: what was answered by then is merged into its output.
    Stop(Stop),
    /// Run, validate, test and draw any Amazon States Language definition on this machine.
    States(States),
    /// Write a commented job file to start from.
    Init(Init),
    /// See it work: a sample API with limits on this machine, some thousand lines, under a minute.
    Demo(Demo),
}

impl Command {
    /// Whether the command prints JSON.
    pub fn json(&self) -> bool {
        match self {
            Self::Run(args) => args.options.json,
            Self::Check(args) => args.json,
            Self::Redrive(args) => args.options.json,
            Self::Submit(args) => args.watch_options.json,
            Self::Watch(args) => args.watch_options.json,
            Self::States(args) => match &args.command {
                StatesCommand::Validate(args) => args.definition.json,
                StatesCommand::Run(args) => args.definition.json,
                StatesCommand::Test(args) => args.definition.json,
                StatesCommand::Graph(_) => false,
            },
            Self::Stop(_) | Self::Init(_) | Self::Demo(_) => false,
        }
    }
}
