//! `throughline states validate`: reports the problems of a definition.

use engine::{Diagnostic, Severity, Verdict};

use super::execution_type;
use crate::args::states::{Definition, Validate};
use crate::exit::{CliError, Exit};

pub(super) fn validate(args: &Validate) -> Result<Exit, CliError> {
    let Definition { definition: path, json } = &args.definition;
    let found = engine::validate(&::states::read(path)?, execution_type(args.express));
    if *json {
        println!("{}", found.to_json(Severity::Warning, 0));
    } else {
        for Diagnostic { severity, code, problem, .. } in &found.diagnostics {
            let word = if *severity == Severity::Error { "error" } else { "warning" };
            let place = if problem.path.is_empty() { "/" } else { &problem.path };
            println!(
                "{}:{}:{}: {word}: {place}: {} ({code})",
                path.display(),
                problem.line,
                problem.column,
                problem.message
            );
        }
        let errors =
            found.diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error).count();
        match errors {
            0 => println!("{} is valid", path.display()),
            1 => println!("1 error"),
            many => println!("{many} errors"),
        }
    }
    Ok(if found.result == Verdict::Ok { Exit::Succeeded } else { Exit::Wrong })
}
