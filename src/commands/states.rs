//! `throughline states`: validates, runs, tests and draws definitions on this machine.

mod graph;
mod run;
mod services;
mod suite;
mod test;
mod validate;

use std::io::Read;
use std::path::Path;

use ::states::Values;
use engine::ExecutionType;
use serde_json::Value;

use crate::args::{self, States, StatesCommand};
use crate::exit::{CliError, Exit};

pub(super) async fn states(args: States) -> Result<Exit, CliError> {
    match args.command {
        StatesCommand::Validate(args) => validate::validate(&args),
        StatesCommand::Run(args) => run::run(*args).await,
        StatesCommand::Test(args) => match args.suite.clone() {
            Some(path) => suite::suite(*args, &path).await,
            None => test::test(*args).await,
        },
        StatesCommand::Graph(args) => graph::graph(&args),
    }
}

fn execution_type(express: bool) -> ExecutionType {
    if express { ExecutionType::Express } else { ExecutionType::Standard }
}

/// The values of placeholders that the arguments give.
fn values_of(args: &args::states::Values) -> Result<Values, CliError> {
    let mut values = args.values.as_deref().map(Values::read).transpose()?.unwrap_or_default();
    args.set.iter().try_for_each(|pair| values.set(pair))?;
    Ok(values)
}

/// The JSON that a flag gives as text, as the name of a file, or as `-` for standard input.
fn json_of(flag: &str, given: &str) -> Result<Value, CliError> {
    if given == "-" {
        let mut text = String::new();
        std::io::stdin()
            .read_to_string(&mut text)
            .map_err(|error| CliError::new(format!("cannot read standard input: {error}")))?;
        return engine::json::from_str(&text)
            .map_err(|error| CliError::new(format!("standard input is not valid JSON: {error}")));
    }
    if let Ok(input) = engine::json::from_str(given) {
        return Ok(input);
    }
    let path = Path::new(given);
    let text = std::fs::read_to_string(path).map_err(|error| {
        CliError::new(format!("--{flag}: {given:?} is neither valid JSON nor a readable file: {error}"))
    })?;
    engine::json::from_str(&text)
        .map_err(|error| CliError::at(path, format!("the file is not valid JSON: {error}")))
}
