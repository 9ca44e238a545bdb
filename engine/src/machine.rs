//! The compiled machine. Names are resolved and expressions parsed, so nothing can be refused any more.

mod map;

use std::sync::Arc;

use crate::expr::comparison::Comparator;
use crate::expr::{Expression, Path, ReferencePath, Template};
use crate::language::Language;
use crate::resource::Resource;
use crate::retry::Retrier;
pub(crate) use map::{Batcher, Distributed, MapItems, MapState, Reader, Writer};

/// A state machine that is ready to run; [`crate::compile`] makes it.
#[derive(Debug)]
pub struct Machine {
    pub(crate) scope: Arc<Scope>,
    pub(crate) timeout_seconds: Option<u32>,
    /// SHA-256 of the definition's text, in hexadecimal digits.
    pub(crate) hash: String,
}

impl Machine {
    /// The name and the resource of each Task state, in the order of the states.
    pub fn tasks(&self) -> Vec<(String, Resource)> {
        let mut found = Vec::new();
        self.scope.visit(&mut |state| {
            if let Kind::Work(Work::Task(task)) = &state.kind {
                found.push((state.name.clone(), task.resource.clone()));
            }
        });
        found
    }

    /// Whether a Distributed Map of the machine reads its items from objects, or writes its results to objects.
    pub fn uses_objects(&self) -> bool {
        let mut uses = false;
        self.scope.visit(&mut |state| {
            if let Kind::Work(Work::Map(map)) = &state.kind
                && let Some(distributed) = &map.distributed
            {
                uses |= distributed.reader.is_some() || distributed.writer.target.is_some();
            }
        });
        uses
    }

    /// The names or ARNs of the functions that the machine calls, each once and in the order of the states.
    /// Functions whose names are computed are missing.
    pub fn functions(&self) -> Vec<String> {
        let mut functions = Vec::new();
        self.scope.visit(&mut |state| {
            if let Some(function) = state.function()
                && !functions.contains(&function)
            {
                functions.push(function);
            }
        });
        functions
    }
}

#[derive(Debug)]
pub(crate) struct Scope {
    pub(crate) start: usize,
    pub(crate) states: Vec<State>,
}

impl Scope {
    /// Visits all states. The states inside a state follow it.
    fn visit(&self, visitor: &mut dyn FnMut(&State)) {
        for state in &self.states {
            visitor(state);
            match &state.kind {
                Kind::Work(Work::Map(map)) => map.processor.visit(visitor),
                Kind::Work(Work::Parallel(branches)) => {
                    branches.iter().for_each(|branch| branch.visit(visitor));
                }
                _ => {}
            }
        }
    }
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) name: String,
    pub(crate) language: Language,
    pub(crate) io: Io,
    pub(crate) recovery: Recovery,
    /// Not used by Choice, Succeed and Fail.
    pub(crate) next: Next,
    pub(crate) kind: Kind,
}

/// The fields that shape a state's input and output. In JSONata the paths and the selector change nothing.
#[derive(Debug)]
pub(crate) struct Io {
    pub(crate) input_path: Selection,
    /// `Parameters` or `Arguments`.
    pub(crate) arguments: Option<Template>,
    pub(crate) result_selector: Option<Template>,
    pub(crate) result_path: ResultPath,
    pub(crate) output_path: Selection,
    pub(crate) on_exit: OnExit,
}

/// `InputPath` and `OutputPath`.
#[derive(Debug)]
pub(crate) enum Selection {
    Whole,
    /// `null`, which stands for `{}`.
    Nothing,
    Path(Path),
}

/// The fields that are evaluated when a state is left: by its own `Next`, by a choice or by a catcher.
#[derive(Debug, Default)]
pub(crate) struct OnExit {
    pub(crate) output: Option<Template>,
    pub(crate) assign: Vec<(String, Template)>,
}

/// What a state does, with the fields of its type.
#[derive(Debug)]
pub(crate) enum Kind {
    Work(Work),
    Choice {
        rules: Vec<Rule>,
        default: Option<usize>,
    },
    Wait(Until),
    /// With `Result`.
    Pass(Option<serde_json::Value>),
    Succeed,
    Fail {
        error: Option<TextOrPath>,
        cause: Option<TextOrPath>,
    },
}

/// The states that can fail and be retried.
#[derive(Debug)]
pub(crate) enum Work {
    Task(Box<Task>),
    Map(Box<MapState>),
    Parallel(Vec<Arc<Scope>>),
}

impl Kind {
    /// The state's `Type`, which is also part of the names of history events.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Kind::Work(work) => work.name(),
            Kind::Choice { .. } => "Choice",
            Kind::Wait(_) => "Wait",
            Kind::Pass(_) => "Pass",
            Kind::Succeed => "Succeed",
            Kind::Fail { .. } => "Fail",
        }
    }

    pub(crate) fn is_task(&self) -> bool {
        matches!(self, Kind::Work(Work::Task(_)))
    }
}

impl Work {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Work::Task(_) => "Task",
            Work::Map(_) => "Map",
            Work::Parallel(_) => "Parallel",
        }
    }

    /// Whether it has inner states, which have entries of their own in the journal.
    pub(crate) fn has_inner_states(&self) -> bool {
        matches!(self, Work::Map(_) | Work::Parallel(_))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    State(usize),
    End,
}

/// The place of a result in the state's input. None means `null`, which discards the result.
pub(crate) type ResultPath = Option<ReferencePath>;

#[derive(Debug)]
pub(crate) struct Task {
    pub(crate) resource: Resource,
    pub(crate) timeout_seconds: Option<Number>,
    pub(crate) heartbeat_seconds: Option<Number>,
    pub(crate) credentials: Option<Template>,
}

impl State {
    /// Whether an execution can end with this state.
    pub(crate) fn ends(&self) -> bool {
        match self.kind {
            Kind::Succeed | Kind::Fail { .. } => true,
            Kind::Choice { .. } => false,
            _ => self.next == Next::End,
        }
    }

    /// The function that a Task calls, if the definition names it.
    fn function(&self) -> Option<String> {
        let Kind::Work(Work::Task(task)) = &self.kind else { return None };
        match (&task.resource, &self.io.arguments) {
            (Resource::Function(arn), _) => Some(arn.clone()),
            (resource, Some(Template::Object(fields))) if resource.is("lambda", "invoke") => {
                let (_, name) = fields.iter().find(|(field, _)| field == "FunctionName")?;
                match name {
                    Template::Literal(name) => name.as_str().map(str::to_owned),
                    _ => None,
                }
            }
            _ => None,
        }
    }
}

/// The handlers of a state's errors.
#[derive(Debug, Default)]
pub(crate) struct Recovery {
    pub(crate) retry: Vec<Retrier>,
    pub(crate) catch: Vec<Catcher>,
}

#[derive(Debug)]
pub(crate) struct Catcher {
    pub(crate) errors: Vec<String>,
    pub(crate) result_path: ResultPath,
    pub(crate) on_exit: OnExit,
    pub(crate) next: usize,
}

/// An entry of a Choice's `Choices`.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) condition: Condition,
    pub(crate) on_exit: OnExit,
    pub(crate) next: usize,
}

#[derive(Debug)]
pub(crate) enum Condition {
    And(Vec<Condition>),
    Or(Vec<Condition>),
    Not(Box<Condition>),
    Compare { variable: Path, comparator: Comparator, operand: Operand },
    Literal(bool),
    Expression(Expression),
}

#[derive(Debug)]
pub(crate) enum Operand {
    Literal(serde_json::Value),
    Path(Path),
}

#[derive(Debug)]
pub(crate) enum Until {
    Seconds(Number),
    Timestamp(time::OffsetDateTime),
    TimestampPath(Path),
    TimestampExpression(Expression),
}

/// A text of a Fail state, as written or computed.
#[derive(Debug)]
pub(crate) enum TextOrPath {
    Literal(String),
    Template(Template),
}

#[derive(Debug)]
pub(crate) enum Number {
    Literal(f64),
    Path(Path),
    Expression(Expression),
}
