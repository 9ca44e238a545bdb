//! `throughline`: parses the arguments, runs the command, and exits with its code.

use std::process::ExitCode;

use clap::Parser;
use throughline::args::Cli;
use throughline::exit::{CliError, Exit};
use throughline::{commands, print};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    worker::raise_descriptors();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are not errors. Clap knows which stream each of them belongs to.
            if !error.use_stderr() {
                let _ = error.print();
                return Exit::Succeeded.into();
            }
            if json_requested() {
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
    let exit = runtime.block_on(commands::run(cli.command)).unwrap_or_else(|error| {
        if json {
            print::stdout(format_args!("{}\n", error.to_json()));
        } else {
            print::stderr(format_args!("throughline: {error}\n"));
        }
        error.exit()
    });
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    print::exit(exit).into()
}

/// Whether arguments that could not be parsed ask for JSON.
fn json_requested() -> bool {
    std::env::args_os().skip(1).take_while(|argument| argument != "--").any(|argument| argument == "--json")
}
