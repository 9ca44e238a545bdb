//! From typed syntax to the compiled machine.

mod choice;
mod fields;
mod graph;
mod integrations;
mod map;
mod template;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::diagnostic::{Diagnostic, Position, Problems, Report, too_long};
use crate::digest;
use crate::execution::ExecutionType;
use crate::language::Language;
use crate::machine::{Catcher, Io, Kind, Machine, Next, Recovery, Scope, State, Task, Work};
use crate::resource::Resource;
use crate::rule_violation::RuleViolation;
use crate::syntax;

/// Compiles a definition.
///
/// # Errors
///
/// All errors of the definition, in the order of the text.
pub fn compile(text: &str) -> Result<Machine, Problems> {
    let (machine, report) = read(text, ExecutionType::Standard);
    machine.ok_or_else(|| report.into_problems())
}

/// All errors and warnings of a definition.
pub(crate) fn examine(text: &str, execution_type: ExecutionType) -> Vec<Diagnostic> {
    read(text, execution_type).1.into_diagnostics()
}

/// Compiles a text that is one state into a machine with that state, which gets the name `name`. Also returns
/// the names of the states that it leads to. These states do not exist; their numbers begin with 1.
pub(crate) fn compile_state(text: &str, name: &str) -> Result<(Machine, Vec<String>), Vec<Diagnostic>> {
    let text = format!("{{\"StartAt\":\"{name}\",\"States\":{{\"{name}\":{text}}}}}");
    let mut beyond = Vec::new();
    let (machine, report) = read_with(&text, ExecutionType::Standard, Some(&mut beyond));
    machine.map(|machine| (machine, beyond)).ok_or_else(|| report.into_diagnostics())
}

/// The machine, unless there are errors.
fn read(text: &str, execution_type: ExecutionType) -> (Option<Machine>, Report<'_>) {
    read_with(text, execution_type, None)
}

fn read_with<'t>(
    text: &'t str,
    execution_type: ExecutionType,
    beyond: Option<&mut Vec<String>>,
) -> (Option<Machine>, Report<'t>) {
    let mut report = Report::new(text);
    if let Some(message) = too_long(text) {
        report.add(&Position::default(), message);
        return (None, report);
    }
    let definition = syntax::parse(text, &mut report);
    let mut compiler = Compiler {
        report: &mut report,
        labels: Vec::new(),
        state_names: HashSet::new(),
        language: Language::JsonPath,
        state_path: String::new(),
        variables_outside: Vec::new(),
        beyond,
    };
    let compiled = definition.map(|definition| {
        if execution_type == ExecutionType::Express {
            compiler.refuse_in_express(&definition.scope, "an Express execution");
        }
        (compiler.scope(definition.scope, true), definition.timeout_seconds)
    });
    match compiled {
        Some((scope, timeout_seconds)) if report.is_empty() => {
            let hash = digest::hex(&Sha256::digest(text));
            (Some(Machine { scope: Arc::new(scope), timeout_seconds, hash }), report)
        }
        _ => (None, report),
    }
}

struct Compiler<'r, 't> {
    /// Names of states that the outermost states may lead to although they do not exist.
    beyond: Option<&'r mut Vec<String>>,
    report: &'r mut Report<'t>,
    labels: Vec<String>,
    /// The names of all states compiled so far.
    state_names: HashSet<String>,
    /// The query language of the state that is being compiled.
    language: Language,
    state_path: String,
    /// Variables that the scopes around the current one set.
    variables_outside: Vec<String>,
}

/// The number of a state that does not exist.
const NOWHERE: usize = usize::MAX;

/// The states of a scope by their names.
type Names = HashMap<String, usize>;

impl Compiler<'_, '_> {
    fn scope(&mut self, scope: syntax::Scope, outermost: bool) -> Scope {
        // If a state could not be read, the numbers are wrong; the machine is refused in any case.
        let whole = scope.names.len() == scope.states.len();
        let mut names: Names = scope.names.into_iter().enumerate().map(|(i, name)| (name, i)).collect();
        if let Some(beyond) = self.beyond.as_deref_mut().filter(|_| outermost) {
            let count = names.len();
            *beyond = scope
                .states
                .iter()
                .flat_map(syntax::StateFields::targets)
                .filter(|name| !names.contains_key(name))
                .collect();
            names.extend(beyond.iter().enumerate().map(|(i, name)| (name.clone(), count + i)));
        }
        let start = self.target(&scope.start_at, &names);
        let assigned = graph::assigned_before(&scope.states);
        let places: Vec<_> = scope.states.iter().map(|state| state.name.clone()).collect();
        for name in &places {
            if !self.state_names.insert(name.value.clone()) {
                let message =
                    format!("there is another state {:?}: names are unique in the whole machine", name.value);
                self.report.violation(&name.at, RuleViolation::DuplicateState(&name.value), message);
            }
        }
        let mut states = Vec::with_capacity(scope.states.len());
        for (state, assigned) in scope.states.into_iter().zip(assigned) {
            states.push(self.state(state, &names, assigned));
        }
        let ends = !outermost || self.beyond.is_some() || states.iter().any(State::ends);
        if whole && !ends {
            self.report.violation(
                &Position { path: String::new(), offset: usize::MAX },
                RuleViolation::NoEnd,
                "no state is the last one",
            );
        }
        // A state that could not be read may be the one that is missing here.
        if whole && ends {
            let reached = graph::reachable(start, &states);
            for (_, name) in places.iter().enumerate().filter(|(i, _)| !reached.contains(i)) {
                self.report.violation(
                    &name.at,
                    RuleViolation::Unreachable(&name.value),
                    "no state leads here",
                );
            }
        }
        Scope { start, states }
    }

    fn state(&mut self, state: syntax::StateFields, names: &Names, assigned: Vec<String>) -> State {
        self.language = state.language;
        self.state_path.clone_from(&state.name.at.path);
        // The scopes inside a state are compiled last, because they change `language` and `state_path`.
        let io = self.io(state.io);
        let recovery = self.recovery(state.recovery, names);
        let next = match &state.next {
            syntax::NextField::State(name) => Next::State(self.target(name, names)),
            syntax::NextField::End => Next::End,
        };
        let outside = self.variables_outside.len();
        self.variables_outside.extend(assigned);
        let kind = self.kind(state.kind, names);
        self.variables_outside.truncate(outside);
        State { language: state.language, io, recovery, next, kind, name: state.name.value }
    }

    fn io(&mut self, io: syntax::Io) -> Io {
        Io {
            input_path: self.selection(io.input_path),
            arguments: io.arguments.map(|node| self.template(&node)),
            result_selector: io.result_selector.map(|node| self.template(&node)),
            result_path: self.result_path(io.result_path),
            output_path: self.selection(io.output_path),
            on_exit: self.on_exit(&io.on_exit),
        }
    }

    fn kind(&mut self, kind: syntax::StateBody, names: &Names) -> Kind {
        match kind {
            syntax::StateBody::Task(task) => Kind::Work(Work::Task(Box::new(self.task(*task)))),
            syntax::StateBody::Choice { rules, default } => self.choice(rules, default, names),
            syntax::StateBody::Wait(until) => Kind::Wait(self.until(until)),
            syntax::StateBody::Pass { result } => {
                result.iter().for_each(|node| self.warn_of_static(node));
                Kind::Pass(result.map(|node| node.value()))
            }
            syntax::StateBody::Succeed => Kind::Succeed,
            syntax::StateBody::Fail { error, cause } => Kind::Fail {
                error: self.text_or_path("ErrorPath", error),
                cause: self.text_or_path("CausePath", cause),
            },
            syntax::StateBody::Map(map) => Kind::Work(Work::Map(Box::new(self.map(*map)))),
            syntax::StateBody::Parallel { branches } => {
                let branches = branches.into_iter().map(|branch| Arc::new(self.inner(branch, true)));
                Kind::Work(Work::Parallel(branches.collect()))
            }
        }
    }

    /// Compiles a scope inside a state. `sees` says whether it can read the variables around it.
    fn inner(&mut self, scope: syntax::Scope, sees: bool) -> Scope {
        let outside = self.variables_outside.clone();
        if !sees {
            self.variables_outside.clear();
        }
        let scope = self.scope(scope, false);
        self.variables_outside = outside;
        scope
    }

    fn task(&mut self, task: syntax::TaskFields) -> Task {
        let resource = Resource::parse(&task.resource.value).unwrap_or_else(|| {
            let message = format!(
                "{:?} is not the ARN of a function, an activity or an action of a service",
                task.resource.value
            );
            self.report.violation(&task.resource.at, RuleViolation::ResourceArn, message);
            Resource::Function(String::new())
        });
        if let Some(why) = integrations::refused(&resource) {
            self.report.violation(&task.resource.at, RuleViolation::Resource(&task.resource.value), why);
        }
        Task {
            resource,
            timeout_seconds: self.number(task.timeout_seconds),
            heartbeat_seconds: self.number(task.heartbeat_seconds),
            credentials: task.credentials.map(|node| self.template(&node)),
        }
    }

    fn recovery(&mut self, recovery: syntax::Recovery, names: &Names) -> Recovery {
        let catch = recovery.catch.into_iter().map(|catcher| Catcher {
            errors: catcher.errors,
            result_path: self.result_path(catcher.result_path),
            on_exit: self.on_exit(&catcher.on_exit),
            next: self.target(&catcher.next, names),
        });
        Recovery { retry: recovery.retry, catch: catch.collect() }
    }
}
