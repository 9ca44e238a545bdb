//! The triggers that wait, on disk: queues, each in the order of arrival, and where the run of a name is.

use std::ops::Bound;
use std::sync::atomic::Ordering;

use super::{Trigger, Triggers, place_of_event};
use crate::catalog::Moment;
use crate::store::{Batch, Entries, KeyWriter, Space, StoreError};

/// Triggers that wait, by queue and number.
const WAITING: u8 = b'w';
/// The keys of the triggers of runs, by the names of their executions.
const NAMED: u8 = b'n';

/// The triggers of a queue that are counted.
const COUNTED: usize = 1_000;

/// A run of a job whose trigger is on disk.
pub(crate) struct Queued {
    /// The name of its execution, which may have begun.
    pub(crate) run: String,
    pub(crate) job: String,
    pub(crate) file: String,
}

impl Triggers {
    /// Adds a trigger to a batch, and returns its queue, which is to be worked on when the batch is on disk.
    pub(crate) fn put(&self, batch: &mut Batch, (queue, trigger): (String, Trigger)) -> String {
        let key = self.waiting_key(&queue);
        if trigger.in_order {
            batch.put(Space::Triggers, named_key(&trigger.name), key.clone());
        }
        batch.put_json(Space::Triggers, key, &trigger);
        queue
    }

    /// Takes a trigger out of its queue.
    pub(super) async fn remove(&self, key: Vec<u8>, trigger: Option<&Trigger>) -> Result<(), StoreError> {
        let mut batch = Batch::default();
        if let Some(trigger) = trigger.filter(|trigger| trigger.in_order) {
            let named = named_key(&trigger.name);
            // The same run may wait a second time.
            if self.0.store.get(Space::Triggers, &named)?.as_deref() == Some(key.as_slice()) {
                batch.remove(Space::Triggers, named);
            }
        }
        batch.remove(Space::Triggers, key);
        self.0.store.commit(batch).await
    }

    /// The first runs whose triggers are on disk, of one job or of all, at most `limit`.
    pub(crate) fn queued(&self, job: Option<&str>, limit: usize) -> Result<Vec<Queued>, StoreError> {
        let prefix = match job {
            Some(job) => queue_prefix(&queue_of_job(job)),
            None => KeyWriter::default().byte(WAITING).bytes(b"job/").done(),
        };
        let found = self.0.store.page(Space::Triggers, &prefix, Bound::Included(prefix.clone()), limit)?;
        let queued = found.iter().map(|(_, value)| Ok(Queued::of(crate::store::json(value)?)));
        Ok(queued.collect::<Result<Vec<_>, StoreError>>()?.into_iter().flatten().collect())
    }

    /// The run of this name whose trigger is on disk.
    pub(crate) fn find_queued(&self, run: &str) -> Result<Option<Queued>, StoreError> {
        let Some(key) = self.0.store.get(Space::Triggers, &named_key(run))? else { return Ok(None) };
        Ok(self.0.store.get_json(Space::Triggers, &key)?.and_then(Queued::of))
    }

    /// The queues in which triggers wait.
    pub(super) fn queues(&self) -> Result<Vec<String>, StoreError> {
        let (mut queues, mut after) = (Vec::new(), vec![WAITING]);
        loop {
            let found = self.0.store.page(Space::Triggers, &[WAITING], Bound::Included(after), 1)?;
            let Some((key, _)) = found.first() else { return Ok(queues) };
            let queue = queue_of(key);
            after = queue_prefix(&queue);
            // After all keys of the queue: its name ends with a zero.
            after.pop();
            after.push(1);
            queues.push(queue);
        }
    }

    /// The first queues in which triggers wait, each with their number up to a thousand.
    pub(crate) fn waiting(&self, limit: usize) -> Result<Vec<(String, usize)>, StoreError> {
        let mut found = Vec::new();
        for queue in self.queues()?.into_iter().take(limit) {
            let prefix = queue_prefix(&queue);
            let waiting =
                self.0.store.page(Space::Triggers, &prefix, Bound::Included(prefix.clone()), COUNTED)?;
            found.push((queue, waiting.len()));
        }
        Ok(found)
    }

    /// The first trigger of a queue, and its key.
    pub(super) fn first(&self, queue: &str) -> Result<Entries, StoreError> {
        let prefix = queue_prefix(queue);
        self.0.store.page(Space::Triggers, &prefix, Bound::Included(prefix.clone()), 1)
    }

    fn waiting_key(&self, queue: &str) -> Vec<u8> {
        let now = u64::try_from(Moment::now().0).unwrap_or_default();
        let next = |last: u64| Some(now.max(last + 1));
        let last = self.0.last.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
        let number = now.max(last.unwrap_or_default() + 1);
        KeyWriter::default().bytes(&queue_prefix(queue)).number(number).done()
    }
}

impl Queued {
    fn of(trigger: Trigger) -> Option<Self> {
        let (job, file) = place_of_event(&trigger.input)?;
        Some(Self { run: trigger.name, job, file })
    }
}

/// The queue of the runs of a job.
pub(crate) fn queue_of_job(job: &str) -> String {
    format!("job/{job}")
}

/// A queue of the executions that a rule starts. They need no order, and a task works on each queue: the number of
/// queues does not depend on that of the uploads.
pub(super) fn queue_of_rule(machine: &str, hash: &str) -> String {
    format!("rule/{machine}/{}", &hash[..1])
}

fn queue_prefix(queue: &str) -> Vec<u8> {
    KeyWriter::default().byte(WAITING).text(queue).done()
}

/// The queue of the key of a trigger that waits.
fn queue_of(key: &[u8]) -> String {
    let name = key[1..].split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(name).into_owned()
}

fn named_key(run: &str) -> Vec<u8> {
    KeyWriter::default().byte(NAMED).text(run).done()
}
