//! `throughline states graph`: draws a definition.

use states::Definition;

use super::values_of;
use crate::args::states::Graph;
use crate::exit::{CliError, Exit};
use crate::local::save;

pub(super) fn graph(args: &Graph) -> Result<Exit, CliError> {
    let definition = Definition::read(&args.definition, &values_of(&args.values)?)?;
    definition.compile()?;
    let svg = states::svg(definition.drawn());
    match &args.output {
        Some(path) => save(path, svg.as_bytes()).map_err(|error| CliError::new(error.to_string()))?,
        None => print!("{svg}"),
    }
    Ok(Exit::Succeeded)
}
