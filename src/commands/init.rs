//! `throughline init`: a commented job file to start from.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::PathBuf;

use crate::args;
use crate::exit::{Exit, Wrong};

const TEMPLATE: &str = include_str!("init.toml");

pub(super) fn init(args: &args::Init) -> Result<Exit, Wrong> {
    let name = args.name.strip_suffix(".toml").unwrap_or(&args.name);
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.starts_with('.') || !name.chars().all(plain) {
        return Err(Wrong::new(format!("{name:?} can't be a job's name: use letters, digits, dashes, underscores and dots")));
    }
    let path = PathBuf::from(format!("{name}.toml"));
    let mut file = OpenOptions::new().write(true).create_new(true).open(&path).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => {
            Wrong::new(format!("{} exists and is not overwritten: give another name, or remove it", path.display()))
        }
        _ => Wrong::new(format!("cannot write {}: {error}", path.display())),
    })?;
    file.write_all(TEMPLATE.as_bytes()).map_err(|error| Wrong::at(&path, error))?;
    println!("wrote {}\n", path.display());
    println!("Edit its URL, columns and limits, then:");
    println!("  throughline check {name}.toml INPUT              # shows the first requests, sends nothing");
    println!("  throughline run {name}.toml INPUT -o output.csv");
    Ok(Exit::Succeeded)
}
