//! Arguments of the commands for a stack on AWS.

#![expect(missing_docs, reason = "a flattened group is documented by its type")]

use std::path::PathBuf;

use clap::Args;

use super::{Again, Target};

/// The AWS account. Defaults are those of the AWS command line.
#[derive(Debug, Clone, Default, Args)]
pub struct Account {
    /// A profile of the AWS configuration.
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// The stack's Region.
    #[arg(long, value_name = "NAME")]
    pub region: Option<String>,
    /// The endpoint of all services, for example of a LocalStack.
    #[arg(long, value_name = "URL")]
    pub endpoint_url: Option<String>,
}

/// A stack on AWS.
#[derive(Debug, Clone, Args)]
pub struct Stack {
    /// The stack's bucket.
    #[arg(long, value_name = "NAME", env = "THROUGHLINE_BUCKET", required_unless_present = "server")]
    pub bucket: Option<String>,
    #[command(flatten)]
    pub account: Account,
    #[command(flatten)]
    pub server: OnServer,
}

impl Stack {
    /// The stack with this bucket.
    pub fn of_bucket(bucket: &str, account: &Account) -> Self {
        Self { bucket: Some(bucket.to_owned()), account: account.clone(), server: OnServer::default() }
    }
}

/// A server, in place of this machine or of a stack on AWS.
#[derive(Debug, Clone, Default, Args)]
pub struct OnServer {
    /// The URL of the AWS APIs of a `throughline serve`, for a run there. Its key is THROUGHLINE_KEY (ID:SECRET), or
    /// the first one of the state folder.
    #[arg(long, value_name = "URL", env = "THROUGHLINE_SERVER")]
    pub server: Option<String>,
    /// The state folder whose key is used.
    #[arg(skip = PathBuf::from(".throughline"))]
    pub state: PathBuf,
}

/// The output of a command that watches a run on AWS.
#[derive(Debug, Clone, Args)]
pub struct WatchOptions {
    /// The file for the output when the run has ended. Failed lines and report are written to the same folder. With -
    /// the output goes to standard output, and all messages go to standard error. Default: the files stay in the
    /// bucket.
    #[arg(short, long)]
    pub output: Option<PathBuf>,
    /// Print progress and summary as JSON, one object per line.
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
    /// Show the run until it ends, and exit with the run's exit code.
    #[arg(long)]
    pub watch: bool,
    #[command(flatten)]
    pub watch_options: WatchOptions,
    #[command(flatten)]
    pub again: Again,
}

/// `throughline watch`
#[derive(Debug, Args)]
pub struct Watch {
    /// The run id, JOB/ID, as printed by `throughline submit`.
    pub run: String,
    #[command(flatten)]
    pub stack: Stack,
    #[command(flatten)]
    pub watch_options: WatchOptions,
}
