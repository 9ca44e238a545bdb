//! The arguments of `throughline secret`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `throughline secret`
#[derive(Debug, Args)]
pub struct Secret {
    /// The command.
    #[command(subcommand)]
    pub command: SecretCommand,
    /// The state folder of the server.
    #[arg(long, value_name = "DIR", default_value = ".throughline", global = true)]
    pub state: PathBuf,
}

/// The commands of `throughline secret`.
#[derive(Debug, Subcommand)]
pub enum SecretCommand {
    /// Set a secret to what standard input has. At a terminal the value is asked for, and not shown.
    Set {
        /// The job: its name in jobs/NAME/job.toml.
        job: String,
        /// The name of the secret: NAME in `secret.NAME` or `env:NAME` of the job file.
        name: String,
    },
    /// List the names of the secrets of a job.
    List {
        /// The job.
        job: String,
    },
    /// Remove a secret.
    Remove {
        /// The job.
        job: String,
        /// The name of the secret.
        name: String,
    },
}
