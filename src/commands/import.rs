//! `throughline import`: makes a job file of what another tool is told.

mod curl;
mod openapi;
mod qsv;
mod sketch;

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};

use job::Job;

use crate::args;
use crate::exit::{CliError, Exit};
use sketch::Sketch;

pub(super) fn import(args: &args::Import) -> Result<Exit, CliError> {
    let sketch = match &args.from {
        args::ImportFrom::Curl { arguments } => curl::read(arguments),
        args::ImportFrom::Qsv { arguments } => qsv::read(arguments),
        args::ImportFrom::Openapi { file, operation } => {
            let description =
                states::read_document(file).map_err(|error| CliError::new(error.to_string()))?;
            openapi::read(&description, operation)
        }
    };
    let sketch: Sketch = sketch.map_err(CliError::new)?;
    let text = sketch.to_toml();
    Job::parse(&text, "the job")
        .map_err(|error| CliError::new(format!("what was given makes no job: {error}\n\n{text}")))?;
    match &args.output {
        None => print!("{text}"),
        Some(path) => {
            let mut file = OpenOptions::new().write(true).create_new(true).open(path).map_err(|error| {
                match error.kind() {
                    ErrorKind::AlreadyExists => CliError::new(format!(
                        "{} exists and is not overwritten: choose another name, or remove it first",
                        path.display()
                    )),
                    _ => CliError::at(path, error),
                }
            })?;
            file.write_all(text.as_bytes()).map_err(|error| CliError::at(path, error))?;
            let shown = path.display();
            println!("wrote {shown}; next: throughline check {shown} INPUT");
        }
    }
    sketch.notes.iter().for_each(|note| eprintln!("note: {note}"));
    Ok(Exit::Succeeded)
}
