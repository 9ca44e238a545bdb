//! `throughline demo`: starts a sample API on this machine and runs a job against it.

mod api;
mod files;

use std::fs;

use crate::args::{self, RunOptions, Target, Vars};
use crate::exit::{CliError, Exit};

pub(super) async fn demo(args: &args::Demo) -> Result<Exit, CliError> {
    let folder = &args.folder;
    fs::create_dir_all(folder).map_err(|error| CliError::at(folder, error))?;
    let quick = api::start(api::QUICK)
        .await
        .map_err(|error| CliError::new(format!("cannot start the sample API: {error}")))?;
    let slow = api::start(api::SLOW)
        .await
        .map_err(|error| CliError::new(format!("cannot start the sample API: {error}")))?;
    let (job, input, output) =
        (folder.join("places.toml"), folder.join("places.csv"), folder.join("places.out.csv"));
    fs::write(&job, files::job(&quick.host(), &slow.host())).map_err(|error| CliError::at(&job, error))?;
    fs::write(&input, files::input(&quick.host(), &slow.host()))
        .map_err(|error| CliError::at(&input, error))?;
    println!("A sample API runs on this machine:");
    println!("  {}  allows 300 requests/s, and responds with 429 and Retry-After beyond that", quick.host());
    println!("  {}  is slow and allows 20/s", slow.host());
    println!("Two in a hundred requests fail once, and a few lines always fail.\n");
    println!("$ throughline run {} {} -o {}\n", job.display(), input.display(), output.display());
    let exit = super::run::run(args::Run {
        target: Target { job: job.clone(), input: input.clone(), vars: Vars::default() },
        options: RunOptions {
            output: Some(output.clone()),
            state: folder.join(".throughline"),
            json: false,
            quiet: false,
            log: None,
        },
        server: args::OnServer::default(),
        again: args::Again { fresh: true, keep: false },
        part: args::Part::default(),
        functions: None,
        s3_port: 0,
    })
    .await?;
    if exit == Exit::Interrupted {
        println!(
            "(The demo cannot continue: its sample API has ended with it. Run the demo again to start over.)"
        );
        return Ok(exit);
    }
    println!("\nThe first lines of {}:", output.display());
    let text = fs::read_to_string(&output).map_err(|error| CliError::at(&output, error))?;
    for line in text.lines().take(4) {
        println!("  {line}");
    }
    println!("\nYour own job:");
    println!("  throughline init places        # writes places.toml, with comments");
    println!("  throughline check places.toml YOUR.csv");
    println!("  throughline run places.toml YOUR.csv -o output.csv");
    // Some lines of the demo fail on purpose.
    Ok(if exit == Exit::SomeFailed { Exit::Succeeded } else { exit })
}
