//! Reasons to stop a lane, and redrives.

use job::run::{CaughtError, RunRef, StopRequest, WorkResponse};
use job::{ErrorName, Invocation, SegmentKey};
use testing::{HttpServer, JobFile, response};

use crate::world::{Setup, World, codes};

fn job(server: &HttpServer, more: &str) -> String {
    JobFile::get(format!("{}{{{{ line }}}}", server.url("/")))
        .limit("default", "rate = \"unlimited\"\nin_flight = 100")
        .tables(more)
        .to_string()
}

async fn stop(world: &World, key: &str) {
    world.objects.put(key, r#"{"reason":"the user said so"}"#).await.unwrap();
}

#[tokio::test]
async fn stop_marker_prevents_the_first_request() {
    let server = HttpServer::start(|_, _| response(200, ""));
    let keys = RunRef {
        format: job::run::FORMAT,
        bucket: String::new(),
        job: "j".into(),
        file: String::new(),
        id: "r".into(),
        generation: 0,
    }
    .keys();
    for key in [keys.stop_run(0), keys.stop_lane(0, "lane")] {
        let world = Setup::numbered(&job(&server, ""), 5).build().await;
        stop(&world, &key).await;
        let error = world.work().await.unwrap_err();
        assert_eq!(error.name, ErrorName::LaneStopped);
        assert!(error.message.contains("the user said so"), "{error}");
    }
    let world = Setup::numbered(&job(&server, ""), 5).build().await;
    stop(&world, &keys.stop_lane(0, "other")).await;
    stop(&world, &keys.stop_run(1)).await;
    assert_eq!(world.done().await.len(), 5, "other lanes and generations do not matter");
}

#[tokio::test]
async fn stop_marker_is_found_while_sending() {
    let server = HttpServer::start(|_, _| response(200, ""));
    let slow = JobFile::get(server.url("/")).limit("default", "rate = \"50/s\"").to_string();
    let world = Setup::numbered(&slow, 5_000).build().await;
    let marker = async {
        while server.count() < 3 {
            tokio::task::yield_now().await;
        }
        stop(&world, &world.request.run.keys().stop_run(0)).await;
    };
    let (result, ()) = tokio::join!(world.work(), marker);
    assert_eq!(result.unwrap_err().name, ErrorName::LaneStopped);
    assert_eq!(world.results().await.len(), server.count(), "every received response is kept");
}

#[tokio::test]
async fn wrong_key_costs_a_hundred_requests() {
    let server = HttpServer::start(|n, _| response(if n % 12 == 0 { 404 } else { 401 }, ""));
    let world = Setup::numbered(&job(&server, ""), 5000).build().await;
    let error = world.work().await.unwrap_err();
    assert_eq!(error.name, ErrorName::LaneStopped);
    assert!(error.message.contains("91 of the first 100"), "{error}");
    assert_eq!((server.count(), world.results().await.len()), (100, 100));
    // The lane's other batches fail without a request.
    assert_eq!(world.work().await.unwrap_err().name, ErrorName::LaneStopped);
    assert_eq!(server.count(), 100);
}

#[tokio::test]
async fn neighbouring_refusals_do_not_stop_the_lane() {
    // At the head, and as every second line.
    for refused in [(|line| line <= 200) as fn(usize) -> bool, |line| line % 2 == 0] {
        let server = HttpServer::start(move |_, seen| {
            response(if refused(seen.uri[1..].parse().unwrap()) { 403 } else { 200 }, "")
        });
        let world = Setup::numbered(&job(&server, ""), 600).build().await;
        let lines = world.done().await;
        assert!(
            lines
                .iter()
                .all(|line| (line.error() == "http_403") == refused(usize::try_from(line.n).unwrap()))
        );
    }
}

#[tokio::test]
async fn some_refusals_do_not_stop_the_lane() {
    let server = HttpServer::start(|n, _| response(if n % 5 == 0 { 200 } else { 403 }, ""));
    let world = Setup::numbered(&job(&server, ""), 500).build().await;
    assert_eq!(world.done().await.len(), 500);
}

#[tokio::test]
async fn small_batch_gets_its_verdict_at_the_end() {
    let server = HttpServer::start(|_, _| response(403, ""));
    let world = Setup::numbered(&job(&server, ""), 20).build().await;
    assert_eq!(world.work().await.unwrap_err().name, ErrorName::LaneStopped);
    let world = Setup::numbered(&job(&server, ""), 19).build().await;
    assert_eq!(world.done().await.len(), 19);
}

#[tokio::test]
async fn too_many_failures_fail_the_step() {
    let server = HttpServer::start(|_, seen| {
        response(if seen.uri[1..].parse::<u32>().unwrap() <= 5 { 404 } else { 200 }, "")
    });
    // A tolerance of 25% lets half of a batch fail.
    let tolerated = job(&server, "[failure]\ntolerated = \"25%\"");
    assert_eq!(Setup::numbered(&tolerated, 10).build().await.done().await.len(), 10);
    let world = Setup::numbered(&tolerated, 9).build().await;
    let error = world.work().await.unwrap_err();
    assert_eq!(error.name, ErrorName::TooManyFailures);
    assert!(error.message.contains("5 of 9") && error.message.contains("http_404 (5 times)"), "{error}");
    assert_eq!(world.results().await.len(), 9, "after all its lines are done");
}

#[tokio::test]
async fn redrive_sends_failed_lines_again() {
    let server = HttpServer::start(|n, seen| response(if n < 4 && seen.uri != "/1" { 404 } else { 200 }, ""));
    let mut world = Setup::numbered(&job(&server, ""), 4).build().await;
    assert_eq!(codes(&world.done().await), ["ok", "http_404", "http_404", "http_404"]);
    // A failure of this generation is done; one of an earlier generation is absent.
    world.done().await;
    assert_eq!(server.count(), 4);
    world.request.run.generation = 1;
    let done = world.work().await.unwrap();
    assert!(matches!(done, WorkResponse::Done { ok: 4, failed: 0, .. }), "{done:?}");
    assert_eq!(server.count(), 7);
    let mut generations: Vec<_> =
        world.segments().await.iter().map(|(segment, _)| segment.invocation().generation()).collect();
    generations.dedup();
    assert_eq!(generations, [0, 1]);
}

#[tokio::test]
async fn unknown_outcome_is_sent_again_only_on_request() {
    let server = HttpServer::start(|_, _| response(200, ""));
    let mut world = Setup::numbered(&job(&server, ""), 1).build().await;
    let earlier = SegmentKey::Results {
        invocation: Invocation::new(0, 1, 1),
        k: 0,
        ok: 0,
        failed: 1,
        throttled: 0,
        sent: 1,
    };
    world
        .objects
        .put(&(world.prefix() + &earlier.name()), "{\"n\":1,\"error\":\"outcome_unknown\"}\n")
        .await
        .unwrap();
    world.request.run.generation = 1;
    assert!(matches!(world.work().await.unwrap(), WorkResponse::Done { failed: 1, .. }));
    world.request.run.generation = 2;
    let claim = world.request.run.keys().claim(2);
    world.objects.put(&claim, r#"{"execution":"e","include_unknown":true}"#).await.unwrap();
    assert!(matches!(world.work().await.unwrap(), WorkResponse::Done { ok: 1, .. }));
    assert_eq!(server.count(), 1);
}

async fn fail_lane(world: &World, error: &str, cause: &str) -> String {
    let stopped = CaughtError { error: error.to_owned(), cause: cause.to_owned() };
    let (run, lane) = (world.request.run.clone(), world.request.lane.clone());
    let request = StopRequest { run, lane, stopped };
    worker::stop(&world.context, request).await.unwrap().marker
}

#[tokio::test]
async fn workers_of_a_lane_that_has_failed_stop_sending() {
    let server = HttpServer::start(|_, _| response(200, ""));
    let slow = JobFile::get(server.url("/")).limit("default", "rate = \"50/s\"").to_string();
    let world = Setup::numbered(&slow, 5_000).build().await;
    let failed = async {
        while server.count() < 3 {
            tokio::task::yield_now().await;
        }
        fail_lane(&world, "States.ExceedToleratedFailureThreshold", "The specified threshold").await
    };
    let (result, marker) = tokio::join!(world.work(), failed);
    let error = result.unwrap_err();
    assert_eq!(error.name, ErrorName::LaneStopped);
    assert!(error.message.contains("more of its batches failed than the job tolerates"), "{error}");
    assert_eq!(marker, world.request.run.keys().stop_lane(0, "lane"));
    assert_eq!(world.results().await.len(), server.count(), "every received response is kept");
}

#[tokio::test]
async fn a_lane_that_has_failed_names_the_error_and_keeps_the_first_reason() {
    let server = HttpServer::start(|_, _| response(200, ""));
    let world = Setup::numbered(&job(&server, ""), 5).build().await;
    fail_lane(&world, "States.ItemReaderFailed", "no\nmanifest").await;
    fail_lane(&world, "Another", "").await;
    let error = world.work().await.unwrap_err();
    assert!(error.message.ends_with("it ended with States.ItemReaderFailed: no manifest"), "{error}");
    assert_eq!(server.count(), 0);
}
