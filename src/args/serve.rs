//! The arguments of `throughline serve`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// `throughline serve`
#[derive(Debug, Args)]
pub struct Serve {
    /// The command; without one the server runs.
    #[command(subcommand)]
    pub command: Option<ServeCommand>,
    /// The folder and the settings.
    #[command(flatten)]
    pub folder: ServerFolder,
    /// The address of the API and the store. Default: that of the settings, or 127.0.0.1:4650.
    #[arg(long, value_name = "ADDR", global = true)]
    pub api: Option<String>,
    /// The address of the console, the REST API and the metrics. Default: that of the settings, or 127.0.0.1:4651.
    #[arg(long, value_name = "ADDR", global = true)]
    pub console: Option<String>,
    /// The form of the log on standard error.
    #[arg(long, value_enum, default_value_t = LogForm::Text)]
    pub log: LogForm,
    /// Also start a run for each file that is in the input folder of a job and was not uploaded to a server.
    #[arg(long)]
    pub trigger_existing: bool,
}

/// The form of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogForm {
    /// A line for each event, for people.
    Text,
    /// A JSON object for each event, for programs.
    Json,
}

/// The folder and the settings of a server.
#[derive(Debug, Args)]
pub struct ServerFolder {
    /// The state folder: the objects of the store, the machines, and the executions.
    #[arg(long, value_name = "DIR", default_value = ".throughline", global = true)]
    pub state: PathBuf,
    /// The settings, in TOML; see docs/serve.md. Default: those of a server on this machine alone.
    #[arg(long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
}

/// The commands of `throughline serve`.
#[derive(Debug, Subcommand)]
pub enum ServeCommand {
    /// Print the variables by which the AWS CLI and SDKs find a server: `eval "$(throughline serve env)"`.
    Env,
    /// Check the settings, the folder, the addresses and the disk, and change nothing.
    Check,
    /// Print a link that signs a browser in to the console once, in the next ten minutes.
    Link,
}
