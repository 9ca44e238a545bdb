//! The commands, one file each.

mod check;
mod demo;
mod init;
mod redrive;
mod run;
mod summary;

use crate::args::Command;
use crate::exit::{Exit, Wrong};

/// Does what was asked.
///
/// # Errors
/// When the command itself or the job is wrong.
pub async fn run(command: Command) -> Result<Exit, Wrong> {
    match command {
        Command::Run(args) => run::run(args).await,
        Command::Check(args) => check::check(&args).await,
        Command::Redrive(args) => redrive::redrive(args).await,
        Command::Init(args) => init::init(&args),
        Command::Demo(args) => demo::demo(&args).await,
    }
}
