//! Running a machine: one frame for the execution, one for each iteration and child.

mod child;
mod choice;
mod context;
mod distributed;
mod frame;
mod inline;
mod limits;
mod map;
mod recovery;
mod task;
mod wait;

use std::sync::Arc;

use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

use crate::error::{Failure, Halt, Stop};
use crate::host::Host;
use crate::journal::{Change, Journal, JournalError, Key, Kind, Owner, micros, moment};
use crate::machine::Machine;
use context::Identity;
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
}

impl Start {
    /// A start whose other names are read off the ARN, `…:execution:<machine>:<name>`.
    pub fn new(id: impl Into<String>, input: Value) -> Start {
        let id = id.into();
        let mut parts = id.rsplitn(3, ':');
        let name = parts.next().unwrap_or_default().to_owned();
        let machine = parts.next().unwrap_or_default().to_owned();
        let before = parts.next().unwrap_or_default();
        let before = before.strip_suffix(":execution").unwrap_or(before);
        Start {
            name,
            state_machine_id: format!("{before}:stateMachine:{machine}"),
            state_machine_name: machine,
            role_arn: "arn:aws:iam::000000000000:role/engine".into(),
            input,
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
}

/// What the frames of one execution share.
struct World {
    host: Arc<dyn Host>,
    journal: Journal,
    /// Cancelled with the caller's token, and when one frame can't go on.
    cancel: CancellationToken,
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
    let identity = Identity::of_execution(start, moment(owner.started));
    let world = Arc::new(World { host, journal, cancel: cancel.child_token() });
    let input = identity.input.clone();
    let frame = frame::Frame::new(Key::root(), Arc::new(identity));
    let result = match frame::run(world.clone(), machine.scope.clone(), frame, input).await {
        Ok(done) => Ok(done.output),
        Err(Halt::Failed(failure)) => Err(failure),
        Err(Halt::Stopped(stop)) => return Err(stop),
    };
    owner.outcome = Some(result.clone());
    let ended = Change::put(Kind::Owner, &Key::root(), &owner)?;
    world.journal.commit(vec![ended]).await?;
    world.journal.sweep(Key::root())?;
    Ok(result.into())
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

impl From<Result<Value, Failure>> for Outcome {
    fn from(result: Result<Value, Failure>) -> Self {
        match result {
            Ok(output) => Outcome::Succeeded(output),
            Err(Failure { error, cause }) => Outcome::Failed { error, cause },
        }
    }
}

/// A UUID made of a digest.
pub(crate) fn uuid_of(digest: &[u8; 32]) -> String {
    let hex: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{}-4{}-8{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..])
}
