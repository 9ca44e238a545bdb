#![allow(clippy::unwrap_used)]
use s3::Observer;

use super::*;
use std::ops::Bound;

use crate::jobs::{Content, JobsError, LaneChange, RunOutputs};

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

    fn live(&self, _: &str) -> Option<crate::jobs::LiveRun> {
        None
    }

    fn live_runs(&self) -> Vec<(String, crate::jobs::LiveRun)> {
        Vec::new()
    }

    async fn change_lane(&self, _: &str, _: &str, _: LaneChange) -> Result<Option<()>, JobsError> {
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
    let rules = vec![Rule { prefix: "in/".into(), suffix: ".csv".into(), machine: "etl".into() }];
    let settings = Settings { rules, ..Settings::default() };
    let triggers =
        Triggers::new(store.clone(), &settings, Arc::new(Inputs), objects.clone(), CancellationToken::new());
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
