//! `throughline init`: writes a commented job file to start from.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::PathBuf;

use crate::args::{self, Recipe};
use crate::exit::{CliError, Exit};

/// The job of a recipe, or one that shows the keys.
fn template(recipe: Option<Recipe>) -> &'static str {
    match recipe {
        None => include_str!("init.toml"),
        Some(Recipe::Oauth2) => include_str!("init/oauth2.toml"),
        Some(Recipe::Llm) => include_str!("init/llm.toml"),
        Some(Recipe::Links) => include_str!("init/links.toml"),
        Some(Recipe::Graphql) => include_str!("init/graphql.toml"),
        Some(Recipe::Webhooks) => include_str!("init/webhooks.toml"),
    }
}

pub(super) fn init(args: &args::Init) -> Result<Exit, CliError> {
    let path = args.name.strip_suffix(".toml").unwrap_or(&args.name);
    let (folder, name) = path.rsplit_once('/').map_or(("", path), |(folder, name)| (folder, name));
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.starts_with('.') || !name.chars().all(plain) {
        return Err(CliError::new(format!(
            "{name:?} cannot be the name of a job: use letters, digits, dashes, underscores and dots"
        )));
    }
    let path = PathBuf::from(format!("{path}.toml"));
    let shown = path.display();
    let mut file =
        OpenOptions::new().write(true).create_new(true).open(&path).map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists if path.is_dir() => {
                CliError::new(format!("{shown} is a folder: choose another name"))
            }
            ErrorKind::AlreadyExists => CliError::new(format!(
                "{shown} exists and is not overwritten: choose another name, or remove it first"
            )),
            ErrorKind::NotFound => {
                CliError::new(format!("{shown} cannot be written: there is no folder {folder}/"))
            }
            ErrorKind::NotADirectory => {
                CliError::new(format!("{shown} cannot be written: {folder} is not a folder"))
            }
            _ => CliError::at(&path, error),
        })?;
    if let Err(error) = file.write_all(template(args.recipe).as_bytes()) {
        // An incomplete job file would block the next attempt.
        let _ = std::fs::remove_file(&path);
        return Err(CliError::at(&path, error));
    }
    println!("wrote {shown}\n");
    println!("Edit its URL, columns and limits, then:");
    println!("  throughline check {shown} INPUT              # shows the first requests, sends nothing");
    println!("  throughline run {shown} INPUT -o output.csv");
    Ok(Exit::Succeeded)
}
