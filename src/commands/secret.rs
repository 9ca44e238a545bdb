//! `throughline secret`: the secrets of the jobs of a server.

use std::io::{IsTerminal, Read};

use console::Term;

use crate::args::{Secret, SecretCommand};
use crate::exit::{CliError, Exit};
use crate::local::{JobSecrets, StateDir};

/// The most bytes of a secret.
const LARGEST: u64 = 64 * 1024;

pub(super) fn secret(args: &Secret) -> Result<Exit, CliError> {
    let state = StateDir::open_for_settings(&args.state)?;
    let secrets = JobSecrets::of(state.folder());
    match &args.command {
        SecretCommand::Set { job, name } => secrets.set(state.service(), job, name, &value(name)?)?,
        SecretCommand::List { job } => secrets.names(job)?.iter().for_each(|name| println!("{name}")),
        SecretCommand::Remove { job, name } => secrets.remove(job, name)?,
    }
    Ok(Exit::Succeeded)
}

fn value(name: &str) -> Result<String, CliError> {
    let unreadable =
        |error: std::io::Error| CliError::new(format!("the value of {name} cannot be read: {error}"));
    if std::io::stdin().is_terminal() {
        let term = Term::stderr();
        term.write_str(&format!("{name}: ")).map_err(unreadable)?;
        return term.read_secure_line().map_err(unreadable);
    }
    let mut value = String::new();
    std::io::stdin().take(LARGEST + 1).read_to_string(&mut value).map_err(unreadable)?;
    if value.len() as u64 > LARGEST {
        return Err(CliError::new(format!("the value of {name} has more than {LARGEST} bytes")));
    }
    Ok(value)
}
