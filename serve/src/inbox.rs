//! What waits for a person: the tasks whose outcome comes by token, and the outcomes that were sent.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use engine::{Resource, TaskCall, TaskTokens};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use states::services::Activities;

use crate::catalog::Moment;
use crate::notify::{Note, Notes};
use crate::store::{Batch, KeyWriter, Space, Store, StoreError, json};

/// The tasks of all executions. Clones share them.
#[derive(Clone)]
pub(crate) struct Inbox(Arc<Shared>);

struct Shared {
    store: Store,
    tokens: TaskTokens,
    activities: Activities,
    notes: Notes,
    begun: Instant,
    /// The tasks of the store, oldest first, with their ids.
    order: Mutex<BTreeSet<(Moment, String)>>,
}

/// After this time since the start of the server, every execution that has not ended has handed over its tasks again.
const SETTLED: Duration = Duration::from_secs(600);

/// A task that waits, as it is stored.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Waiting {
    pub(crate) token: String,
    pub(crate) since: Moment,
    /// The ARN of the execution; of the parent, if it is a child of a Map Run.
    pub(crate) execution: String,
    pub(crate) state: String,
    /// The ARN of the activity, unless it waits for a token that the task has sent elsewhere.
    pub(crate) activity: Option<String>,
    pub(crate) input: Value,
    pub(crate) until: Option<Moment>,
}

/// An outcome that was sent, as it is stored.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Sent {
    pub(crate) at: Moment,
    /// The id of the key.
    pub(crate) by: String,
    pub(crate) execution: String,
    pub(crate) state: String,
    pub(crate) succeeded: bool,
    /// The output, or the error and its cause.
    pub(crate) outcome: String,
}

impl Waiting {
    /// The name of the task in addresses, which does not tell the token.
    pub(crate) fn id(&self) -> String {
        id_of(&self.token)
    }
}

impl Inbox {
    pub(crate) fn open(
        store: Store,
        tokens: TaskTokens,
        activities: Activities,
        notes: Notes,
    ) -> Result<Self, StoreError> {
        let mut order = BTreeSet::new();
        store.for_each(Space::Inbox, b"w", |_, value| {
            let waiting: Waiting = json(value)?;
            order.insert((waiting.since, waiting.id()));
            Ok(())
        })?;
        let (begun, order) = (Instant::now(), Mutex::new(order));
        Ok(Self(Arc::new(Shared { store, tokens, activities, notes, begun, order })))
    }

    fn order(&self) -> MutexGuard<'_, BTreeSet<(Moment, String)>> {
        self.0.order.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A task begins to wait. The record is before the progress of the execution in the store.
    pub(crate) fn add(&self, call: &TaskCall) {
        let Some(token) = call.token.clone() else { return };
        let store = &self.0.store;
        // After a crash the task is handed over again.
        if store.get(Space::Inbox, &waiting_key(&token)).is_ok_and(|found| found.is_some()) {
            return;
        }
        let since = Moment::now();
        let until = call.timeout.and_then(|timeout| i64::try_from(timeout.as_micros()).ok());
        let execution = call.map_run.as_ref().map_or(&call.execution, |run| &run.execution);
        let activity = match &call.resource {
            Resource::Activity(arn) => Some(arn.clone()),
            _ => None,
        };
        let waiting = Waiting {
            since,
            execution: execution.clone(),
            state: call.state.clone(),
            activity,
            input: call.parameters.clone(),
            until: until.map(|until| Moment(since.0.saturating_add(until))),
            token,
        };
        let mut batch = Batch::default();
        batch.put_json(Space::Inbox, waiting_key(&waiting.token), &waiting);
        self.order().insert((since, waiting.id()));
        self.0.notes.put(&mut batch, Note::of_waiting(&waiting));
        drop(store.submit(batch));
    }

    /// The tasks that wait, oldest first, at most `limit`. Records of tasks that wait no more are removed on the way.
    pub(crate) fn list(&self, limit: usize) -> Result<Vec<Waiting>, StoreError> {
        let (mut found, mut after) = (Vec::new(), None::<(Moment, String)>);
        let mut over = Batch::default();
        while found.len() < limit {
            let from = after.map_or(Bound::Unbounded, Bound::Excluded);
            let next = self.order().range((from, Bound::Unbounded)).next().cloned();
            let Some(place) = next else { break };
            let key = [b"w", place.1.as_bytes()].concat();
            match self.0.store.get_json::<Waiting>(Space::Inbox, &key)? {
                Some(waiting) if self.is_open(&waiting) => found.push(waiting),
                Some(waiting) if !self.is_over(&waiting) => {}
                // Its record may not be written yet.
                None if Moment::now().0 - place.0.0 < 60_000_000 => {}
                _ => {
                    self.order().remove(&place);
                    over.remove(Space::Inbox, key);
                }
            }
            after = Some(place);
        }
        // What is lost in a crash is removed the next time.
        drop(self.0.store.submit(over));
        Ok(found)
    }

    /// Whether a task will never wait again: it does not now, and its execution has gone on since the server was started.
    fn is_over(&self, waiting: &Waiting) -> bool {
        !self.0.tokens.waits(&waiting.token) && self.0.begun.elapsed() > SETTLED
    }

    pub(crate) fn find(&self, id: &str) -> Result<Option<Waiting>, StoreError> {
        let found: Option<Waiting> = self.0.store.get_json(Space::Inbox, &[b"w", id.as_bytes()].concat())?;
        Ok(found.filter(|waiting| self.is_open(waiting)))
    }

    /// Whether a task waits for an outcome. That of an activity which a worker has taken is the worker's.
    fn is_open(&self, waiting: &Waiting) -> bool {
        self.0.tokens.waits(&waiting.token)
            && waiting
                .activity
                .as_ref()
                .is_none_or(|activity| self.0.activities.is_offered(activity, &waiting.token))
    }

    /// Takes the task of an activity in the name of a key, so that no worker does.
    pub(crate) fn take(&self, waiting: &Waiting, key: &str) -> bool {
        let Some(activity) = &waiting.activity else { return true };
        self.0.activities.take_by_token(activity, &waiting.token, key)
    }

    /// An outcome was sent with a token, by a key. It is on disk when this returns.
    pub(crate) async fn sent(
        &self,
        token: &str,
        by: &str,
        succeeded: bool,
        outcome: String,
    ) -> Result<(), StoreError> {
        let key = waiting_key(token);
        let Some(waiting) = self.0.store.get_json::<Waiting>(Space::Inbox, &key)? else { return Ok(()) };
        let at = Moment::now();
        let sent = Sent {
            at,
            by: by.to_owned(),
            execution: waiting.execution,
            state: waiting.state,
            succeeded,
            outcome,
        };
        let time = u64::try_from(at.0).unwrap_or_default();
        self.order().remove(&(waiting.since, id_of(token)));
        let mut batch = Batch::default();
        batch.remove(Space::Inbox, key);
        let place = KeyWriter::default().byte(b's').number(time).text(&id_of(token)).done();
        batch.put_json(Space::Inbox, place, &sent);
        self.0.store.commit(batch).await
    }

    /// The outcomes that were sent last, newest first.
    pub(crate) fn last_sent(&self, limit: usize) -> Result<Vec<Sent>, StoreError> {
        let to = Bound::Included(KeyWriter::default().byte(b's').number(u64::MAX).done());
        let found = self.0.store.page_back(Space::Inbox, b"s", to, limit)?;
        found.iter().map(|(_, value)| json(value)).collect()
    }
}

fn id_of(token: &str) -> String {
    blake3::hash(token.as_bytes()).to_hex()[..32].to_owned()
}

fn waiting_key(token: &str) -> Vec<u8> {
    [b"w", id_of(token).as_bytes()].concat()
}
