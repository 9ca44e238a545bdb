//! Arguments of `throughline import`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `throughline import`
#[derive(Debug, Args)]
pub struct Import {
    /// The file for the job. Default: the job is printed.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// What the job is made of.
    #[command(subcommand)]
    pub from: ImportFrom,
}

/// What a job is made of.
#[derive(Debug, Subcommand)]
pub enum ImportFrom {
    /// A curl command: write `throughline import curl` in front of its arguments. Write {{ column }} where a value of
    /// the line belongs.
    Curl {
        /// The arguments of curl.
        #[arg(
            required = true,
            trailing_var_arg = true,
            allow_hyphen_values = true,
            value_name = "ARGUMENTS"
        )]
        arguments: Vec<String>,
    },
    /// An operation of an OpenAPI description. Path, required parameters and the required members of a JSON body become
    /// placeholders, and the plain members of the response columns.
    Openapi {
        /// The description, in JSON or YAML.
        file: PathBuf,
        /// The operation: its operationId, or "METHOD /path".
        operation: String,
    },
    /// The options of `qsv fetch`.
    Qsv {
        /// The arguments of `qsv fetch`.
        #[arg(
            required = true,
            trailing_var_arg = true,
            allow_hyphen_values = true,
            value_name = "ARGUMENTS"
        )]
        arguments: Vec<String>,
    },
}
