//! `throughline states validate`: reports the problems of definitions.

use engine::{Diagnostic, Severity, Validation, Verdict};
use serde_json::{Map, Value, json};
use states::Definition;

use super::{execution_type, values_of};
use crate::args::states::Validate;
use crate::exit::{CliError, Exit};

pub(super) fn validate(args: &Validate) -> Result<Exit, CliError> {
    let path = &args.definition.definition;
    let definitions = Definition::read_all(path, &values_of(&args.definition.values)?)?;
    if definitions.is_empty() {
        return Err(CliError::at(path, "the template has no state machine"));
    }
    let given = execution_type(args.express);
    let all: Vec<(Definition, Validation)> = definitions
        .into_iter()
        .map(|definition| {
            let found = definition.validate(given);
            (definition, found)
        })
        .collect();
    let valid = all.iter().all(|(_, found)| found.result == Verdict::Ok);
    if !args.definition.json {
        all.iter().for_each(|(definition, found)| show(definition, found));
    } else if let [(definition, found)] = &all[..] {
        println!("{}", object(definition, found));
    } else {
        let machines = all.iter().map(|(definition, found)| {
            (definition.name().rsplit('#').next().unwrap_or_default().to_owned(), object(definition, found))
        });
        let machines = machines.collect::<Map<String, Value>>();
        println!("{}", json!({ "result": if valid { "OK" } else { "FAIL" }, "machines": machines }));
    }
    Ok(if valid { Exit::Succeeded } else { Exit::Wrong })
}

fn object(definition: &Definition, found: &Validation) -> Value {
    let mut object = found.to_json(Severity::Warning, 0);
    if !definition.unbound().is_empty() {
        object["placeholders"] = definition.unbound().into();
    }
    object
}

fn show(definition: &Definition, found: &Validation) {
    for Diagnostic { severity, code, problem, .. } in &found.diagnostics {
        let word = if *severity == Severity::Error { "error" } else { "warning" };
        let place = if problem.path.is_empty() { "/" } else { &problem.path };
        println!(
            "{}:{}:{}: {word}: {place}: {} ({code})",
            definition.source(),
            problem.line,
            problem.column,
            problem.message
        );
    }
    let name = definition.name();
    let unbound: Vec<String> = definition.unbound().iter().map(|name| format!("${{{name}}}")).collect();
    if !unbound.is_empty() {
        println!("{name}: note: no value for {}; it was validated as if they had one", unbound.join(", "));
    }
    match found.diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error).count() {
        0 => println!("{name} is valid"),
        1 => println!("{name}: 1 error"),
        many => println!("{name}: {many} errors"),
    }
}
