//! Arguments of the commands for a stack on AWS.

#![expect(missing_docs, reason = "a flattened group is documented by its type")]

use std::path::PathBuf;

use clap::Args;

use super::Target;

/// How AWS is reached; by default as the AWS command line reaches it.
#[derive(Debug, Clone, Args)]
pub struct Account {
    /// A profile of the AWS configuration.
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// The stack's Region.
    #[arg(long, value_name = "NAME")]
    pub region: Option<String>,
    /// Another endpoint for every service, for example a LocalStack's.
    #[arg(long, value_name = "URL")]
    pub endpoint_url: Option<String>,
}

/// A stack on AWS.
#[derive(Debug, Clone, Args)]
pub struct Stack {
    /// The stack's bucket.
    #[arg(long, value_name = "NAME", env = "THROUGHLINE_BUCKET")]
    pub bucket: String,
    #[command(flatten)]
    pub account: Account,
}

/// How a run on AWS is shown.
#[derive(Debug, Clone, Args)]
pub struct WatchOptions {
    /// Where to save the output when the run has ended; failed lines and report go to the same folder. With - the output goes
    /// to standard output, and everything else that is printed to standard error. Default: they stay in the bucket.
    #[arg(short, long)]
    pub output: Option<PathBuf>,
    /// Print progress and summary as JSON, one object a line.
    #[arg(long)]
    pub json: bool,
}

/// `throughline submit`
#[derive(Debug, Args)]
pub struct Submit {
    #[command(flatten)]
    pub target: Target,
    #[command(flatten)]
    pub stack: Stack,
    /// Show the run until it ends, and exit as it ends.
    #[arg(long)]
    pub watch: bool,
    #[command(flatten)]
    pub watch_options: WatchOptions,
}

/// `throughline watch`
#[derive(Debug, Args)]
pub struct Watch {
    /// The run, JOB/ID, as `throughline submit` prints it.
    pub run: String,
    #[command(flatten)]
    pub stack: Stack,
    #[command(flatten)]
    pub watch_options: WatchOptions,
}

/// `throughline stop`
#[derive(Debug, Args)]
pub struct Stop {
    /// The run, JOB/ID, as `throughline submit` prints it.
    pub run: String,
    #[command(flatten)]
    pub stack: Stack,
}
