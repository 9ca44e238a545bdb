//! The compiled machine: names are resolved, expressions parsed, nothing is left to be refused.

use std::sync::Arc;

use crate::dataset::{Dataset, OutputType, Transformation};
use crate::expr::comparison::Comparator;
use crate::expr::{Path, ReferencePath, Template};

/// A state machine that is ready to run; see [`crate::compile`].
#[derive(Debug)]
pub struct Machine {
    pub(crate) scope: Arc<Scope>,
    /// Of the definition's text.
    pub(crate) hash: String,
}

impl Machine {
    /// Names or ARNs of the functions that the machine calls, as far as they are written in the
    /// definition; each once, in the order of the states.
    pub fn functions(&self) -> Vec<String> {
        let mut functions = Vec::new();
        self.scope.functions(&mut functions);
        functions
    }
}

#[derive(Debug)]
pub(crate) struct Scope {
    pub(crate) start: usize,
    pub(crate) states: Vec<State>,
}

impl Scope {
    fn functions(&self, found: &mut Vec<String>) {
        for state in &self.states {
            match &state.kind {
                Kind::Task(task) => found.extend(task.function().filter(|function| !found.contains(function))),
                Kind::Map(map) => map.processor.functions(found),
                _ => {}
            }
        }
    }
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) name: String,
    /// None is `null`: the state gets `{}`.
    pub(crate) input_path: Option<Path>,
    /// None is `null`: the state's output is `{}`.
    pub(crate) output_path: Option<Path>,
    pub(crate) kind: Kind,
}

#[derive(Debug)]
pub(crate) enum Kind {
    Task(Task),
    Choice { rules: Vec<(Condition, usize)>, default: Option<usize> },
    Wait { until: Until, next: Next },
    Pass { result: Option<Template>, result_path: ResultPath, next: Next },
    Succeed,
    Fail { error: Option<Words>, cause: Option<Words> },
    Map(Box<Map>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    State(usize),
    End,
}

/// Where a result goes in the state's input; None is `null`, which discards it.
pub(crate) type ResultPath = Option<ReferencePath>;

#[derive(Debug)]
pub(crate) struct Task {
    pub(crate) resource: Resource,
    pub(crate) parameters: Option<Template>,
    pub(crate) result_selector: Option<Template>,
    pub(crate) result_path: ResultPath,
    pub(crate) recovery: Recovery,
    pub(crate) next: Next,
}

#[derive(Debug)]
pub(crate) enum Resource {
    /// `arn:aws:states:::lambda:invoke`, whose parameters name the function.
    LambdaInvoke,
    /// The ARN of a function.
    Function(String),
}

impl Task {
    fn function(&self) -> Option<String> {
        match (&self.resource, &self.parameters) {
            (Resource::Function(arn), _) => Some(arn.clone()),
            (Resource::LambdaInvoke, Some(Template::Object(fields))) => {
                let name = fields.iter().find(|(field, _)| field == "FunctionName");
                match name {
                    Some((_, Template::Literal(name))) => name.as_str().map(str::to_owned),
                    _ => None,
                }
            }
            _ => None,
        }
    }
}

/// What a state does about its errors.
#[derive(Debug, Default)]
pub(crate) struct Recovery {
    pub(crate) retry: Vec<Retrier>,
    pub(crate) catch: Vec<Catcher>,
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
    pub(crate) result_path: ResultPath,
    pub(crate) next: usize,
}

#[derive(Debug)]
pub(crate) enum Condition {
    And(Vec<Condition>),
    Or(Vec<Condition>),
    Not(Box<Condition>),
    Compare { variable: Path, comparator: Comparator, operand: Operand },
}

#[derive(Debug)]
pub(crate) enum Operand {
    Literal(serde_json::Value),
    Path(Path),
}

#[derive(Debug)]
pub(crate) enum Until {
    Seconds(u32),
    SecondsPath(Path),
    Timestamp(time::OffsetDateTime),
    TimestampPath(Path),
}

/// A text of a Fail state: as written, or an expression.
#[derive(Debug)]
pub(crate) enum Words {
    Literal(String),
    Expression(Template),
}

#[derive(Debug)]
pub(crate) struct Map {
    pub(crate) items_path: Option<Path>,
    pub(crate) item_selector: Option<Template>,
    pub(crate) max_concurrency: Option<Number>,
    pub(crate) processor: Arc<Scope>,
    pub(crate) distributed: Option<Distributed>,
    pub(crate) result_selector: Option<Template>,
    pub(crate) result_path: ResultPath,
    pub(crate) recovery: Recovery,
    pub(crate) next: Next,
}

#[derive(Debug)]
pub(crate) struct Distributed {
    pub(crate) label: String,
    /// Its children are Express executions.
    pub(crate) express: bool,
    pub(crate) reader: Option<Reader>,
    pub(crate) batcher: Option<Batcher>,
    pub(crate) writer: Writer,
    pub(crate) tolerated_percentage: Option<Number>,
    pub(crate) tolerated_count: Option<Number>,
}

#[derive(Debug)]
pub(crate) struct Reader {
    pub(crate) parameters: Template,
    pub(crate) dataset: Dataset,
    pub(crate) max_items: Option<Number>,
}

#[derive(Debug)]
pub(crate) struct Batcher {
    pub(crate) items: Option<Number>,
    pub(crate) bytes: Option<Number>,
    pub(crate) input: Option<Template>,
}

#[derive(Debug)]
pub(crate) struct Writer {
    /// Bucket and prefix; without, the results become the state's output.
    pub(crate) target: Option<Template>,
    pub(crate) transformation: Transformation,
    pub(crate) output_type: OutputType,
}

#[derive(Debug)]
pub(crate) enum Number {
    Literal(f64),
    Path(Path),
}
