//! The states.

use super::choice::Rule;
use super::fields::{Fields, Language, Number, Text};
use super::io::Io;
use super::json::{Kind as Json, Node};
use super::map::Map;
use super::recovery::Recovery;
use crate::breach::Breach;
use crate::problem::Report;

/// A state machine, the processor of a Map or a branch of a Parallel.
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
    pub(crate) language: Language,
    pub(crate) io: Io,
    pub(crate) recovery: Recovery,
    pub(crate) next: Next,
    pub(crate) kind: Kind,
}

#[derive(Debug)]
pub(crate) enum Kind {
    Task(Box<Task>),
    Choice { rules: Vec<Rule>, default: Option<Text> },
    Wait(WaitFor),
    Pass { result: Option<Node> },
    Succeed,
    Fail { error: Words, cause: Words },
    Map(Box<Map>),
    Parallel { branches: Vec<Scope> },
}

/// Choice, Succeed and Fail have none of their own.
#[derive(Debug)]
pub(crate) enum Next {
    State(Text),
    End,
}

#[derive(Debug)]
pub(crate) struct Task {
    pub(crate) resource: Text,
    pub(crate) timeout_seconds: Option<Number>,
    pub(crate) heartbeat_seconds: Option<Number>,
    pub(crate) credentials: Option<Node>,
}

#[derive(Debug)]
pub(crate) enum WaitFor {
    Seconds(Number),
    Timestamp(Text),
    TimestampPath(Text),
}

/// A text of a Fail state: `Error` or `ErrorPath`, or neither.
#[derive(Debug)]
pub(crate) struct Words {
    pub(crate) text: Option<Text>,
    pub(crate) path: Option<Text>,
}

/// The longest time that a state may be given, in seconds.
pub(super) const SECONDS: f64 = 99_999_999.0;

impl Scope {
    /// Reads `StartAt` and `States`; the other fields are the caller's.
    pub(crate) fn read(language: Language, fields: &mut Fields, report: &mut Report<'_>) -> Option<Scope> {
        let states = fields.required("States", report);
        let start_at = fields.required_text("StartAt", report);
        let states = states?;
        let Json::Object(states) = states.kind else {
            report.breaks(&states.at, Breach::Type("Object"), "must be an object");
            return None;
        };
        if states.is_empty() {
            report.add(&fields.at, "there must be a state");
        }
        let names = states.iter().map(|(name, _)| name.clone()).collect();
        let states = states.into_iter().filter_map(|(name, node)| State::read(name, language, node, report)).collect();
        Some(Scope { start_at: start_at?, names, states })
    }
}

impl State {
    fn read(name: String, inherited: Language, node: Node, report: &mut Report<'_>) -> Option<State> {
        let at = node.at.clone();
        if name.is_empty() || name.chars().count() > 80 {
            report.breaks(&at, Breach::StateName, "a state's name has 1 to 80 characters");
        }
        let mut fields = Fields::of(node, report)?;
        let kind = fields.required_text("Type", report)?;
        fields.ignore("Comment");
        let language = fields.query_language(inherited, report);
        if (inherited, language) == (Language::Jsonata, Language::JsonPath) {
            report.breaks(&at, Breach::LanguageOfMachine, "a state can't be in JSONPath when the machine is in JSONata");
        }
        let io = Io::read(&kind.value, language, &mut fields, report);
        let recovery = match kind.value.as_str() {
            "Task" | "Map" | "Parallel" => Recovery::read(language, &mut fields, report),
            _ => Recovery::default(),
        };
        let next = match kind.value.as_str() {
            "Choice" | "Succeed" | "Fail" => Some(Next::End),
            _ => Next::read(&mut fields, report),
        };
        let kind = match kind.value.as_str() {
            "Task" => Task::read(&mut fields, report).map(|task| Kind::Task(Box::new(task))),
            "Choice" => Rule::read_choice(language, &mut fields, report),
            "Wait" => WaitFor::read(language, &mut fields, report).map(Kind::Wait),
            "Pass" if language == Language::JsonPath => Some(Kind::Pass { result: fields.take("Result") }),
            "Pass" => Some(Kind::Pass { result: None }),
            "Succeed" => Some(Kind::Succeed),
            "Fail" => {
                let (error, cause) = (Words::read("Error", &mut fields, report), Words::read("Cause", &mut fields, report));
                Some(Kind::Fail { error, cause })
            }
            // The processor is in the language of the machine, whatever that of the state is.
            "Map" => Map::read(inherited, language, &mut fields, report).map(|map| Kind::Map(Box::new(map))),
            "Parallel" => read_branches(inherited, &mut fields, report),
            other => {
                report.breaks(&kind.at, Breach::StateType, format!("{other:?} is no type of state"));
                return None;
            }
        };
        fields.finish_in(language, report);
        Some(State { name: Text { value: name, at }, language, io, recovery, next: next?, kind: kind? })
    }
}

impl State {
    /// The names of the variables that it sets, however it is left.
    pub(crate) fn assigned(&self) -> Vec<String> {
        let rules: &[Rule] = match &self.kind {
            Kind::Choice { rules, .. } => rules,
            _ => &[],
        };
        let ways = rules.iter().map(|rule| &rule.leaving).chain(self.recovery.catch.iter().map(|catcher| &catcher.leaving));
        let nodes = ways.chain([&self.io.leaving]).filter_map(|leaving| leaving.assign.as_ref());
        let names = nodes.filter_map(|node| match &node.kind {
            Json::Object(fields) => Some(fields.iter().map(|(name, _)| name.strip_suffix(".$").unwrap_or(name).to_owned())),
            _ => None,
        });
        names.flatten().collect()
    }
}

impl Next {
    fn read(fields: &mut Fields, report: &mut Report<'_>) -> Option<Next> {
        let next = fields.text("Next", report);
        let end = match fields.take("End") {
            Some(Node { kind: Json::Plain(value), .. }) if value.is_boolean() => value == true,
            Some(node) => {
                report.breaks(&node.at, Breach::Type("Boolean"), "must be true or false");
                false
            }
            None => false,
        };
        match (next, end) {
            (Some(next), false) => Some(Next::State(next)),
            (None, true) => Some(Next::End),
            (Some(next), true) => {
                report.breaks(&next.at, Breach::AtMostOne(&["Next", "End"]), "Next and End can't both be given");
                None
            }
            (None, false) => {
                report.breaks(&fields.at, Breach::ExactlyOne(&["Next", "End"]), "either Next or End must be given");
                None
            }
        }
    }
}

impl Task {
    fn read(fields: &mut Fields, report: &mut Report<'_>) -> Option<Task> {
        let resource = fields.required_text("Resource", report);
        let credentials = fields.take("Credentials");
        if let Some(Node { kind: Json::Object(given), at }) = &credentials
            && !given.iter().any(|(name, _)| matches!(name.as_str(), "RoleArn" | "RoleArn.$"))
        {
            report.breaks(at, Breach::Needed("RoleArn"), "the field RoleArn is missing");
        }
        let task = Task {
            timeout_seconds: fields.number_or_path("TimeoutSeconds", 1.0, SECONDS, true, report),
            heartbeat_seconds: fields.number_or_path("HeartbeatSeconds", 1.0, SECONDS, true, report),
            credentials,
            resource: resource?,
        };
        if let (Some(Number::Literal(timeout)), Some(Number::Literal(heartbeat))) = (&task.timeout_seconds, &task.heartbeat_seconds)
            && heartbeat >= timeout
        {
            report.add(&fields.at, "HeartbeatSeconds must be less than TimeoutSeconds");
        }
        Some(task)
    }
}

const WAITS: &[&str] = &["SecondsPath", "Seconds", "TimestampPath", "Timestamp"];

impl WaitFor {
    fn read(language: Language, fields: &mut Fields, report: &mut Report<'_>) -> Option<WaitFor> {
        let named = WAITS.iter().filter(|name| fields.has(name)).count();
        let mut given = Vec::new();
        given.extend(fields.number_or_path("Seconds", 0.0, SECONDS, true, report).map(WaitFor::Seconds));
        given.extend(fields.text("Timestamp", report).map(WaitFor::Timestamp));
        if language == Language::JsonPath {
            given.extend(fields.text("TimestampPath", report).map(WaitFor::TimestampPath));
        }
        if named != 1 {
            let rule = if named == 0 { Breach::ExactlyOne(WAITS) } else { Breach::OneOf(WAITS) };
            report.breaks(&fields.at, rule, "exactly one of Seconds, SecondsPath, Timestamp and TimestampPath must be given");
        }
        given.pop()
    }
}

impl Words {
    fn read(name: &str, fields: &mut Fields, report: &mut Report<'_>) -> Words {
        let path_name = format!("{name}Path");
        let words = Words { text: fields.text(name, report), path: fields.text(&path_name, report) };
        if let Words { text: Some(_), path: Some(path) } = &words {
            let both = [name, path_name.as_str()];
            report.breaks(&path.at, Breach::AtMostOne(&both), format!("{name} and {path_name} can't both be given"));
        }
        words
    }
}

fn read_branches(language: Language, fields: &mut Fields, report: &mut Report<'_>) -> Option<Kind> {
    let (at, nodes) = fields.required_list("Branches", report)?;
    if nodes.is_empty() {
        report.breaks(&at, Breach::Empty, "there must be a branch");
    }
    let mut branches = Vec::with_capacity(nodes.len());
    for node in nodes {
        let mut fields = Fields::of(node, report)?;
        fields.ignore("Comment");
        let branch = Scope::read(language, &mut fields, report);
        fields.finish(report);
        branches.extend(branch);
    }
    Some(Kind::Parallel { branches })
}
