//! From typed syntax to the compiled machine.

mod choice;
mod map;
mod template;

use std::collections::HashMap;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::expr::comparison::parse_timestamp;
use crate::expr::{Path, ReferencePath, Template};
use crate::machine::{Catcher, Kind, Machine, Next, Number, Recovery, Resource, ResultPath, Retrier, Scope, State, Task, Until, Words};
use crate::problem::{Problems, Report};
use crate::syntax::{self, Field, Text, WaitFor};

/// Compiles a definition, or says everything that is wrong with it.
pub fn compile(text: &str) -> Result<Machine, Problems> {
    let mut report = Report::new(text);
    let scope = syntax::parse(text, &mut report);
    let mut compiler = Compiler { report: &mut report, labels: Vec::new() };
    let scope = scope.map(|scope| compiler.scope(scope));
    match scope {
        Some(scope) if report.is_empty() => {
            let hash = Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect();
            Ok(Machine { scope: Arc::new(scope), hash })
        }
        _ => Err(report.into_problems()),
    }
}

struct Compiler<'r, 't> {
    report: &'r mut Report<'t>,
    labels: Vec<String>,
}

/// The states of a scope by their names.
type Names = HashMap<String, usize>;

impl Compiler<'_, '_> {
    fn scope(&mut self, scope: syntax::Scope) -> Scope {
        // Where a state could not be read the numbers are wrong, and the machine is refused.
        let names: Names = scope.names.into_iter().enumerate().map(|(i, name)| (name, i)).collect();
        let start = self.target(&scope.start_at, &names);
        let places: Vec<_> = scope.states.iter().map(|state| state.name.clone()).collect();
        let states: Vec<State> = scope.states.into_iter().map(|state| self.state(state, &names)).collect();
        // A state that could not be read may be the one that leads on.
        if self.report.is_empty() {
            let reached = reachable(start, &states);
            for (_, name) in places.iter().enumerate().filter(|(i, _)| !reached.contains(i)) {
                self.report.add(&name.at, "no state leads here");
            }
        }
        Scope { start, states }
    }

    fn state(&mut self, state: syntax::State, names: &Names) -> State {
        State {
            input_path: self.path_field(state.input_path),
            output_path: self.path_field(state.output_path),
            kind: self.kind(state.kind, names),
            name: state.name.value,
        }
    }

    fn kind(&mut self, kind: syntax::Kind, names: &Names) -> Kind {
        match kind {
            syntax::Kind::Task(task) => Kind::Task(self.task(*task, names)),
            syntax::Kind::Choice { rules, default } => self.choice(rules, default, names),
            syntax::Kind::Wait(wait) => Kind::Wait { until: self.until(wait.until), next: self.next(&wait.next, names) },
            syntax::Kind::Pass { result, parameters, result_path, next } => Kind::Pass {
                result: match (result, parameters) {
                    (Some(result), _) => Some(Template::Literal(result.value())),
                    (None, parameters) => parameters.map(|node| self.template(&node)),
                },
                result_path: self.result_path(result_path),
                next: self.next(&next, names),
            },
            syntax::Kind::Succeed => Kind::Succeed,
            syntax::Kind::Fail { error, error_path, cause, cause_path } => {
                Kind::Fail { error: self.words("ErrorPath", error, error_path), cause: self.words("CausePath", cause, cause_path) }
            }
            syntax::Kind::Map(map) => Kind::Map(Box::new(self.map(*map, names))),
        }
    }

    fn task(&mut self, task: syntax::Task, names: &Names) -> Task {
        let resource = match task.resource.value.as_str() {
            "arn:aws:states:::lambda:invoke" => {
                self.invoke_parameters(&task);
                Resource::LambdaInvoke
            }
            arn if is_function(arn) => Resource::Function(arn.to_owned()),
            other => {
                self.report.not_yet(&task.resource.at, &format!("the resource {other:?}"));
                Resource::LambdaInvoke
            }
        };
        Task {
            resource,
            parameters: task.parameters.map(|node| self.template(&node)),
            result_selector: task.result_selector.map(|node| self.template(&node)),
            result_path: self.result_path(task.result_path),
            recovery: self.recovery(task.retry, task.catch, names),
            next: self.next(&task.next, names),
        }
    }

    fn invoke_parameters(&mut self, task: &syntax::Task) {
        let Some(parameters) = &task.parameters else {
            self.report.add(&task.resource.at, "lambda:invoke needs Parameters with a FunctionName");
            return;
        };
        let syntax::Json::Object(fields) = &parameters.kind else { return };
        let mut named = false;
        for (name, node) in fields {
            match name.strip_suffix(".$").unwrap_or(name) {
                "FunctionName" => named = true,
                "Payload" | "Qualifier" => {}
                "InvocationType" if matches!(&node.kind, syntax::Json::String(kind) if kind == "RequestResponse") => {}
                "InvocationType" | "ClientContext" | "LogType" => {
                    self.report.not_yet(&node.at, &format!("the parameter {name}"));
                }
                _ => self.report.add(&node.at, format!("lambda:invoke has no parameter {name}")),
            }
        }
        if !named {
            self.report.add(&parameters.at, "the parameter FunctionName is missing");
        }
    }

    fn recovery(&mut self, retry: Vec<syntax::Retrier>, catch: Vec<syntax::Catcher>, names: &Names) -> Recovery {
        let retry = retry.into_iter().map(|retrier| Retrier {
            errors: retrier.errors,
            interval_seconds: retrier.interval_seconds,
            max_attempts: retrier.max_attempts,
            backoff_rate: retrier.backoff_rate,
            max_delay_seconds: retrier.max_delay_seconds,
            full_jitter: retrier.full_jitter,
        });
        let retry = retry.collect();
        let catch = catch.into_iter().map(|catcher| Catcher {
            errors: catcher.errors,
            result_path: self.result_path(catcher.result_path),
            next: self.target(&catcher.next, names),
        });
        Recovery { retry, catch: catch.collect() }
    }

    fn until(&mut self, until: WaitFor) -> Until {
        match until {
            WaitFor::Seconds(seconds) => Until::Seconds(seconds),
            WaitFor::SecondsPath(text) => self.path(&text).map_or(Until::Seconds(0), Until::SecondsPath),
            WaitFor::TimestampPath(text) => self.path(&text).map_or(Until::Seconds(0), Until::TimestampPath),
            WaitFor::Timestamp(text) => match parse_timestamp(&text.value) {
                Some(moment) => Until::Timestamp(moment),
                None => {
                    self.report.add(&text.at, "must be a timestamp such as 2026-01-31T12:00:00Z");
                    Until::Seconds(0)
                }
            },
        }
    }

    fn words(&mut self, field: &str, literal: Option<Text>, path: Option<Text>) -> Option<Words> {
        match (literal, path) {
            (Some(text), _) => Some(Words::Literal(text.value)),
            (None, Some(text)) => Some(Words::Expression(self.expression(field, &text)?)),
            (None, None) => None,
        }
    }

    fn next(&mut self, next: &syntax::Next, names: &Names) -> Next {
        match next {
            syntax::Next::State(name) => Next::State(self.target(name, names)),
            syntax::Next::End => Next::End,
        }
    }

    /// The state of that name; 0 stands in for one that does not exist, which is reported.
    fn target(&mut self, name: &Text, names: &Names) -> usize {
        names.get(&name.value).copied().unwrap_or_else(|| {
            self.report.add(&name.at, format!("there is no state {:?} here", name.value));
            0
        })
    }

    /// `InputPath` and `OutputPath`: without one, the whole.
    fn path_field(&mut self, field: Field) -> Option<Path> {
        match field {
            Field::Null => None,
            Field::Absent => Path::parse("$").ok(),
            Field::Given(text) => self.path(&text),
        }
    }

    fn result_path(&mut self, field: Field) -> ResultPath {
        let text = match field {
            Field::Null => return None,
            Field::Absent => return ReferencePath::parse("$").ok(),
            Field::Given(text) => text,
        };
        ReferencePath::parse(&text.value).map_err(|reason| self.report.add(&text.at, reason)).ok()
    }

    fn path(&mut self, text: &Text) -> Option<Path> {
        Path::parse(&text.value).map_err(|reason| self.report.add(&text.at, reason)).ok()
    }

    fn number(&mut self, number: Option<syntax::Number>) -> Option<Number> {
        match number? {
            syntax::Number::Literal(number) => Some(Number::Literal(number)),
            syntax::Number::Path(text) => self.path(&text).map(Number::Path),
        }
    }
}

fn is_function(arn: &str) -> bool {
    let parts: Vec<&str> = arn.split(':').collect();
    matches!(parts.as_slice(), ["arn", _, "lambda", _, _, "function", ..])
}

fn reachable(start: usize, states: &[State]) -> std::collections::HashSet<usize> {
    let mut found = std::collections::HashSet::new();
    let mut open = vec![start];
    while let Some(at) = open.pop() {
        let Some(state) = states.get(at).filter(|_| found.insert(at)) else { continue };
        match &state.kind {
            Kind::Task(task) => open.extend(leads(&task.next, &task.recovery)),
            Kind::Map(map) => open.extend(leads(&map.next, &map.recovery)),
            Kind::Choice { rules, default } => {
                open.extend(rules.iter().map(|(_, next)| *next));
                open.extend(default);
            }
            Kind::Wait { next, .. } | Kind::Pass { next, .. } => open.extend(follow(next)),
            Kind::Succeed | Kind::Fail { .. } => {}
        }
    }
    found
}

fn follow(next: &Next) -> Option<usize> {
    match next {
        Next::State(state) => Some(*state),
        Next::End => None,
    }
}

fn leads(next: &Next, recovery: &Recovery) -> Vec<usize> {
    follow(next).into_iter().chain(recovery.catch.iter().map(|catcher| catcher.next)).collect()
}
