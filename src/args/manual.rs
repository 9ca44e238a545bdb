//! Arguments of the commands that explain throughline.

use std::path::PathBuf;

use clap::Args;
use clap_complete::Shell;

/// `throughline help`
#[derive(Debug, Args)]
pub struct Help {
    /// A command, or `job` for the keys of a job file.
    #[arg(value_name = "TOPIC")]
    pub topic: Vec<String>,
}

/// `throughline completions`
#[derive(Debug, Args)]
pub struct Completions {
    /// The shell.
    pub shell: Shell,
}

/// `throughline man`
#[derive(Debug, Args)]
pub struct Man {
    /// The folder for the pages, for example ~/.local/share/man/man1.
    #[arg(value_name = "FOLDER")]
    pub folder: PathBuf,
}
