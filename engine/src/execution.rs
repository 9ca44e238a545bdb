//! The start of an execution.

use std::time::Duration;

use serde_json::Value;

use crate::abort::Abort;
use crate::history::History;
use crate::tokens::TaskTokens;

/// The input and the surroundings of an execution.
#[derive(Debug, Clone)]
pub struct Start {
    /// The execution's ARN.
    pub id: String,
    /// The execution's name.
    pub name: String,
    /// The state machine's ARN.
    pub state_machine_id: String,
    /// The state machine's name.
    pub state_machine_name: String,
    /// The role's ARN. It is used only as `$$.Execution.RoleArn`.
    pub role_arn: String,
    /// The input.
    pub input: Value,
    /// The state machine's type.
    pub execution_type: ExecutionType,
    /// The tokens by which outcomes of its tasks arrive.
    pub tokens: TaskTokens,
    /// Aborts the execution, if it can be.
    pub abort: Option<Abort>,
    /// Records the history in memory, if there is one. A journal over a store of the host may keep it as well,
    /// see [`crate::JournalStore::last_event`].
    pub history: Option<History>,
    /// Parks the execution when all that it does is wait for at least this time, in Waits, for retries or for
    /// tokens: [`crate::run`] then returns [`crate::Stop::Parked`]. It is to be run again at the time that it names,
    /// or after [`crate::Journal::send_outcome`] or [`crate::Journal::abort`]. A token that [`TaskTokens`] does not
    /// know any more may be that of a parked execution. An execution with a Map Run under way, or with a task that
    /// sends heartbeats, is not parked. None means never.
    pub park_after: Option<Duration>,
    /// Whether it is also parked while it waits for a token. [`Start::new`] sets it.
    pub parks_tokens: bool,
    /// The most history events of a Standard execution, and of each child of its Distributed Maps.
    /// [`Start::new`] sets AWS's 25,000. None means no limit.
    pub max_events: Option<u64>,
}

/// The type of a state machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ExecutionType {
    /// At most one year and 25,000 history events.
    #[default]
    Standard,
    /// At most five minutes, and any number of events.
    Express,
}

impl Start {
    /// Takes the other names from the ARN: `…:execution:<machine>:<name>`, or for an Express execution
    /// `…:express:<machine>:<name>:<id>`.
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
            abort: None,
            history: None,
            park_after: None,
            parks_tokens: true,
            max_events: Some(25_000),
            id,
        }
    }
}
