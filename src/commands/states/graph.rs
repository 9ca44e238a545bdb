//! `throughline states graph`: draws a definition.

use crate::args::states::Graph;
use crate::exit::{CliError, Exit};
use crate::local::save;

pub(super) fn graph(args: &Graph) -> Result<Exit, CliError> {
    let text = ::states::read(&args.definition)?;
    ::states::compile(&args.definition, &text)?;
    let definition = engine::json::from_str(&text).map_err(|error| CliError::at(&args.definition, error))?;
    let svg = ::states::svg(&definition);
    match &args.output {
        Some(path) => save(path, svg.as_bytes()).map_err(|error| CliError::new(error.to_string()))?,
        None => print!("{svg}"),
    }
    Ok(Exit::Succeeded)
}
