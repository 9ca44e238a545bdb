//! Requests that must not be repeated are noted before they are sent.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use job::messages::WorkResponse;
use job::record::Notes;
use job::{ErrorName, FlushKey, Invocation};

use crate::server::{Raw, Server, answer, raw, with};
use crate::world::{Setup, World, codes};

fn job(server: &Server, more: &str) -> String {
    format!(
        "[request]\nmethod = \"POST\"\nurl = \"{}{{{{ line }}}}\"\nbody = \"x\"\nallow = [\"127.0.0.1\"]\n{more}\n[limits.default]\nrate = \"unlimited\"\nin_flight = 8",
        server.url("/")
    )
}

async fn notes(world: &World) -> (BTreeSet<u64>, BTreeSet<u64>) {
    let (mut sending, mut unsent) = (BTreeSet::new(), BTreeSet::new());
    for (flush, body) in world.flushes().await {
        if matches!(flush, FlushKey::Notes { .. }) {
            let notes: Notes = serde_json::from_slice(&body).unwrap();
            sending.extend(notes.sending);
            unsent.extend(notes.unsent);
        }
    }
    (sending, unsent)
}

#[tokio::test]
async fn every_line_is_noted_before_it_is_sent() {
    let server = Server::start(|_, _| answer(200, "")).await;
    let world = Setup::numbered(&job(&server, ""), 700).build().await;
    assert_eq!(world.done().await.len(), 700);
    assert_eq!(notes(&world).await, ((1..=700).collect(), BTreeSet::new()));
    assert_eq!(server.count(), 700);
}

#[tokio::test]
async fn nothing_is_sent_without_a_durable_note() {
    let server = Server::start(|_, _| answer(200, "")).await;
    let world = Setup::numbered(&job(&server, ""), 10).build().await;
    world.faults.0.store(1000, Ordering::SeqCst);
    assert_eq!(world.work().await.unwrap_err().name, ErrorName::StorageUnavailable);
    assert_eq!(server.count(), 0);
}

#[tokio::test]
async fn repeatable_requests_need_no_notes() {
    let server = Server::start(|_, _| answer(200, "")).await;
    let world = Setup::numbered(&job(&server, "idempotent = true"), 10).build().await;
    world.done().await;
    assert!(notes(&world).await.0.is_empty());
}

#[tokio::test]
async fn what_may_have_been_sent_is_not_sent_again() {
    let server = Server::start(|_, _| answer(200, "")).await;
    let world = Setup::numbered(&job(&server, ""), 5).build().await;
    let crashed = Invocation::new(0, 1, 1);
    let put = async |flush: FlushKey, body: &str| {
        world.objects.put(&(world.prefix() + &flush.name()), body.to_owned()).await.unwrap();
    };
    put(FlushKey::Notes { invocation: crashed.clone(), k: 0 }, r#"{"sending":[1,2,3]}"#).await;
    put(FlushKey::Records { invocation: crashed.clone(), k: 0, ok: 1, failed: 0, throttled: 0 }, "{\"n\":1,\"v\":[\"x\"]}\n").await;
    put(FlushKey::Notes { invocation: crashed, k: 1 }, r#"{"unsent":[3]}"#).await;
    let done = world.work().await.unwrap();
    assert!(matches!(done, WorkResponse::Done { ok: 4, failed: 1, .. }), "{done:?}");
    assert_eq!(codes(&world.records().await), ["ok", "outcome_unknown", "ok", "ok", "ok"]);
    let mut sent: Vec<_> = server.seen().iter().map(|seen| seen.uri.clone()).collect();
    sent.sort();
    assert_eq!(sent, ["/3", "/4", "/5"]);
}

#[tokio::test]
async fn a_pause_takes_back_what_was_not_sent() {
    let server = Server::start(|n, _| if n < 3 { answer(200, "") } else { with(429, &[("retry-after", "300")], "") }).await;
    let mut world = Setup::numbered(&job(&server, ""), 100).build().await;
    let (_, next) = world.paused().await;
    let answered: BTreeSet<u64> = world.records().await.iter().map(|line| line.n).collect();
    let (sending, unsent) = notes(&world).await;
    assert_eq!(answered.len(), 3);
    assert_eq!(unsent, sending.difference(&answered).copied().collect());
    // The next call is free to send them: nothing is unknown.
    world.request = next;
    world.request.pace.keys.clear();
    world.paused().await;
    assert_eq!(world.records().await.len(), 3);
}

#[tokio::test]
async fn many_hosts_are_noted_too() {
    let server = Server::start(|_, _| answer(200, "")).await;
    let items = (0..600).map(|n| format!(r#""key":"host{}","v":["{n}"]"#, n % 200)).collect();
    let world = Setup::items(&job(&server, ""), items).build().await;
    assert_eq!(world.done().await.len(), 600);
    assert_eq!(notes(&world).await, ((1..=600).collect(), BTreeSet::new()));
}

#[tokio::test]
async fn a_request_that_was_given_up_is_not_sent_again() {
    let address = raw(Raw::Stall(b"HTTP/1.1 ".to_vec())).await;
    let job = format!(
        "[request]\nmethod = \"POST\"\nurl = \"http://{address}/\"\nallow = [\"127.0.0.1\"]\n[limits.default]\nrate = \"unlimited\"\nin_flight = 2"
    );
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
    assert_eq!(notes(&world).await.1, BTreeSet::from([3, 4, 5]));

    world.context.stop = tokio_util::sync::CancellationToken::new();
    let (request, run) = (world.request.clone(), world.context.stop.clone());
    let stop = async {
        // The two are failures at once; the rest goes out and hangs again.
        while sent.load(Ordering::SeqCst) < 4 {
            tokio::task::yield_now().await;
        }
        run.cancel();
    };
    let (result, ()) = tokio::join!(worker::work(&world.context, request), stop);
    assert_eq!(result.unwrap_err().name, ErrorName::Interrupted);
    let lines = world.records().await;
    assert_eq!(codes(&lines), ["outcome_unknown"; 2]);
    assert_eq!((lines[0].n, lines[1].n), (1, 2));
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
