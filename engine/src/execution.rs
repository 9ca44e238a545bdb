//! What an execution begins with, and how it ends.

use serde_json::Value;

use crate::history::History;
use crate::tokens::TaskTokens;

/// What an execution begins with.
#[derive(Debug, Clone)]
pub struct Start {
    /// The execution's ARN.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The state machine's ARN.
    pub state_machine_id: String,
    /// The state machine's name.
    pub state_machine_name: String,
    /// The role's ARN, of interest only to those who read `$$.Execution.RoleArn`.
    pub role_arn: String,
    /// The input.
    pub input: Value,
    /// The state machine's type.
    pub execution_type: ExecutionType,
    /// Where outcomes of its tasks arrive that are sent by token.
    pub tokens: TaskTokens,
    /// Records the history.
    pub history: Option<History>,
    /// The history events that a Standard execution may have, as each of its Distributed Maps'
    /// children: AWS's 25,000, if nothing else is said. None is no limit.
    pub max_events: Option<u64>,
}

/// Standard or Express.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ExecutionType {
    /// At most a year and 25,000 history events.
    #[default]
    Standard,
    /// At most five minutes, with as many events as there are.
    Express,
}

impl Start {
    /// A start whose other names are read off the ARN: `…:execution:<machine>:<name>`, or of an
    /// Express execution `…:express:<machine>:<name>:<id>`.
    pub fn new(id: impl Into<String>, input: Value) -> Self {
        let id = id.into();
        let (execution_type, (before, names)) = match id.split_once(":express:") {
            Some(parts) => (ExecutionType::Express, parts),
            None => (ExecutionType::Standard, id.split_once(":execution:").unwrap_or(("", &id))),
        };
        let mut names = names.split(':');
        let mut next = || names.next().unwrap_or_default().to_owned();
        let (machine, name) = (next(), next());
        Self {
            name,
            state_machine_id: format!("{before}:stateMachine:{machine}"),
            state_machine_name: machine,
            role_arn: "arn:aws:iam::000000000000:role/engine".into(),
            input,
            execution_type,
            tokens: TaskTokens::default(),
            history: None,
            max_events: Some(25_000),
            id,
        }
    }
}

/// How an execution ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// With this output.
    Succeeded(Value),
    /// With this error.
    Failed {
        /// Its name.
        error: String,
        /// Its cause.
        cause: String,
    },
    /// It took longer than the machine's `TimeoutSeconds`, or than its type allows.
    TimedOut,
}
