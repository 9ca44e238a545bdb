//! The states.

use super::choice::Rule;
use super::fields::{Fields, Number, Text};
use super::io::Io;
use super::json::{Json, Node};
use super::map::MapFields;
use super::recovery::Recovery;
use crate::diagnostic::Report;
use crate::language::Language;
use crate::quotas::MAX_SECONDS;
use crate::rule_violation::RuleViolation;

/// A state machine, the processor of a Map or a branch of a Parallel.
#[derive(Debug)]
pub(crate) struct Scope {
    pub(crate) start_at: Text,
    /// The names of all states, including those that could not be read.
    pub(crate) names: Vec<String>,
    pub(crate) states: Vec<StateFields>,
}

#[derive(Debug)]
pub(crate) struct StateFields {
    pub(crate) name: Text,
    pub(crate) language: Language,
    pub(crate) io: Io,
    pub(crate) recovery: Recovery,
    pub(crate) next: NextField,
    pub(crate) kind: StateBody,
}

#[derive(Debug)]
pub(crate) enum StateBody {
    Task(Box<TaskFields>),
    Choice { rules: Vec<Rule>, default: Option<Text> },
    Wait(WaitFor),
    Pass { result: Option<Node> },
    Succeed,
    Fail { error: TextOrPath, cause: TextOrPath },
    Map(Box<MapFields>),
    Parallel { branches: Vec<Scope> },
}

/// `Next` or `End`. Choice, Succeed and Fail have neither.
#[derive(Debug)]
pub(crate) enum NextField {
    State(Text),
    End,
}

#[derive(Debug)]
pub(crate) struct TaskFields {
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

/// A text of a Fail state: `Error` or `ErrorPath`, `Cause` or `CausePath`.
#[derive(Debug)]
pub(crate) struct TextOrPath {
    pub(crate) text: Option<Text>,
    pub(crate) path: Option<Text>,
}

impl Scope {
    /// Reads `StartAt` and `States`. The caller reads the other fields.
    pub(crate) fn read(language: Language, fields: &mut Fields<'_, '_>) -> Option<Self> {
        let states = fields.required("States");
        let start_at = fields.required_text("StartAt");
        let states = states?;
        let Json::Object(states) = states.kind else {
            fields.report.violation(&states.at, RuleViolation::Type("Object"), "must be an object");
            return None;
        };
        if states.is_empty() {
            fields.report.add(&fields.at, "there must be a state");
        }
        let names = states.iter().map(|(name, _)| name.clone()).collect();
        let states = states
            .into_iter()
            .filter_map(|(name, node)| StateFields::read(name, language, node, fields.report))
            .collect();
        Some(Self { start_at: start_at?, names, states })
    }
}

impl StateFields {
    fn read(name: String, inherited: Language, node: Node, report: &mut Report<'_>) -> Option<Self> {
        let at = node.at.clone();
        if name.is_empty() || name.chars().count() > 80 {
            report.violation(&at, RuleViolation::StateName, "a state's name has 1 to 80 characters");
        }
        let mut fields = Fields::of(node, report)?;
        let kind = fields.required_text("Type")?;
        fields.ignore("Comment");
        let language = fields.query_language(inherited);
        if (inherited, language) == (Language::Jsonata, Language::JsonPath) {
            fields.report.violation(
                &at,
                RuleViolation::LanguageOfMachine,
                "a state cannot be in JSONPath when the machine is in JSONata",
            );
        }
        let io = Io::read(&kind.value, language, &mut fields);
        let recovery = match kind.value.as_str() {
            "Task" | "Map" | "Parallel" => Recovery::read(language, &mut fields),
            _ => Recovery::default(),
        };
        let next = match kind.value.as_str() {
            "Choice" | "Succeed" | "Fail" => Some(NextField::End),
            _ => NextField::read(&mut fields),
        };
        let kind = match kind.value.as_str() {
            "Task" => TaskFields::read(&mut fields).map(|task| StateBody::Task(Box::new(task))),
            "Choice" => Rule::read_choice(language, &mut fields),
            "Wait" => WaitFor::read(language, &mut fields).map(StateBody::Wait),
            "Pass" if language == Language::JsonPath => {
                Some(StateBody::Pass { result: fields.take("Result") })
            }
            "Pass" => Some(StateBody::Pass { result: None }),
            "Succeed" => Some(StateBody::Succeed),
            "Fail" => {
                let (error, cause) =
                    (TextOrPath::read("Error", &mut fields), TextOrPath::read("Cause", &mut fields));
                Some(StateBody::Fail { error, cause })
            }
            // The processor inherits the query language of the machine, not that of the state.
            "Map" => {
                MapFields::read(inherited, language, &mut fields).map(|map| StateBody::Map(Box::new(map)))
            }
            "Parallel" => read_branches(inherited, &mut fields),
            other => {
                fields.report.violation(
                    &kind.at,
                    RuleViolation::StateType,
                    format!("{other:?} is not a type of state"),
                );
                return None;
            }
        };
        fields.finish_in(language);
        Some(Self { name: Text { value: name, at }, language, io, recovery, next: next?, kind: kind? })
    }
}

impl StateFields {
    /// The names of the states that it leads to.
    pub(crate) fn targets(&self) -> Vec<String> {
        let next = match &self.next {
            NextField::State(next) => Some(next),
            NextField::End => None,
        };
        let (rules, default): (&[Rule], _) = match &self.kind {
            StateBody::Choice { rules, default } => (rules, default.as_ref()),
            _ => (&[], None),
        };
        let rules = rules.iter().filter_map(|rule| rule.next.as_ref());
        let catchers = self.recovery.catch.iter().map(|catcher| &catcher.next);
        rules.chain(catchers).chain(next).chain(default).map(|target| target.value.clone()).collect()
    }

    /// The names of the variables that it can set.
    pub(crate) fn assigned(&self) -> Vec<String> {
        let rules: &[Rule] = match &self.kind {
            StateBody::Choice { rules, .. } => rules,
            _ => &[],
        };
        let ways = rules
            .iter()
            .map(|rule| &rule.on_exit)
            .chain(self.recovery.catch.iter().map(|catcher| &catcher.on_exit));
        let nodes = ways.chain([&self.io.on_exit]).filter_map(|on_exit| on_exit.assign.as_ref());
        let names = nodes.filter_map(|node| match &node.kind {
            Json::Object(fields) => {
                Some(fields.iter().map(|(name, _)| name.strip_suffix(".$").unwrap_or(name).to_owned()))
            }
            _ => None,
        });
        names.flatten().collect()
    }
}

impl NextField {
    fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let next = fields.text("Next");
        let end = match fields.take("End") {
            Some(Node { kind: Json::Plain(value), .. }) if value.is_boolean() => value == true,
            Some(node) => {
                fields.report.violation(&node.at, RuleViolation::Type("Boolean"), "must be true or false");
                false
            }
            None => false,
        };
        match (next, end) {
            (Some(next), false) => Some(NextField::State(next)),
            (None, true) => Some(NextField::End),
            (Some(next), true) => {
                fields.report.violation(
                    &next.at,
                    RuleViolation::AtMostOne(&["Next", "End"]),
                    "Next and End cannot both be given",
                );
                None
            }
            (None, false) => {
                fields.report.violation(
                    &fields.at,
                    RuleViolation::ExactlyOne(&["Next", "End"]),
                    "either Next or End must be given",
                );
                None
            }
        }
    }
}

impl TaskFields {
    fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let resource = fields.required_text("Resource");
        let credentials = fields.take("Credentials");
        if let Some(Node { kind: Json::Object(given), at }) = &credentials
            && !given.iter().any(|(name, _)| matches!(name.as_str(), "RoleArn" | "RoleArn.$"))
        {
            fields.report.violation(at, RuleViolation::Needed("RoleArn"), "the field RoleArn is missing");
        }
        let task = Self {
            timeout_seconds: fields.number_or_path("TimeoutSeconds", 1.0, MAX_SECONDS.into(), true),
            heartbeat_seconds: fields.number_or_path("HeartbeatSeconds", 1.0, MAX_SECONDS.into(), true),
            credentials,
            resource: resource?,
        };
        if let (Some(Number::Literal(timeout)), Some(Number::Literal(heartbeat))) =
            (&task.timeout_seconds, &task.heartbeat_seconds)
            && heartbeat >= timeout
        {
            fields.report.add(&fields.at, "HeartbeatSeconds must be less than TimeoutSeconds");
        }
        Some(task)
    }
}

const WAITS: &[&str] = &["SecondsPath", "Seconds", "TimestampPath", "Timestamp"];

impl WaitFor {
    fn read(language: Language, fields: &mut Fields<'_, '_>) -> Option<Self> {
        let named = WAITS.iter().filter(|name| fields.has(name)).count();
        let mut given = Vec::new();
        given.extend(fields.number_or_path("Seconds", 0.0, MAX_SECONDS.into(), true).map(WaitFor::Seconds));
        given.extend(fields.text("Timestamp").map(WaitFor::Timestamp));
        if language == Language::JsonPath {
            given.extend(fields.text("TimestampPath").map(WaitFor::TimestampPath));
        }
        if named != 1 {
            let rule =
                if named == 0 { RuleViolation::ExactlyOne(WAITS) } else { RuleViolation::OneOf(WAITS) };
            fields.report.violation(
                &fields.at,
                rule,
                "exactly one of Seconds, SecondsPath, Timestamp and TimestampPath must be given",
            );
        }
        given.pop()
    }
}

impl TextOrPath {
    fn read(name: &str, fields: &mut Fields<'_, '_>) -> Self {
        let path_name = format!("{name}Path");
        let words = Self { text: fields.text(name), path: fields.text(&path_name) };
        if let TextOrPath { text: Some(_), path: Some(path) } = &words {
            let both = [name, path_name.as_str()];
            fields.report.violation(
                &path.at,
                RuleViolation::AtMostOne(&both),
                format!("{name} and {path_name} cannot both be given"),
            );
        }
        words
    }
}

fn read_branches(language: Language, fields: &mut Fields<'_, '_>) -> Option<StateBody> {
    let (at, nodes) = fields.required_list("Branches")?;
    if nodes.is_empty() {
        fields.report.violation(&at, RuleViolation::Empty, "there must be a branch");
    }
    let mut branches = Vec::with_capacity(nodes.len());
    for node in nodes {
        let mut fields = Fields::of(node, fields.report)?;
        fields.ignore("Comment");
        let branch = Scope::read(language, &mut fields);
        fields.finish();
        branches.extend(branch);
    }
    Some(StateBody::Parallel { branches })
}
