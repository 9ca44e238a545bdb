//! `throughline`: parse, do, and turn the outcome into an exit code.

use std::process::ExitCode;

use clap::Parser;
use throughline::args::Cli;
use throughline::{commands, exit::Exit, print};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are answers, not errors; clap knows which stream each belongs to.
            let exit = if error.use_stderr() { Exit::Wrong } else { Exit::Succeeded };
            let _ = error.print();
            return exit.into();
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            print::stderr(format_args!("throughline: cannot start: {error}\n"));
            return Exit::Wrong.into();
        }
    };
    let exit = runtime.block_on(commands::run(cli.command)).unwrap_or_else(|wrong| {
        print::stderr(format_args!("throughline: {wrong}\n"));
        Exit::Wrong
    });
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    print::exit(exit).into()
}
