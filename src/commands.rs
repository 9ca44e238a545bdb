//! The commands, one file each.

mod check;
mod clean;
mod demo;
mod exchange;
mod export;
mod failed_lines;
mod import;
mod init;
mod manual;
mod question;
mod redrive;
mod run;
mod runs;
mod secret;
mod serve;
mod show;
mod states;
mod status;
mod stop;
mod submit;
mod summary;
mod try_line;
mod watch;
mod which;

use crate::args::Command;
use crate::exit::{CliError, Exit};

/// Runs a command.
///
/// # Errors
/// When the command or the job is wrong.
pub async fn run(command: Command) -> Result<Exit, CliError> {
    match command {
        Command::Run(args) => run::run(args).await,
        Command::Check(args) => check::check(&args).await,
        Command::Redrive(args) => redrive::redrive(args).await,
        Command::Show(args) => show::show(&args).await,
        Command::Try(args) => try_line::try_line(&args).await,
        Command::Submit(args) => submit::submit(args).await,
        Command::Watch(args) => watch::watch(args).await,
        Command::Runs(args) => runs::runs(args).await,
        Command::Status(args) => status::status(&args).await,
        Command::Export(args) => export::export(&args).await,
        Command::Stop(args) => stop::stop(&args).await,
        Command::Clean(args) => clean::clean(&args).await,
        Command::Serve(args) => serve::serve(args).await,
        Command::Secret(args) => secret::secret(&args),
        Command::Init(args) => init::init(&args),
        Command::Import(args) => import::import(&args),
        Command::States(args) => states::states(args).await,
        Command::Demo(args) => demo::demo(&args).await,
        Command::Help(args) => manual::help(&args),
        Command::Schema => Ok(manual::schema()),
        Command::Completions(args) => manual::completions(&args),
        Command::Man(args) => manual::pages(&args),
    }
}
