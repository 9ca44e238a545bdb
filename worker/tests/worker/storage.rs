//! A store that fails.

use std::sync::atomic::Ordering;

use job::ErrorName;

use crate::server::{Server, answer};
use crate::world::Setup;

fn job(server: &Server) -> String {
    format!("[request]\nurl = \"{}\"\nallow = [\"127.0.0.1\"]\n[limits.default]\nrate = \"unlimited\"", server.url("/"))
}

#[tokio::test]
async fn a_passing_fault_is_passed_over() {
    let server = Server::start(|_, _| answer(200, "")).await;
    let world = Setup::numbered(&job(&server), 10).build().await;
    world.faults.0.store(2, Ordering::SeqCst);
    assert_eq!(world.done().await.len(), 10);
    assert_eq!(server.count(), 10);
}

#[tokio::test]
async fn a_lasting_fault_ends_the_step() {
    let server = Server::start(|_, _| answer(200, "")).await;
    let world = Setup::numbered(&job(&server), 10).build().await;
    world.faults.0.store(u32::MAX, Ordering::SeqCst);
    assert_eq!(world.work().await.unwrap_err().name, ErrorName::StorageUnavailable);
    world.faults.0.store(0, Ordering::SeqCst);
    assert_eq!(world.done().await.len(), 10);
}

#[tokio::test]
async fn a_damaged_run_is_said_so() {
    let server = Server::start(|_, _| answer(200, "")).await;
    let mut world = Setup::numbered(&job(&server), 10).build().await;
    world.request.batch.to += 5;
    assert_eq!(world.work().await.unwrap_err().name, ErrorName::RunDamaged);
    world.request.batch.to -= 5;
    world.objects.put(&world.request.run.keys().items("lane"), vec![b'x'; usize::try_from(world.request.batch.to).unwrap()]).await.unwrap();
    let error = world.work().await.unwrap_err();
    assert_eq!(error.name, ErrorName::RunDamaged);
    assert!(error.message.contains("items/lane.jsonl"), "{error}");
    world.request.run.id = "other".into();
    assert_eq!(world.work().await.unwrap_err().name, ErrorName::RunDamaged);
}
