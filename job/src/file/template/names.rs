//! The filters, tests and functions that a template names. One that does not exist would fail every line, so
//! it is found when the job is read.

use std::collections::BTreeSet;

use minijinja::machinery::{Instruction, get_compiled_template};
use minijinja::{Environment, ErrorKind, Template, Value};

/// The first filter, test or function that does not exist: what is wrong, and the line within the template,
/// from 1.
pub(super) fn unknown(environment: &Environment<'_>, template: &Template<'_, '_>) -> Option<(String, usize)> {
    let all = instructions(template);
    let own: BTreeSet<&str> = all.iter().filter_map(|(instruction, _)| defines(instruction)).collect();
    let globals: BTreeSet<&str> = environment.globals().map(|(name, _)| name).collect();
    all.into_iter().find_map(|(instruction, line)| {
        let message = match instruction {
            Instruction::ApplyFilter(name, ..) if is(environment, ErrorKind::UnknownFilter, name) => {
                format!("there is no filter {name:?}")
            }
            Instruction::PerformTest(name, ..) if is(environment, ErrorKind::UnknownTest, name) => {
                format!("there is no test {name:?}")
            }
            Instruction::CallFunction(name, _)
                if !own.contains(name) && !globals.contains(name) && !matches!(*name, "caller" | "loop") =>
            {
                format!("there is no function {name:?}")
            }
            _ => return None,
        };
        Some((message, line))
    })
}

/// Those of the names that the template calls as functions.
pub(super) fn called(template: &Template<'_, '_>, names: &[&'static str]) -> Vec<&'static str> {
    among(template, names, |instruction| match instruction {
        Instruction::CallFunction(name, _) => Some(name),
        _ => None,
    })
}

/// Those of the names whose value the template looks up.
pub(super) fn looked_up(template: &Template<'_, '_>, names: &[&'static str]) -> Vec<&'static str> {
    among(template, names, |instruction| match instruction {
        Instruction::Lookup(name) => Some(name),
        _ => None,
    })
}

fn among(
    template: &Template<'_, '_>,
    names: &[&'static str],
    name: for<'a> fn(&Instruction<'a>) -> Option<&'a str>,
) -> Vec<&'static str> {
    let all = instructions(template);
    let is_used = |wanted: &&&'static str| all.iter().any(|(used, _)| name(used) == Some(**wanted));
    names.iter().filter(is_used).copied().collect()
}

/// The instructions of a template, each with its line, from 1.
fn instructions<'a>(template: &'a Template<'_, '_>) -> Vec<(&'a Instruction<'a>, usize)> {
    let compiled = get_compiled_template(template);
    let parts = std::iter::once(&compiled.instructions).chain(compiled.blocks.values());
    parts
        .flat_map(|part| (0..).map_while(|at| Some((part.get(at)?, part.get_line(at).unwrap_or(1)))))
        .collect()
}

/// The name that an instruction gives to a value, such as a macro.
fn defines<'a>(instruction: &Instruction<'a>) -> Option<&'a str> {
    match instruction {
        Instruction::StoreLocal(name) | Instruction::BuildMacro(name, ..) => Some(name),
        _ => None,
    }
}

/// Whether a call of this name, without arguments, is an error of this kind.
fn is(environment: &Environment<'_>, kind: ErrorKind, name: &str) -> bool {
    let mut state = environment.empty_state();
    let called = match kind {
        ErrorKind::UnknownFilter => state.apply_filter(name, &[]).map(drop),
        _ => state.perform_test(name, &[Value::UNDEFINED]).map(drop),
    };
    called.is_err_and(|error| error.kind() == kind)
}
