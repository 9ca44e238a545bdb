//! What starts executions by itself: uploads of inputs of jobs, and uploads that a rule names.
//!
//! A trigger is durable before its upload is answered, and stays until its execution is. Its name is made of the
//! object's key and ETag, so a trigger that is repeated after a crash is the same execution. Triggers of one queue
//! start one after the other, each when the execution before it has ended; those that wait are on disk only.

mod body;

use std::collections::HashSet;
use std::io;
use std::ops::Bound;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use s3::Written;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::api::{Api, ApiError, Input};
use crate::arn::Place;
use crate::catalog::Moment;
use crate::executions::Open;
use crate::jobs::{Jobs, MACHINE};
use crate::settings::Rule;
use crate::store::{Batch, Entries, KeyWriter, Space, Store, StoreError};

/// Objects that are being published.
const PENDING: u8 = b'p';
/// Triggers that wait, by queue and number.
const WAITING: u8 = b'w';
/// The wait before the start of an execution is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// The triggers of a server. Clones share them.
#[derive(Clone)]
pub(crate) struct Triggers(Arc<Shared>);

struct Shared {
    store: Store,
    place: Place,
    jobs: Arc<dyn Jobs>,
    objects: s3::Service,
    rules: Vec<Rule>,
    /// The requests with an idempotency key that are under way.
    requests: Mutex<HashSet<Vec<u8>>>,
    api: OnceLock<Weak<Api>>,
    /// The queues that a task works on.
    working: Mutex<HashSet<String>>,
    last: AtomicU64,
    stop: CancellationToken,
}

/// An execution that is to be started.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Trigger {
    /// The name or the ARN of the machine.
    pub(crate) machine: String,
    /// The name of the execution.
    pub(crate) name: String,
    pub(crate) input: String,
    /// Whether the next trigger of the queue waits for the end of the execution.
    pub(crate) in_order: bool,
}

impl Triggers {
    pub(crate) fn new(
        store: Store,
        place: Place,
        jobs: Arc<dyn Jobs>,
        objects: s3::Service,
        rules: Vec<Rule>,
        stop: CancellationToken,
    ) -> Self {
        Self(Arc::new(Shared {
            store,
            place,
            jobs,
            objects,
            rules,
            requests: Mutex::default(),
            api: OnceLock::new(),
            working: Mutex::default(),
            last: AtomicU64::new(0),
            stop,
        }))
    }

    /// Starts what waits: triggers of the process before this one, and those of uploads that it has published and not
    /// answered.
    pub(crate) async fn resume(&self, api: &Arc<Api>) -> Result<(), StoreError> {
        // A second API would be a bug of the caller; the first one stays.
        let _ = self.0.api.set(Arc::downgrade(api));
        self.recover().await?;
        self.queues()?.into_iter().for_each(|queue| self.work(queue));
        Ok(())
    }

    /// Makes triggers of the objects that were being published when the server ended, and that are there.
    async fn recover(&self) -> Result<(), StoreError> {
        let mut pending: Vec<Written> = Vec::new();
        self.0.store.for_each(Space::Triggers, &[PENDING], |_, value| {
            pending.push(crate::store::json(value)?);
            Ok(())
        })?;
        for object in pending {
            let found = self.0.objects.written(&object.bucket, &object.key);
            let found = found.map_err(|error| StoreError::Broken(error.to_string()))?;
            let batch = if found.as_ref() == Some(&object) {
                self.triggered(&object).0
            } else {
                let mut batch = Batch::default();
                batch.remove(Space::Triggers, pending_key(&object));
                batch
            };
            self.0.store.commit(batch).await?;
        }
        Ok(())
    }

    /// The queues in which triggers wait.
    fn queues(&self) -> Result<Vec<String>, StoreError> {
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

    /// Does what the upload of an object does. Returns whether it starts anything.
    pub(crate) async fn uploaded(&self, object: &Written) -> Result<bool, StoreError> {
        let (batch, queues) = self.triggered(object);
        let starts = !queues.is_empty();
        if starts {
            self.0.store.commit(batch).await?;
            queues.into_iter().for_each(|queue| self.work(queue));
        }
        Ok(starts)
    }

    pub(crate) fn jobs(&self) -> &dyn Jobs {
        &*self.0.jobs
    }

    /// Adds a trigger to a queue. It is on disk when this returns.
    pub(crate) async fn add(&self, queue: String, trigger: Trigger) -> Result<(), StoreError> {
        let mut batch = Batch::default();
        let queue = self.put(&mut batch, (queue, trigger));
        self.0.store.commit(batch).await?;
        self.work(queue);
        Ok(())
    }

    /// The first runs whose triggers are on disk, of one job or of all, at most `limit`.
    pub(crate) fn queued(&self, job: Option<&str>, limit: usize) -> Result<Vec<Queued>, StoreError> {
        let prefix = match job {
            Some(job) => queue_prefix(&queue_of_job(job)),
            None => KeyWriter::default().byte(WAITING).bytes(b"job/").done(),
        };
        let found = self.0.store.page(Space::Triggers, &prefix, Bound::Included(prefix.clone()), limit)?;
        let mut queued = Vec::new();
        for (_, value) in found {
            let trigger: Trigger = crate::store::json(&value)?;
            if let Some((job, file)) = place_of_event(&trigger.input) {
                queued.push(Queued { run: trigger.name, job, file });
            }
        }
        Ok(queued)
    }

    fn requests(&self) -> MutexGuard<'_, HashSet<Vec<u8>>> {
        self.0.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a trigger to a batch, and returns its queue, which is to be worked on when the batch is on disk.
    pub(crate) fn put(&self, batch: &mut Batch, (queue, trigger): (String, Trigger)) -> String {
        batch.put_json(Space::Triggers, self.waiting_key(&queue), &trigger);
        queue
    }

    /// The changes by which the triggers of an object become durable, and their queues.
    fn triggered(&self, object: &Written) -> (Batch, Vec<String>) {
        let (mut batch, mut queues) = (Batch::default(), Vec::new());
        batch.remove(Space::Triggers, pending_key(object));
        let event = self.event(object);
        let mut put = |queue: String, machine: &str, in_order: bool| {
            let name = execution_name(&queue, &object.bucket, &object.key, &object.etag);
            let input = event.to_string();
            let trigger = Trigger { machine: machine.to_owned(), name, input, in_order };
            queues.push(self.put(&mut batch, (queue, trigger)));
        };
        if let Some(queue) = self.queue(object) {
            put(queue_of_job(&queue), MACHINE, true);
        }
        let hash = hash_of(&[&object.bucket, &object.key, &object.etag]);
        for rule in self.0.rules.iter().filter(|rule| rule.fits(&object.key)) {
            put(format!("rule/{}/{hash}", rule.machine), &rule.machine, false);
        }
        (batch, queues)
    }

    /// The queue of a run of a job, whose inputs are in the bucket of the state folder.
    fn queue(&self, object: &Written) -> Option<String> {
        let queue = self.0.jobs.queue(&object.key, object.size);
        queue.filter(|_| object.bucket == s3::BUCKET)
    }

    fn fits(&self, object: &Written) -> bool {
        self.0.rules.iter().any(|rule| rule.fits(&object.key)) || self.queue(object).is_some()
    }

    /// The event of an upload (Amazon S3 User Guide, "EventBridge event message structure").
    fn event(&self, object: &Written) -> serde_json::Value {
        let Place { region, account } = &self.0.place;
        json!({
            "version": "0",
            "id": uuid::Uuid::new_v4().to_string(),
            "detail-type": "Object Created",
            "source": "aws.s3",
            "account": account,
            "time": crate::executions::rfc3339(Moment(Moment::now().0 / 1_000_000 * 1_000_000)),
            "region": region,
            "resources": [format!("arn:aws:s3:::{}", object.bucket)],
            "detail": {
                "version": "0",
                "bucket": { "name": object.bucket },
                "object": { "key": object.key, "size": object.size, "etag": object.etag },
                "requester": account,
            },
        })
    }

    /// Works on a queue until nothing waits in it, unless a task does so already.
    pub(crate) fn work(&self, queue: String) {
        if self.working().insert(queue.clone()) {
            let this = self.clone();
            tokio::spawn(async move { this.work_on(&queue).await });
        }
    }

    async fn work_on(&self, queue: &str) {
        loop {
            let next = {
                let mut working = self.working();
                match self.first(queue).map(|found| found.into_iter().next()) {
                    Ok(Some(found)) => found,
                    // The next trigger of the queue begins to work on it again.
                    Ok(None) | Err(_) => {
                        working.remove(queue);
                        return;
                    }
                }
            };
            if self.0.stop.is_cancelled() {
                return;
            }
            let (key, value) = next;
            let done = match crate::store::json::<Trigger>(&value) {
                Ok(trigger) => self.start(&trigger).await,
                Err(error) => Err(error.into()),
            };
            match done {
                Ok(Done::Ended) => {}
                Ok(Done::Interrupted) => return,
                Err(error) if error.status.is_server_error() => {
                    tokio::time::sleep(RETRY).await;
                    continue;
                }
                Err(error) => eprintln!("an upload starts no execution: {}", error.message),
            }
            let mut batch = Batch::default();
            batch.remove(Space::Triggers, key);
            if self.0.store.commit(batch).await.is_err() {
                // The store has failed, and with it the server.
                return;
            }
        }
    }

    fn first(&self, queue: &str) -> Result<Entries, StoreError> {
        let prefix = queue_prefix(queue);
        self.0.store.page(Space::Triggers, &prefix, Bound::Included(prefix.clone()), 1)
    }

    /// Starts the execution, and waits for its end if the queue is to wait.
    async fn start(&self, trigger: &Trigger) -> Result<Done, ApiError> {
        let Some(api) = self.0.api.get().and_then(Weak::upgrade) else { return Ok(Done::Interrupted) };
        let open = match start(&api, trigger).await {
            // It has ended before.
            Err(error) if error.code == "ExecutionAlreadyExists" => return Ok(Done::Ended),
            open => open?,
        };
        if trigger.in_order {
            tokio::select! {
                _ = open.ended() => {}
                () = self.0.stop.cancelled() => return Ok(Done::Interrupted),
            }
        }
        Ok(Done::Ended)
    }

    fn waiting_key(&self, queue: &str) -> Vec<u8> {
        let now = u64::try_from(Moment::now().0).unwrap_or_default();
        let next = |last: u64| Some(now.max(last + 1));
        let last = self.0.last.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
        let number = now.max(last.unwrap_or_default() + 1);
        KeyWriter::default().bytes(&queue_prefix(queue)).number(number).done()
    }

    fn working(&self) -> MutexGuard<'_, HashSet<String>> {
        self.0.working.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How the work on a trigger ended.
enum Done {
    Ended,
    /// The server ends; the next start goes on.
    Interrupted,
}

async fn start(api: &Api, trigger: &Trigger) -> Result<Arc<Open>, ApiError> {
    let machine = &trigger.machine;
    let arn = if machine.starts_with("arn:") { machine.clone() } else { api.place.machine(machine) };
    let members =
        [("stateMachineArn", arn), ("name", trigger.name.clone()), ("input", trigger.input.clone())];
    let members = members.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
    api.executions.start(api.new_execution(&Input(members))?).await
}

impl s3::Observer for Triggers {
    fn before(&self, object: &Written) -> io::Result<()> {
        if !self.fits(object) {
            return Ok(());
        }
        let mut batch = Batch::default();
        batch.put_json(Space::Triggers, pending_key(object), object);
        self.0.store.commit_blocking(batch).map_err(io::Error::other)
    }

    fn after(&self, object: &Written) -> io::Result<()> {
        if !self.fits(object) {
            return Ok(());
        }
        let (batch, queues) = self.triggered(object);
        self.0.store.commit_blocking(batch).map_err(io::Error::other)?;
        queues.into_iter().for_each(|queue| self.work(queue));
        Ok(())
    }
}

/// The queue of the runs of a job.
pub(crate) fn queue_of_job(job: &str) -> String {
    format!("job/{job}")
}

fn pending_key(object: &Written) -> Vec<u8> {
    let key = KeyWriter::default().byte(PENDING).text(&object.bucket).text(&object.key);
    key.text(&object.etag).done()
}

fn queue_prefix(queue: &str) -> Vec<u8> {
    KeyWriter::default().byte(WAITING).text(queue).done()
}

/// The queue of the key of a trigger that waits.
fn queue_of(key: &[u8]) -> String {
    let name = key[1..].split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(name).into_owned()
}

/// The name of the execution that an upload starts.
fn execution_name(queue: &str, bucket: &str, key: &str, etag: &str) -> String {
    format!("upload-{}", hash_of(&[queue, bucket, key, etag]))
}

/// The job and the file of the event of an input.
pub(crate) fn place_of_event(event: &str) -> Option<(String, String)> {
    let event: serde_json::Value = serde_json::from_str(event).ok()?;
    let key = event["detail"]["object"]["key"].as_str()?;
    let (job, file) = key.strip_prefix("jobs/")?.split_once("/input/")?;
    Some((job.to_owned(), file.to_owned()))
}

/// A run of a job whose trigger is on disk.
pub(crate) struct Queued {
    /// The name of its execution, which may have begun.
    pub(crate) run: String,
    pub(crate) job: String,
    pub(crate) file: String,
}

fn hash_of(parts: &[&str]) -> String {
    let mut hasher = blake3::Hasher::new();
    parts.iter().for_each(|part| _ = hasher.update(part.as_bytes()).update(&[0]));
    hasher.finalize().to_hex()[..20].to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use s3::Observer;

    use super::*;
    use crate::jobs::{Content, JobsError, RunOutputs};

    struct Inputs;

    fn nothing() -> JobsError {
        JobsError::Unavailable("these jobs have no steps".into())
    }

    #[async_trait::async_trait]
    impl Jobs for Inputs {
        fn definition(&self) -> &str {
            "{}"
        }

        fn queue(&self, key: &str, _size: u64) -> Option<String> {
            key.strip_prefix("jobs/")?.split_once("/input/").map(|(job, _)| job.to_owned())
        }

        async fn call(
            &self,
            _: &states::Host,
            _: &engine::TaskCall,
            _: &str,
        ) -> Result<serde_json::Value, engine::TaskError> {
            Err(engine::TaskError::Interrupted)
        }

        fn ended(&self, _: &str) {}

        async fn upload(&self, _: &str, _: Content) -> Result<String, JobsError> {
            Err(nothing())
        }

        async fn check(&self, _: &str, _: &str) -> Result<(), JobsError> {
            Err(nothing())
        }

        async fn set(&self, _: &str, _: String) -> Result<(), JobsError> {
            Err(nothing())
        }

        async fn stop(&self, _: &str) -> Result<bool, JobsError> {
            Err(nothing())
        }

        async fn outputs(&self, _: &str, _: &str, _: &str) -> Result<Option<RunOutputs>, JobsError> {
            Err(nothing())
        }

        async fn read(&self, _: &str) -> Result<Content, JobsError> {
            Err(nothing())
        }
    }

    /// A crash between the two calls of the store leaves the object there or not.
    #[tokio::test]
    async fn an_upload_that_was_published_before_a_crash_waits_after_it_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let objects = s3::Service::open(&folder.path().join("objects")).unwrap();
        let client = s3::client_of(objects.clone());
        let store = Store::open(&folder.path().join("store")).unwrap();
        let place = Place { region: "us-east-1".into(), account: "000000000000".into() };
        let rules = vec![Rule { prefix: "in/".into(), suffix: ".csv".into(), machine: "etl".into() }];
        let triggers = Triggers::new(
            store.clone(),
            place,
            Arc::new(Inputs),
            objects.clone(),
            rules,
            CancellationToken::new(),
        );
        let absent =
            Written { bucket: s3::BUCKET.into(), key: "jobs/c/input/x".into(), etag: "e".into(), size: 1 };
        let mut begun = vec![absent];
        for key in ["jobs/a/input/x", "jobs/b/input/x", "in/x.csv", "in/x.txt", "jobs/a/output/x"] {
            client.put_object().bucket(s3::BUCKET).key(key).send().await.unwrap();
            begun.push(objects.written(s3::BUCKET, key).unwrap().unwrap());
        }
        let observer = triggers.clone();
        tokio::task::spawn_blocking(move || {
            begun.iter().for_each(|object| observer.before(object).unwrap());
        })
        .await
        .unwrap();
        // Replaced before the crash: that upload has a trigger of its own.
        client.put_object().bucket(s3::BUCKET).key("jobs/b/input/x").send().await.unwrap();
        for _ in 0..2 {
            triggers.recover().await.unwrap();
            let queues = triggers.queues().unwrap();
            assert_eq!(queues.len(), 2, "{queues:?}");
            assert_eq!(queues[0], "job/a");
            assert!(queues[1].starts_with("rule/etl/"), "{queues:?}");
        }
        let (_, waiting) = triggers.first("job/a").unwrap().remove(0);
        let trigger: Trigger = crate::store::json(&waiting).unwrap();
        let event: serde_json::Value = serde_json::from_str(&trigger.input).unwrap();
        assert_eq!(event["detail"]["object"]["key"], "jobs/a/input/x");
        assert!(trigger.in_order && trigger.machine == MACHINE);
        assert!(store.page(Space::Triggers, &[PENDING], Bound::Unbounded, 1).unwrap().is_empty());
    }
}
