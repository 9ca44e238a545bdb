//! A durable intent names each request that must not be repeated before the request is sent.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use job::run::WorkResponse;
use job::wire::Intents;
use job::{ErrorName, Invocation, SegmentKey};
use testing::{HttpServer, JobFile, Raw, response, response_with};

use crate::world::{Setup, World, codes};

fn job(server: &HttpServer, more: &str) -> String {
    JobFile::post(format!("{}{{{{ line }}}}", server.url("/")))
        .request("body = \"x\"")
        .request(more)
        .limit("default", "rate = \"unlimited\"\nin_flight = 8")
        .to_string()
}

/// The lines that the intents in the store have ever named, and the lines that they have taken back.
async fn named(world: &World) -> (BTreeSet<u64>, BTreeSet<u64>) {
    let (mut ever, mut open) = (BTreeSet::new(), BTreeSet::new());
    for (segment, body) in world.segments().await {
        if matches!(segment, SegmentKey::Intents { .. }) {
            let intent: Intents = serde_json::from_slice(&body).unwrap();
            intent.unsent.iter().for_each(|n| _ = open.remove(&n.number()));
            let sending: Vec<u64> = intent.sending.iter().map(|n| n.number()).collect();
            open.extend(&sending);
            ever.extend(sending);
        }
    }
    let back = ever.difference(&open).copied().collect();
    (ever, back)
}

#[tokio::test]
async fn every_line_has_an_intent_before_it_is_sent() {
    let server = HttpServer::start(|_, _| response(200, ""));
    let world = Setup::numbered(&job(&server, ""), 700).build().await;
    assert_eq!(world.done().await.len(), 700);
    assert_eq!(named(&world).await, ((1..=700).collect(), BTreeSet::new()));
    assert_eq!(server.count(), 700);
}

#[tokio::test]
async fn nothing_is_sent_without_a_durable_intent() {
    let server = HttpServer::start(|_, _| response(200, ""));
    let world = Setup::numbered(&job(&server, ""), 10).build().await;
    world.faults.0.store(1000, Ordering::SeqCst);
    assert_eq!(world.work().await.unwrap_err().name, ErrorName::StorageUnavailable);
    assert_eq!(server.count(), 0);
}

#[tokio::test]
async fn repeatable_requests_need_no_intents() {
    let server = HttpServer::start(|_, _| response(200, ""));
    let world = Setup::numbered(&job(&server, "idempotent = true"), 10).build().await;
    world.done().await;
    assert!(named(&world).await.0.is_empty());
}

#[tokio::test]
async fn lines_that_may_have_been_sent_are_not_sent_again() {
    let server = HttpServer::start(|_, _| response(200, ""));
    let world = Setup::numbered(&job(&server, ""), 5).build().await;
    let crashed = Invocation::new(0, 1, 1);
    let put = async |segment: SegmentKey, body: &str| {
        world.objects.put(&(world.prefix() + &segment.name()), body.to_owned()).await.unwrap();
    };
    put(SegmentKey::Intents { invocation: crashed.clone(), k: 0 }, r#"{"sending":[1,2,3]}"#).await;
    put(
        SegmentKey::Results { invocation: crashed.clone(), k: 0, ok: 1, failed: 0, throttled: 0, sent: 1 },
        "{\"n\":1,\"v\":[\"x\"]}\n",
    )
    .await;
    put(SegmentKey::Intents { invocation: crashed, k: 1 }, r#"{"unsent":[3]}"#).await;
    let done = world.work().await.unwrap();
    assert!(matches!(done, WorkResponse::Done { ok: 4, failed: 1, .. }), "{done:?}");
    assert_eq!(codes(&world.results().await), ["ok", "outcome_unknown", "ok", "ok", "ok"]);
    let mut sent: Vec<_> = server.requests().iter().map(|seen| seen.uri.clone()).collect();
    sent.sort();
    assert_eq!(sent, ["/3", "/4", "/5"]);
}

#[tokio::test]
async fn a_pause_takes_back_intents_of_unsent_lines() {
    let server = HttpServer::start(|n, _| {
        if n < 3 { response(200, "") } else { response_with(429, &[("retry-after", "300")], "") }
    });
    let mut world = Setup::numbered(&job(&server, ""), 100).build().await;
    let (_, next) = world.paused().await;
    let finished: BTreeSet<u64> = world.results().await.iter().map(|line| line.n).collect();
    let (sending, unsent) = named(&world).await;
    assert_eq!(finished.len(), 3);
    assert_eq!(unsent, sending.difference(&finished).copied().collect());
    // The next call may send them: no outcome is unknown.
    world.request = next;
    world.request.pace.keys.clear();
    world.paused().await;
    assert_eq!(world.results().await.len(), 3);
}

#[tokio::test]
async fn intents_cover_lines_of_many_hosts() {
    let server = HttpServer::start(|_, _| response(200, ""));
    let items = (0..600).map(|n| format!(r#""key":"host{}","v":["{n}"]"#, n % 200)).collect();
    let world = Setup::items(&job(&server, ""), items).build().await;
    assert_eq!(world.done().await.len(), 600);
    assert_eq!(named(&world).await, ((1..=600).collect(), BTreeSet::new()));
}

#[tokio::test]
async fn aborted_request_is_not_sent_again() {
    let server = HttpServer::raw(Raw::Stall(b"HTTP/1.1 ".to_vec()));
    let address = server.address();
    let job = JobFile::post(format!("http://{address}/"))
        .limit("default", "rate = \"unlimited\"\nin_flight = 2")
        .to_string();
    let mut setup = Setup::numbered(&job, 5);
    setup.settings.grace = std::time::Duration::ZERO;
    let mut world = setup.build().await;
    let (sent, watcher) = watch();
    world.context.observer = Arc::new(watcher);
    let interrupt = async {
        while sent.load(Ordering::SeqCst) < 2 {
            tokio::task::yield_now().await;
        }
        world.context.stop.cancel();
    };
    let (result, ()) = tokio::join!(world.work(), interrupt);
    assert_eq!(result.unwrap_err().name, ErrorName::Interrupted);
    let (ever, back) = named(&world).await;
    assert_eq!(
        ever.difference(&back).copied().collect::<Vec<_>>(),
        [1, 2],
        "requests that were aborted keep their intents"
    );

    world.context.stop = tokio_util::sync::CancellationToken::new();
    let (request, run) = (world.request.clone(), world.context.stop.clone());
    let stop = async {
        // The two aborted lines fail at once. The other requests go out and hang again.
        while sent.load(Ordering::SeqCst) < 4 {
            tokio::task::yield_now().await;
        }
        run.cancel();
    };
    let (result, ()) = tokio::join!(worker::work(&world.context, request), stop);
    assert_eq!(result.unwrap_err().name, ErrorName::Interrupted);
    let lines = world.results().await;
    assert_eq!(codes(&lines), ["outcome_unknown"; 2]);
    assert_eq!((lines[0].n, lines[1].n), (1, 2));
}

/// Ends a call, as a crash would, when this number of its requests are under way.
async fn dies_under_way(world: &mut World, requests: usize) {
    let (sent, watcher) = watch();
    world.context.observer = Arc::new(watcher);
    let under_way = async {
        while sent.load(Ordering::SeqCst) < requests {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        ended = world.work() => panic!("{ended:?}"),
        () = under_way => {}
    }
}

#[tokio::test]
async fn single_call_replaces_its_intent_object() {
    let server = HttpServer::start(|_, _| response(200, ""));
    let mut setup = Setup::numbered(&job(&server, ""), 700);
    setup.settings.intents = worker::Intents::Alone;
    let world = setup.build().await;
    assert_eq!(world.done().await.len(), 700);
    let intents = world
        .segments()
        .await
        .into_iter()
        .filter(|(segment, _)| matches!(segment, SegmentKey::Intents { .. }));
    assert_eq!(intents.count(), 1);
}

#[tokio::test]
async fn interrupted_requests_of_a_single_call_are_unknown() {
    let server = HttpServer::raw(Raw::Stall(b"HTTP/1.1 ".to_vec()));
    let address = server.address();
    let job = JobFile::post(format!("http://{address}/"))
        .limit("default", "rate = \"unlimited\"\nin_flight = 8")
        .to_string();
    let mut setup = Setup::numbered(&job, 1000);
    setup.settings.intents = worker::Intents::Alone;
    let mut world = setup.build().await;
    dies_under_way(&mut world, 8).await;
    let (ever, back) = named(&world).await;
    let open: Vec<_> = ever.difference(&back).copied().collect();
    assert!((8..=16).contains(&open.len()), "{open:?}");
}

#[tokio::test]
async fn throttled_line_has_no_intent_while_it_waits() {
    let server = HttpServer::start(|_, _| response_with(429, &[("retry-after", "5")], ""));
    let mut setup = Setup::numbered(&job(&server, ""), 100);
    setup.settings.intents = worker::Intents::Alone;
    let world = setup.build().await;
    let taken_back = async {
        // The responses are read, the provider gets no requests, and the lines are taken out of the intents.
        while server.count() == 0 || named_now(&world).await != Some(Vec::new()) {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        ended = world.work() => panic!("{ended:?}"),
        () = taken_back => {}
    }
}

/// The lines that the only object of intents names now; `None` while it is being written.
async fn named_now(world: &World) -> Option<Vec<u64>> {
    let written = world.objects.list(&world.prefix()).await.unwrap();
    let intents = written
        .iter()
        .find(|entry| matches!(SegmentKey::parse(&entry.key), Some(SegmentKey::Intents { .. })))?;
    let body = world.objects.get(&intents.key).await.ok()?;
    let intents: Intents = serde_json::from_slice(&body).ok()?;
    Some(intents.sending.iter().map(|n| n.number()).collect())
}

fn watch() -> (Arc<AtomicUsize>, Watcher) {
    let sent = Arc::<AtomicUsize>::default();
    (sent.clone(), Watcher(sent))
}

struct Watcher(Arc<AtomicUsize>);

impl worker::Observer for Watcher {
    fn sent(&self, lane: &str) {
        assert_eq!(lane, "lane");
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}
