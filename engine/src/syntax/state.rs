//! The states.

use super::choice::Rule;
use super::fields::{Field, Fields, Text};
use super::json::{Kind as Json, Node};
use super::map::Map;
use crate::problem::{Place, Report};

/// A state machine, or the processor of a Map.
#[derive(Debug)]
pub(crate) struct Scope {
    pub(crate) start_at: Text,
    /// Of all states, those that could not be read too.
    pub(crate) names: Vec<String>,
    pub(crate) states: Vec<State>,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) name: Text,
    pub(crate) input_path: Field,
    pub(crate) output_path: Field,
    pub(crate) kind: Kind,
}

#[derive(Debug)]
pub(crate) enum Kind {
    Task(Box<Task>),
    Choice { rules: Vec<Rule>, default: Option<Text> },
    Wait(Wait),
    Pass { result: Option<Node>, parameters: Option<Node>, result_path: Field, next: Next },
    Succeed,
    Fail { error: Option<Text>, error_path: Option<Text>, cause: Option<Text>, cause_path: Option<Text> },
    Map(Box<Map>),
}

#[derive(Debug)]
pub(crate) enum Next {
    State(Text),
    End,
}

#[derive(Debug)]
pub(crate) struct Task {
    pub(crate) resource: Text,
    pub(crate) parameters: Option<Node>,
    pub(crate) result_selector: Option<Node>,
    pub(crate) result_path: Field,
    pub(crate) retry: Vec<Retrier>,
    pub(crate) catch: Vec<Catcher>,
    pub(crate) next: Next,
}

#[derive(Debug)]
pub(crate) struct Wait {
    pub(crate) until: WaitFor,
    pub(crate) next: Next,
}

#[derive(Debug)]
pub(crate) enum WaitFor {
    Seconds(u32),
    SecondsPath(Text),
    Timestamp(Text),
    TimestampPath(Text),
}

#[derive(Debug)]
pub(crate) struct Retrier {
    pub(crate) errors: Vec<String>,
    pub(crate) interval_seconds: u32,
    pub(crate) max_attempts: u32,
    pub(crate) backoff_rate: f64,
    pub(crate) max_delay_seconds: Option<u32>,
    pub(crate) full_jitter: bool,
}

#[derive(Debug)]
pub(crate) struct Catcher {
    pub(crate) errors: Vec<String>,
    pub(crate) result_path: Field,
    pub(crate) next: Text,
}

impl Scope {
    /// Reads `StartAt` and `States`; the other fields are the caller's.
    pub(crate) fn read(fields: &mut Fields, report: &mut Report<'_>) -> Option<Scope> {
        let start_at = fields.required_text("StartAt", report);
        let states = fields.required("States", report)?;
        let Json::Object(states) = states.kind else {
            report.add(&states.at, "must be an object");
            return None;
        };
        if states.is_empty() {
            report.add(&fields.at, "there must be a state");
        }
        let names = states.iter().map(|(name, _)| name.clone()).collect();
        let states = states.into_iter().filter_map(|(name, node)| State::read(name, node, report)).collect();
        Some(Scope { start_at: start_at?, names, states })
    }
}

impl State {
    fn read(name: String, node: Node, report: &mut Report<'_>) -> Option<State> {
        let at = node.at.clone();
        if name.is_empty() || name.chars().count() > 80 {
            report.add(&at, "a state's name has 1 to 80 characters");
        }
        let mut fields = Fields::of(node, report)?;
        let kind = fields.required_text("Type", report)?;
        fields.ignore("Comment");
        fields.query_language(report);
        fields.not_yet(report, &["Assign", "Output", "Arguments"]);
        let has_paths = kind.value != "Fail";
        let (input_path, output_path) = match has_paths {
            true => (fields.path("InputPath", report), fields.path("OutputPath", report)),
            false => (Field::Absent, Field::Absent),
        };
        let kind = match kind.value.as_str() {
            "Task" => Kind::Task(Box::new(Task::read(&mut fields, report)?)),
            "Choice" => Rule::read_choice(&mut fields, report)?,
            "Wait" => Kind::Wait(Wait::read(&mut fields, report)?),
            "Pass" => Kind::Pass {
                result: fields.take("Result"),
                parameters: fields.take("Parameters"),
                result_path: fields.path("ResultPath", report),
                next: Next::read(&mut fields, report)?,
            },
            "Succeed" => Kind::Succeed,
            "Fail" => {
                let kind = Kind::Fail {
                    error: fields.text("Error", report),
                    error_path: fields.text("ErrorPath", report),
                    cause: fields.text("Cause", report),
                    cause_path: fields.text("CausePath", report),
                };
                if let Kind::Fail { error: Some(_), error_path: Some(path), .. } = &kind {
                    report.add(&path.at, "Error and ErrorPath can't both be given");
                }
                if let Kind::Fail { cause: Some(_), cause_path: Some(path), .. } = &kind {
                    report.add(&path.at, "Cause and CausePath can't both be given");
                }
                kind
            }
            "Map" => Kind::Map(Box::new(Map::read(&mut fields, report)?)),
            "Parallel" => {
                report.not_yet(&kind.at, "a state of type Parallel");
                return None;
            }
            other => {
                report.add(&kind.at, format!("{other:?} is no type of state"));
                return None;
            }
        };
        fields.finish(report);
        Some(State { name: Text { value: name, at }, input_path, output_path, kind })
    }
}

impl Next {
    pub(crate) fn read(fields: &mut Fields, report: &mut Report<'_>) -> Option<Next> {
        let next = fields.text("Next", report);
        let end = match fields.take("End") {
            Some(Node { kind: Json::Plain(value), .. }) if value.is_boolean() => value == true,
            Some(node) => {
                report.add(&node.at, "must be true or false");
                false
            }
            None => false,
        };
        match (next, end) {
            (Some(next), false) => Some(Next::State(next)),
            (None, true) => Some(Next::End),
            (Some(next), true) => {
                report.add(&next.at, "Next and End can't both be given");
                None
            }
            (None, false) => {
                report.add(&fields.at, "either Next or End must be given");
                None
            }
        }
    }
}

impl Task {
    fn read(fields: &mut Fields, report: &mut Report<'_>) -> Option<Task> {
        let later = ["TimeoutSeconds", "TimeoutSecondsPath", "HeartbeatSeconds", "HeartbeatSecondsPath", "Credentials"];
        fields.not_yet(report, &later);
        let resource = fields.required_text("Resource", report);
        let task = Task {
            parameters: fields.take("Parameters"),
            result_selector: fields.take("ResultSelector"),
            result_path: fields.path("ResultPath", report),
            retry: Retrier::read_list(fields, report),
            catch: Catcher::read_list(fields, report),
            next: Next::read(fields, report)?,
            resource: resource?,
        };
        Some(task)
    }
}

impl Wait {
    fn read(fields: &mut Fields, report: &mut Report<'_>) -> Option<Wait> {
        let mut given = Vec::new();
        given.extend(fields.integer("Seconds", 0, 99_999_999, report).map(WaitFor::Seconds));
        given.extend(fields.text("SecondsPath", report).map(WaitFor::SecondsPath));
        given.extend(fields.text("Timestamp", report).map(WaitFor::Timestamp));
        given.extend(fields.text("TimestampPath", report).map(WaitFor::TimestampPath));
        if given.len() != 1 {
            report.add(&fields.at, "exactly one of Seconds, SecondsPath, Timestamp and TimestampPath must be given");
        }
        let next = Next::read(fields, report)?;
        Some(Wait { until: given.pop()?, next })
    }
}

impl Retrier {
    pub(crate) fn read_list(fields: &mut Fields, report: &mut Report<'_>) -> Vec<Retrier> {
        let Some((_, nodes)) = fields.list("Retry", report) else { return Vec::new() };
        let last = nodes.len().saturating_sub(1);
        nodes.into_iter().enumerate().filter_map(|(i, node)| Retrier::read(node, i == last, report)).collect()
    }

    fn read(node: Node, last: bool, report: &mut Report<'_>) -> Option<Retrier> {
        let mut fields = Fields::of(node, report)?;
        fields.ignore("Comment");
        let jitter = fields.text("JitterStrategy", report);
        if let Some(jitter) = jitter.as_ref().filter(|j| !matches!(j.value.as_str(), "FULL" | "NONE")) {
            report.add(&jitter.at, "must be FULL or NONE");
        }
        let retrier = Retrier {
            errors: error_names(&mut fields, last, report),
            interval_seconds: fields.integer("IntervalSeconds", 1, 99_999_999, report).unwrap_or(1),
            max_attempts: fields.integer("MaxAttempts", 0, 99_999_999, report).unwrap_or(3),
            backoff_rate: fields.number("BackoffRate", 1.0, f64::MAX, report).unwrap_or(2.0),
            max_delay_seconds: fields.integer("MaxDelaySeconds", 1, 31_622_400, report),
            full_jitter: jitter.is_some_and(|j| j.value == "FULL"),
        };
        fields.finish(report);
        Some(retrier)
    }
}

impl Catcher {
    pub(crate) fn read_list(fields: &mut Fields, report: &mut Report<'_>) -> Vec<Catcher> {
        let Some((_, nodes)) = fields.list("Catch", report) else { return Vec::new() };
        let last = nodes.len().saturating_sub(1);
        nodes.into_iter().enumerate().filter_map(|(i, node)| Catcher::read(node, i == last, report)).collect()
    }

    fn read(node: Node, last: bool, report: &mut Report<'_>) -> Option<Catcher> {
        let mut fields = Fields::of(node, report)?;
        fields.ignore("Comment");
        fields.not_yet(report, &["Assign", "Output"]);
        let errors = error_names(&mut fields, last, report);
        let result_path = fields.path("ResultPath", report);
        let next = fields.required_text("Next", report);
        fields.finish(report);
        Some(Catcher { errors, result_path, next: next? })
    }
}

/// `ErrorEquals`; `States.ALL` stands alone and in the last retrier or catcher.
fn error_names(fields: &mut Fields, last: bool, report: &mut Report<'_>) -> Vec<String> {
    let Some((at, nodes)) = fields.list("ErrorEquals", report) else {
        report.add(&fields.at, "ErrorEquals must be given");
        return Vec::new();
    };
    let mut names = Vec::new();
    for node in nodes {
        match node.kind {
            Json::String(name) => names.push(name),
            _ => report.add(&node.at, "must be a string"),
        }
    }
    check_names(&at, &names, last, report);
    names
}

fn check_names(at: &Place, names: &[String], last: bool, report: &mut Report<'_>) {
    if names.is_empty() {
        report.add(at, "at least one error must be named");
    }
    if names.iter().any(|name| name == "States.ALL") && (names.len() > 1 || !last) {
        report.add(at, "States.ALL must stand alone, and last");
    }
}
