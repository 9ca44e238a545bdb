//! Running a machine: one frame for the execution, one for each iteration and child.

mod branch;
mod child;
mod choice;
mod context;
mod distributed;
mod evaluate;
mod events;
mod flow;
mod frame;
mod inline;
mod limits;
mod map;
mod parallel;
mod recovery;
mod task;
pub(crate) mod trial;
mod wait;

use std::sync::Arc;

use serde_json::Value;
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

use crate::error::{Failure, Halt, Stop};
use crate::history::History;
use crate::host::Host;
use crate::journal::{Change, Ending, Journal, JournalError, Key, Kind, Owner, micros, moment};
use crate::machine::Machine;
use crate::tokens::TaskTokens;
use context::Identity;
pub(crate) use context::iso;
pub use distributed::{Counts, MapRunStatus, Phase};

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
    pub fn new(id: impl Into<String>, input: Value) -> Start {
        let id = id.into();
        let (execution_type, (before, names)) = match id.split_once(":express:") {
            Some(parts) => (ExecutionType::Express, parts),
            None => (ExecutionType::Standard, id.split_once(":execution:").unwrap_or(("", &id))),
        };
        let mut names = names.split(':');
        let mut next = || names.next().unwrap_or_default().to_owned();
        let (machine, name) = (next(), next());
        Start {
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

/// What the frames of one execution share.
struct World {
    host: Arc<dyn Host>,
    journal: Journal,
    tokens: TaskTokens,
    /// Cancelled with the caller's token, and when one frame can't go on.
    cancel: CancellationToken,
    /// One state is tried by itself.
    trial: Option<trial::Trying>,
}

/// Runs the machine, or goes on where the journal says that it stopped. A finished execution
/// gives its outcome again.
///
/// When `cancel` is cancelled, waits end at once and no task is begun; tasks under way are waited
/// for (see [`crate::TaskCall::cancel`]). Dropping the future is a crash: nothing that was
/// journaled is lost.
pub async fn run(
    machine: Arc<Machine>,
    start: Start,
    host: Arc<dyn Host>,
    journal: Journal,
    cancel: CancellationToken,
) -> Result<Outcome, Stop> {
    let mut owner = claim(&machine, &start, &*host, &journal).await?;
    if let Some(outcome) = owner.outcome {
        return Ok(outcome.into());
    }
    let started = moment(owner.started);
    let deadline = started + limits::duration(&machine, start.execution_type);
    let world = Arc::new(World { host, journal, tokens: start.tokens.clone(), cancel: cancel.child_token(), trial: None });
    let identity = Arc::new(Identity::of_execution(start, started));
    identity.begun();
    let frame = frame::Frame::new(Key::root(), identity.clone());
    let running = frame::run(world.clone(), machine.scope.clone(), frame, identity.input.clone());
    let result = tokio::select! {
        biased;
        ended = running => match ended {
            Ok(done) => Ok(done),
            Err(Halt::Failed(failure)) => Err(Some(failure)),
            Err(Halt::Stopped(stop)) => return Err(stop),
        },
        () = world.host.sleep_until(deadline) => Err(None),
    };
    identity.ended(&*world.host, &result);
    let outcome = match result {
        Ok(done) => Ending::Succeeded(done.output),
        Err(Some(failure)) => Ending::Failed(failure),
        Err(None) => Ending::TimedOut,
    };
    owner.outcome = Some(outcome.clone());
    let ended = Change::put(Kind::Owner, &Key::root(), &owner)?;
    world.journal.commit(vec![ended]).await?;
    world.journal.sweep(Key::root())?;
    Ok(outcome.into())
}

impl World {
    /// Never returns without a time.
    async fn sleep_until(&self, moment: Option<OffsetDateTime>) {
        match moment {
            Some(moment) => self.host.sleep_until(moment).await,
            None => std::future::pending().await,
        }
    }
}

/// Makes the journal this execution's, or makes sure that it is.
async fn claim(machine: &Machine, start: &Start, host: &dyn Host, journal: &Journal) -> Result<Owner, JournalError> {
    let input = Sha256::digest(start.input.to_string()).iter().map(|byte| format!("{byte:02x}")).collect();
    if let Some(owner) = journal.get::<Owner>(Kind::Owner, &Key::root())? {
        return match () {
            () if owner.definition != machine.hash => Err(JournalError::Foreign("definition")),
            () if owner.input != input => Err(JournalError::Foreign("input")),
            () if owner.execution != start.id => Err(JournalError::Foreign("execution")),
            () => Ok(owner),
        };
    }
    let owner = Owner { definition: machine.hash.clone(), input, execution: start.id.clone(), started: micros(host.now()), outcome: None };
    journal.commit(vec![Change::put(Kind::Owner, &Key::root(), &owner)?]).await?;
    Ok(owner)
}

impl From<Ending> for Outcome {
    fn from(ending: Ending) -> Self {
        match ending {
            Ending::Succeeded(output) => Outcome::Succeeded(output),
            Ending::Failed(Failure { error, cause, .. }) => Outcome::Failed { error, cause },
            Ending::TimedOut => Outcome::TimedOut,
        }
    }
}

/// A UUID made of a digest.
pub(crate) fn uuid_of(digest: &[u8; 32]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut uuid = String::with_capacity(36);
    for (i, byte) in digest[..16].iter().enumerate() {
        if matches!(i, 4 | 6 | 8 | 10) {
            uuid.push('-');
        }
        // The version and the variant have places of their own.
        let high = match i {
            6 => 4,
            8 => 8,
            _ => byte >> 4,
        };
        uuid.push(char::from(DIGITS[usize::from(high)]));
        uuid.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    uuid
}
