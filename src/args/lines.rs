//! Arguments of the commands that look at one line.

#![expect(missing_docs, reason = "a flattened group is documented by its type")]

use clap::Args;

use super::{OfRun, Target};

/// `throughline try`
#[derive(Debug, Args)]
pub struct Try {
    #[command(flatten)]
    pub target: Target,
    /// The line to send, counted from 1 without the header.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub line: u64,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// `throughline show`
#[derive(Debug, Args)]
pub struct Show {
    #[command(flatten)]
    pub of: OfRun,
    /// The line to show, counted from 1 without the header.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub line: u64,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}
