//! `throughline help`, `schema`, `completions` and `man`: what the binary knows of itself.

use clap::CommandFactory;

use crate::args::{Cli, Completions, Help, Man};
use crate::exit::{CliError, Exit};

/// The reference of the job file.
const JOB_FILE: &str = include_str!("../../docs/job-file.md");
/// Its JSON Schema.
pub(super) const SCHEMA: &str = include_str!("../../docs/job.schema.json");

pub(super) fn help(args: &Help) -> Result<Exit, CliError> {
    if let [topic] = &args.topic[..]
        && topic == "job"
    {
        print!("{JOB_FILE}");
        return Ok(Exit::Succeeded);
    }
    let mut command = Cli::command();
    command.build();
    let mut found = &mut command;
    for name in &args.topic {
        found = found.find_subcommand_mut(name).ok_or_else(|| {
            let topic = args.topic.join(" ");
            CliError::new(format!("there is no command {topic:?}: `throughline help` lists them, and `help job` explains job files"))
        })?;
    }
    print!("{}", found.render_help());
    Ok(Exit::Succeeded)
}

pub(super) fn schema() -> Exit {
    print!("{SCHEMA}");
    Exit::Succeeded
}

pub(super) fn completions(args: &Completions) -> Result<Exit, CliError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "throughline", &mut script);
    print!("{}", String::from_utf8(script).map_err(|error| CliError::new(error.to_string()))?);
    Ok(Exit::Succeeded)
}

/// Writes a page for each command, and names the folder.
pub(super) fn pages(args: &Man) -> Result<Exit, CliError> {
    let written = std::fs::create_dir_all(&args.folder)
        .and_then(|()| clap_mangen::generate_to(Cli::command(), &args.folder));
    written.map_err(|error| CliError::at(&args.folder, error))?;
    println!(
        "the manual pages are in {}: man -l {}",
        args.folder.display(),
        args.folder.join("throughline.1").display()
    );
    Ok(Exit::Succeeded)
}
