//! `throughline`: parse, do, and turn the outcome into an exit code.

use std::process::ExitCode;

use clap::Parser;
use throughline::args::Cli;
use throughline::exit::{CliError, Exit};
use throughline::{commands, print};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are answers, not errors; clap knows which stream each belongs to.
            if !error.use_stderr() {
                let _ = error.print();
                return Exit::Succeeded.into();
            }
            if json_is_asked_for() {
                print::stdout(format_args!(
                    "{}\n",
                    CliError::new(error.render().to_string().trim_end()).to_json()
                ));
            } else {
                let _ = error.print();
            }
            return Exit::Wrong.into();
        }
    };
    let json = cli.command.json();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            print::stderr(format_args!("throughline: cannot start: {error}\n"));
            return Exit::Wrong.into();
        }
    };
    let exit = runtime.block_on(commands::run(cli.command)).unwrap_or_else(|wrong| {
        if json {
            print::stdout(format_args!("{}\n", wrong.to_json()));
        } else {
            print::stderr(format_args!("throughline: {wrong}\n"));
        }
        wrong.exit()
    });
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    print::exit(exit).into()
}

/// Whether a command that could not be read asked for JSON.
fn json_is_asked_for() -> bool {
    std::env::args_os().skip(1).take_while(|argument| argument != "--").any(|argument| argument == "--json")
}
