//! Running an execution again that ended without success, from where it failed.

use std::sync::Arc;

use engine::RedriveError;

use super::open::{Open, Started};
use super::record::{Execution, Redrive, Status};
use super::run::time_of;
use super::{Executions, journal, refuse_too_many};
use crate::api::ApiError;
use crate::catalog::Moment;

/// How long an execution can be redriven after its end: 14 days, in microseconds.
const REDRIVABLE: i64 = 14 * 24 * 60 * 60 * 1_000_000;
/// The events from which on a history has no room for a redrive.
const MOST_EVENTS: u64 = 24_999;
/// How long a client token names a redrive: 15 minutes, in microseconds.
const TOKEN_KNOWN: i64 = 15 * 60 * 1_000_000;
/// The redrives whose client tokens are known.
const TOKENS_KNOWN: usize = 10;

impl Executions {
    /// Why an execution cannot be redriven, in the words of AWS.
    pub(crate) fn not_redrivable(&self, execution: &Execution) -> Result<Option<String>, ApiError> {
        let status = execution.status();
        if matches!(status, Status::Running | Status::Succeeded) {
            return Ok(Some(format!("Execution is {} and cannot be redriven", status.name())));
        }
        if Moment::now().0 - execution.stopped().0 > REDRIVABLE {
            return Ok(Some("Execution redrivable period exceeded".into()));
        }
        let machine = self.0.catalog.machine(&execution.machine);
        if machine.is_none_or(|machine| machine.deleting || machine.number != execution.machine_number) {
            return Ok(Some("State machine is in DELETING status".into()));
        }
        let last = journal::events(&self.0.store, execution.number, u64::MAX, true, 1)?;
        let last = last.first().and_then(|event| event["id"].as_u64()).unwrap_or_default();
        Ok((last >= MOST_EVENTS).then(|| "Execution history event limit exceeded".into()))
    }

    /// Runs an execution again. The redrive is on disk when this returns, with its time. The same client token is the
    /// same redrive.
    pub(crate) async fn redrive(
        &self,
        machine: &str,
        name: &str,
        token: Option<&str>,
    ) -> Result<Moment, ApiError> {
        let now = Moment::now();
        let open = match self.reopen(machine, name, token, now)? {
            Reopened::Now(open) => open,
            Reopened::Before(open, at) => {
                if open.is_durable().await {
                    return Ok(at);
                }
                return Err(ApiError::unavailable("the store cannot be written"));
            }
            Reopened::Ended(at) => return Ok(at),
        };
        // The work goes on although the caller may not wait: the redrive must not be half done.
        let this = self.clone();
        let done = tokio::spawn(async move {
            let redriven = open.engine_journal.redrive(time_of(now)).await;
            match &redriven {
                Ok(_) => {
                    open.set_started(Started::Durable);
                    this.drive(Arc::clone(&open));
                }
                Err(_) => {
                    open.set_started(Started::Failed);
                    this.lock().remove(&open.record);
                }
            }
            redriven
        });
        match done.await {
            Ok(Ok(_)) => Ok(now),
            Ok(Err(RedriveError::Journal(error))) => Err(ApiError::unavailable(error.to_string())),
            Ok(Err(why)) => Err(refused(why.to_string())),
            Err(_) => Err(ApiError::unavailable("the redrive failed")),
        }
    }

    /// Opens an execution that has ended, unless this client token has redriven it.
    fn reopen(
        &self,
        machine: &str,
        name: &str,
        token: Option<&str>,
        now: Moment,
    ) -> Result<Reopened, ApiError> {
        let mut set = self.lock();
        let named = set.named(machine, name);
        let open = named.map(|number| self.awake(&mut set, number)).transpose()?.flatten();
        if let Some(open) = open.filter(|open| open.end().is_none()) {
            let at = known(&open.record, token, now);
            let at = at.ok_or_else(|| refused("Execution is RUNNING and cannot be redriven".into()))?;
            return Ok(Reopened::Before(open, at));
        }
        let execution = self.closed(machine, name)?.ok_or_else(|| refused("there is no execution".into()))?;
        if let Some(at) = known(&execution, token, now) {
            return Ok(Reopened::Ended(at));
        }
        if let Some(why) = self.not_redrivable(&execution)? {
            return Err(refused(why));
        }
        refuse_too_many(&set)?;
        let closed = execution.closed_key();
        let mut record = Execution { end: None, ..execution };
        record.redrives.push(Redrive { at: now, token: token.map(str::to_owned) });
        let open = self.open(record, Started::NotYet);
        open.journal.reopen(closed);
        set.insert(open.clone());
        Ok(Reopened::Now(open))
    }
}

/// An execution that is to run again.
enum Reopened {
    Now(Arc<Open>),
    /// A redrive of the same client token came before, and the execution runs.
    Before(Arc<Open>, Moment),
    /// The same, and the execution has ended again.
    Ended(Moment),
}

fn refused(why: String) -> ApiError {
    ApiError::new("ExecutionNotRedrivable", why)
}

/// When an execution was redriven by this client token.
fn known(execution: &Execution, token: Option<&str>, now: Moment) -> Option<Moment> {
    let token = token?;
    let mut last = execution.redrives.iter().rev().take(TOKENS_KNOWN);
    let found = last.find(|redrive| redrive.token.as_deref() == Some(token))?;
    (now.0 - found.at.0 <= TOKEN_KNOWN).then_some(found.at)
}
