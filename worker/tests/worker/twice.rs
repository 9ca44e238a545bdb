//! Two calls for the same batch at the same time: Step Functions promises at least one call of a task.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use job::run::{WorkRequest, WorkResponse};
use job::wire::LineResult;
use job::{SegmentKey, StepError};
use testing::{HttpServer, JobFile, response};
use tokio::sync::Mutex;

use crate::world::{Setup, World};

const LINES: usize = 400;

async fn world(method: &str, server: &HttpServer) -> World {
    let job = JobFile::with_method(method, format!("{}{{{{ line }}}}", server.url("/")))
        .limit("default", "rate = \"unlimited\"\nin_flight = 4")
        .to_string();
    let mut setup = Setup::numbered(&job, LINES);
    setup.settings.flush_every = Duration::from_millis(5);
    setup.build().await
}

/// Works until the batch is done, as the state machine does. Two calls that met would pause for different
/// times; here they continue one after the other.
async fn to_the_end(world: &World, apart: &Mutex<()>) -> Result<(), StepError> {
    let (mut request, mut alone): (WorkRequest, _) = (world.request.clone(), None);
    loop {
        match worker::work(&world.context, request).await? {
            WorkResponse::Done { .. } => return Ok(()),
            WorkResponse::Paused { request: next, wait_seconds } => {
                assert!(wait_seconds >= 5 || alone.is_some(), "{wait_seconds}");
                request = next;
                if alone.is_none() {
                    alone = Some(apart.lock().await);
                }
            }
        }
    }
}

/// How often each line was sent.
fn sent(server: &HttpServer) -> BTreeMap<String, usize> {
    server.requests().into_iter().fold(BTreeMap::new(), |mut sent, seen| {
        *sent.entry(seen.uri).or_default() += 1;
        sent
    })
}

/// The lines that have a success, or any result.
async fn lines(world: &World, only_ok: bool) -> BTreeSet<u64> {
    let mut lines = BTreeSet::new();
    for (segment, body) in world.segments().await {
        if matches!(segment, SegmentKey::Results { .. }) {
            let results = body
                .split(|byte| *byte == b'\n')
                .filter(|line| !line.is_empty())
                .map(|line| LineResult::parse(line).unwrap());
            lines.extend(results.filter(|result| !only_ok || result.ok()).map(|result| result.n.number()));
        }
    }
    lines
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_post_is_sent_once() {
    for _ in 0..5 {
        let server = HttpServer::start(|_, _| response(200, ""));
        let (world, apart) = (world("POST", &server).await, Mutex::default());
        let called =
            tokio::join!(to_the_end(&world, &apart), to_the_end(&world, &apart), to_the_end(&world, &apart));
        assert!(matches!(called, (Ok(()), Ok(()), Ok(()))), "{called:?}");
        let sent = sent(&server);
        assert!(
            sent.values().all(|count| *count == 1),
            "{:?}",
            sent.iter().filter(|(_, count)| **count > 1).collect::<Vec<_>>()
        );
        assert_eq!(lines(&world, false).await.len(), LINES, "every line has an outcome");
        assert_eq!(lines(&world, true).await.len(), sent.len(), "every response is kept");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_get_is_sent_twice_at_most() {
    let server = HttpServer::start(|_, _| response(200, ""));
    let (world, apart) = (world("GET", &server).await, Mutex::default());
    let called = tokio::join!(to_the_end(&world, &apart), to_the_end(&world, &apart));
    assert!(matches!(called, (Ok(()), Ok(()))), "{called:?}");
    assert!(sent(&server).values().all(|count| *count <= 2));
    assert_eq!(lines(&world, true).await.len(), LINES);
    let before = server.count();
    to_the_end(&world, &apart).await.unwrap();
    assert_eq!(server.count(), before, "once more, and nothing is sent");
}
