//! A store that fails.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use job::{ErrorName, LineId};
use testing::{HttpServer, JobFile, response};

use crate::store::Faults;
use crate::world::Setup;

fn job(server: &HttpServer) -> String {
    JobFile::get(server.url("/")).unlimited("default").to_string()
}

#[tokio::test]
async fn transient_store_failure_is_retried() {
    let server = HttpServer::start(|_, _| response(200, ""));
    let world = Setup::numbered(&job(&server), 10).build().await;
    world.faults.0.store(2, Ordering::SeqCst);
    assert_eq!(world.done().await.len(), 10);
    assert_eq!(server.count(), 10);
}

#[tokio::test]
async fn lasting_store_failure_fails_the_step() {
    let server = HttpServer::start(|_, _| response(200, ""));
    let world = Setup::numbered(&job(&server), 10).build().await;
    world.faults.0.store(u32::MAX, Ordering::SeqCst);
    assert_eq!(world.work().await.unwrap_err().name, ErrorName::StorageUnavailable);
    world.faults.0.store(0, Ordering::SeqCst);
    assert_eq!(world.done().await.len(), 10);
}

#[tokio::test]
async fn nothing_is_sent_while_the_store_fails() {
    let (failing, late) = (Arc::new(OnceLock::<Faults>::new()), Arc::new(AtomicUsize::new(0)));
    let (faults, counter) = (failing.clone(), late.clone());
    let server = HttpServer::start(move |_, _| {
        let failed = faults.get().is_some_and(|faults| faults.0.load(Ordering::SeqCst) < u32::MAX);
        counter.fetch_add(usize::from(failed), Ordering::SeqCst);
        response(200, "")
    });
    let world = Setup::numbered(&format!("{}\nin_flight = 8", job(&server)), 50_000).build().await;
    world.faults.0.store(u32::MAX, Ordering::SeqCst);
    failing.set(world.faults.clone()).ok();
    assert_eq!(world.work().await.unwrap_err().name, ErrorName::StorageUnavailable);
    let late = late.load(Ordering::SeqCst);
    assert!(late < 100, "{late} requests after the first failure");
}

#[tokio::test]
async fn damaged_run_is_reported() {
    let server = HttpServer::start(|_, _| response(200, ""));
    let mut world = Setup::numbered(&job(&server), 10).build().await;
    world.request.batch.to += 5;
    assert_eq!(world.work().await.unwrap_err().name, ErrorName::RunDamaged);
    world.request.batch.to -= 5;
    world
        .objects
        .put(
            &world.request.run.keys().items("lane"),
            vec![b'x'; usize::try_from(world.request.batch.to).unwrap()],
        )
        .await
        .unwrap();
    let error = world.work().await.unwrap_err();
    assert_eq!(error.name, ErrorName::RunDamaged);
    assert!(error.message.contains("items/lane.jsonl"), "{error}");
    world.request.run.id = "other".into();
    assert_eq!(world.work().await.unwrap_err().name, ErrorName::RunDamaged);
}

#[tokio::test]
async fn a_run_of_a_later_version_is_refused_before_the_first_request() {
    let server = HttpServer::start(|_, _| response(200, ""));
    let mut world = Setup::numbered(&job(&server), 10).build().await;
    let keys = world.request.run.keys();
    for key in [keys.plan(), keys.claim(0), keys.origins("lane", LineId::nth(1))] {
        let before = world.objects.find(&key).await.unwrap();
        world.objects.put(&key, r#"{"format":3}"#).await.unwrap();
        let error = world.work().await.unwrap_err();
        assert_eq!(error.name, ErrorName::RunUnknownFormat);
        assert!(error.message.starts_with(&format!("{key} has format 3")), "{error}");
        match before {
            Some(body) => drop(world.objects.put(&key, body).await.unwrap()),
            None => world.objects.delete(&key).await.unwrap(),
        }
    }
    world.request.run.format = 3;
    let error = world.work().await.unwrap_err();
    assert!(error.message.starts_with("the run j/r has format 3"), "{error}");
    assert_eq!(server.count(), 0);
    world.request.run.format = 1;
    assert_eq!(world.done().await.len(), 10);
}
