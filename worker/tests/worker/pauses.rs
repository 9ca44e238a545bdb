//! Waits that the state machine takes over, providers that ask to slow down, and providers that are down.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use job::ErrorName;
use job::run::{Batch, KeyPace, LaneKind, MOST_PAUSES};
use testing::{HttpServer, JobFile, closed_port, response, response_with};

use crate::world::{Setup, World, codes};

fn job(url: &str, limits: &str) -> String {
    JobFile::get(url).limit("default", limits).to_string()
}

/// Every backoff is as long as the last.
struct Same(u64);

impl worker::Rng for Same {
    fn next_u64(&self) -> u64 {
        self.0
    }
}

fn millis() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis().try_into().unwrap()
}

#[tokio::test]
async fn two_requests_an_hour() {
    let server = HttpServer::start(|_, _| response(200, ""));
    let mut world = Setup::numbered(&job(&server.url("/"), "rate = \"2/h\""), 2).build().await;
    let (wait, next) = world.paused().await;
    assert!((1790..=1801).contains(&wait), "{wait}");
    assert_eq!(server.count(), 0, "a limiter starts empty");
    let pace = next.pace.keys["h"].clone();
    assert!(pace.not_before > millis() + 1_700_000);

    // Half an hour later there is one slot, not two.
    world.request = next;
    world.request.pace.keys.insert("h".into(), KeyPace { not_before: millis() - 1, ..pace });
    let (wait, next) = world.paused().await;
    assert!((1790..=1801).contains(&wait), "{wait}");
    assert_eq!((server.count(), next.pace.keys.len()), (1, 1));
    assert_eq!(world.results().await.len(), 1, "flushed before the pause");
}

#[tokio::test]
async fn a_named_provider_has_one_key() {
    let server = HttpServer::start(|_, _| response(200, ""));
    let limits = "rate = \"1/s\"\n[limits.api]\nrate = \"2/h\"";
    let mut setup = Setup::numbered(&job(&server.url("/"), limits), 2);
    setup.kind = LaneKind::Named { provider: "api".into() };
    let (_, next) = setup.build().await.paused().await;
    assert_eq!(next.pace.keys.keys().collect::<Vec<_>>(), ["api"]);
}

#[tokio::test]
async fn retry_after_is_honoured_in_both_forms() {
    let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(300));
    for retry_after in ["300".to_owned(), date] {
        let server = HttpServer::start(move |_, _| response_with(429, &[("retry-after", &retry_after)], ""));
        let world =
            Setup::numbered(&job(&server.url("/"), "rate = \"unlimited\"\nin_flight = 1"), 3).build().await;
        let (wait, next) = world.paused().await;
        assert!((290..=301).contains(&wait), "{wait}");
        assert_eq!(server.count(), 1, "the key is held back");
        assert!(next.pace.keys["h"].factor < 1.0);
        assert!(world.results().await.is_empty());
    }
}

#[tokio::test]
async fn attempts_survive_a_pause() {
    let server = HttpServer::start(|_, _| response_with(500, &[("retry-after", "300")], ""));
    let job = job(&server.url("/"), "rate = \"unlimited\"\n[retry]\nattempts = 2");
    let mut world = Setup::numbered(&job, 1).build().await;
    let (_, next) = world.paused().await;
    assert_eq!(next.pace.tries, [(job::LineId::nth(1), 1)]);
    world.request = next;
    world.request.pace.keys.clear();
    assert_eq!(codes(&world.done().await), ["http_500"]);
    assert_eq!(server.count(), 2);
}

#[tokio::test]
async fn one_hosts_pause_does_not_delay_others() {
    let server = HttpServer::start(|_, seen| {
        if seen.uri == "/busy" {
            response_with(429, &[("retry-after", "300")], "")
        } else {
            response(200, "")
        }
    });
    let items = (0..60).map(|n| {
        let host = if n % 2 == 0 { "busy" } else { "free" };
        format!(r#""key":"{host}","v":["{host}"]"#)
    });
    let job = JobFile::get(format!("{}{{{{ line }}}}", server.url("/")))
        .limit("default", "rate = \"unlimited\"\nin_flight = 2")
        .to_string();
    let world = Setup::items(&job, items.collect()).build().await;
    let (_, next) = world.paused().await;
    assert_eq!(next.pace.keys.keys().collect::<Vec<_>>(), ["busy"]);
    assert_eq!(world.results().await.len(), 30);
}

#[tokio::test]
async fn wait_longer_than_max_wait_fails_at_once() {
    let server = HttpServer::start(|_, _| response_with(429, &[("retry-after", "3600")], ""));
    let world =
        Setup::numbered(&job(&server.url("/"), "rate = \"unlimited\"\nin_flight = 1"), 50).build().await;
    let lines = world.done().await;
    assert_eq!(codes(&lines), ["rate_limited"; 50]);
    assert_eq!(server.count(), 1);
    assert!(lines[7].detail.contains("max_wait"), "{}", lines[7].detail);
}

#[tokio::test]
async fn requests_stop_while_a_provider_is_down() {
    let address = closed_port();
    let mut setup =
        Setup::numbered(&job(&format!("http://{address}/"), "rate = \"unlimited\"\nin_flight = 5"), 1000);
    setup.settings.pause_after = Duration::ZERO;
    let mut world = setup.build().await;
    world.context.rng = std::sync::Arc::new(Same(400_000_000));
    let (_, next) = world.paused().await;
    let pace = next.pace.keys["h"].clone();
    assert!(pace.down_since > 0 && pace.down_since <= millis());
    let attempts_used: u32 = next.pace.tries.iter().map(|(_, tries)| tries).sum();
    assert!(attempts_used <= 15, "{attempts_used} attempts were used");
    assert!(world.results().await.is_empty());

    // It has been down for longer than max_wait: after one probe all other lines fail.
    world.request = next;
    world
        .request
        .pace
        .keys
        .insert("h".into(), KeyPace { down_since: millis() - 700_000, not_before: 0, factor: 1.0 });
    let lines = world.done().await;
    assert_eq!(codes(&lines), ["connect"; 1000]);
    assert_eq!(lines.iter().filter(|line| line.tries > 0).count(), 1, "one probe");
}

#[tokio::test]
async fn next_batch_probes_a_provider_that_was_down() {
    let server = HttpServer::start(|n, _| response(if n < 3 { 503 } else { 200 }, ""));
    let mut setup = Setup::numbered(&job(&server.url("/"), "rate = \"unlimited\"\nin_flight = 20"), 80);
    setup.settings.pause_after = Duration::ZERO;
    let mut world = setup.build().await;
    let whole = world.request.batch;
    let items = world.objects.get(&world.request.run.keys().items("lane")).await.unwrap();
    let ends: Vec<u64> =
        (0..).zip(items.iter()).filter(|(_, byte)| **byte == b'\n').map(|(at, _): (u64, _)| at + 1).collect();
    let fresh = world.request.pace.clone();
    // The provider has been down for longer than max_wait: after one probe the batch is abandoned.
    world.request.batch = Batch { lines: 40, to: ends[39], ..whole };
    world
        .request
        .pace
        .keys
        .insert("h".into(), KeyPace { down_since: millis() - 700_000, not_before: 0, factor: 1.0 });
    world.done().await;
    assert_eq!(server.count(), 1);
    // The next batch sends one probe, and then waits like any other batch.
    world.request.batch = Batch { first: job::LineId::nth(41), lines: 40, from: ends[39], to: whole.to };
    world.request.pace = fresh;
    let (_, next) = world.paused().await;
    assert_eq!(server.count(), 2);
    assert!(next.pace.keys["h"].down_since > millis() - 60_000);
}

#[tokio::test]
async fn sending_resumes_when_the_provider_recovers() {
    let server = HttpServer::start(|n, _| response(if n < 10 { 503 } else { 200 }, ""));
    let world =
        Setup::numbered(&job(&server.url("/"), "rate = \"unlimited\"\nin_flight = 4"), 40).build().await;
    assert_eq!(codes(&world.done().await), ["ok"; 40]);
}

#[tokio::test]
async fn call_pauses_before_its_deadline() {
    let server = HttpServer::start(|_, _| response(200, ""));
    let mut setup = Setup::numbered(&job(&server.url("/"), "rate = \"100/s\""), 5_000);
    setup.settings.deadline = Some(Duration::from_millis(600));
    let mut world = setup.build().await;
    let (wait, next) = world.paused().await;
    assert_eq!(wait, 1);
    let first = world.results().await.len();
    assert_eq!(first, server.count());
    assert!(first > 0);
    world.request = next;
    world.paused().await;
    assert_eq!(world.results().await.len(), server.count());
    assert!(server.count() > first);
}

#[tokio::test]
async fn interruption_keeps_received_responses() {
    let server = HttpServer::start(|_, _| response(200, ""));
    let world = Setup::numbered(&job(&server.url("/"), "rate = \"500/s\""), 2000).build().await;
    let interrupt = async {
        while server.count() < 20 {
            tokio::task::yield_now().await;
        }
        world.context.stop.cancel();
    };
    let (result, ()) = tokio::join!(world.work(), interrupt);
    assert_eq!(result.unwrap_err().name, ErrorName::Interrupted);
    assert_eq!(world.results().await.len(), server.count());
}

/// The maximum number of requests under way to a server that takes half a second for each.
async fn under_way(limits: &str, lines: usize) -> usize {
    let (now, most) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let (entered, high) = (now.clone(), most.clone());
    let slow = axum::Router::new().fallback(move || {
        let (now, most) = (entered.clone(), high.clone());
        async move {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(500)).await;
            now.fetch_sub(1, Ordering::SeqCst);
        }
    });
    let server = HttpServer::router(slow);
    let address = server.address();
    let world = Setup::numbered(&job(&format!("http://{address}/"), limits), lines).build().await;
    assert_eq!(codes(&world.done().await), vec!["ok"; lines]);
    most.load(Ordering::SeqCst)
}

#[tokio::test]
async fn default_in_flight_grows_with_slow_responses() {
    // The default begins with twice the rate, which is enough for responses of half a second.
    assert!(under_way("rate = \"8/s\"", 12).await <= 16);
    // The number that the job sets does not grow.
    assert_eq!(under_way("rate = \"100/s\"\nin_flight = 4", 16).await, 4);
}

#[tokio::test]
async fn throttles_do_not_count_as_a_wrong_key() {
    const NONE_LEFT: &[(&str, &str)] = &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "0")];
    let server =
        HttpServer::start(
            |n, _| if n < 40 { response_with(403, NONE_LEFT, "slower") } else { response(200, "") },
        );
    let world =
        Setup::numbered(&job(&server.url("/"), "rate = \"unlimited\"\nin_flight = 40"), 40).build().await;
    assert_eq!(codes(&world.done().await), ["ok"; 40]);
    assert_eq!(server.count(), 80);
}

#[tokio::test]
async fn excessive_wait_is_quoted() {
    let server = HttpServer::start(|_, _| response_with(429, &[("x-ratelimit-reset", "7200")], ""));
    let world = Setup::numbered(&job(&server.url("/"), "rate = \"unlimited\""), 1).build().await;
    let lines = world.done().await;
    assert_eq!(codes(&lines), ["rate_limited"]);
    assert!(lines[0].detail.contains("7200s (x-ratelimit-reset: 7200)"), "{}", lines[0].detail);
}

/// A provider that asks for one wait of a second.
fn busy_once() -> HttpServer {
    HttpServer::start(|n, _| {
        if n == 0 { response_with(429, &[("retry-after", "1")], "") } else { response(200, "") }
    })
}

#[tokio::test]
async fn the_more_often_a_batch_has_paused_the_longer_are_its_calls() {
    let limits = "rate = \"unlimited\"\nin_flight = 1";
    let impatient = |server: &HttpServer| {
        let mut setup = Setup::numbered(&job(&server.url("/"), limits), 3);
        setup.settings.pause_after = Duration::from_millis(50);
        setup
    };
    let server = busy_once();
    let (wait, next) = impatient(&server).build().await.paused().await;
    assert!((1..=2).contains(&wait), "{wait}");
    assert_eq!(next.pace.pauses, 1);

    let server = busy_once();
    let mut world = impatient(&server).build().await;
    world.request.pace.pauses = MOST_PAUSES - 1;
    assert_eq!(codes(&world.done().await), ["ok"; 3], "the call waited itself");
}

#[tokio::test]
async fn a_batch_ends_before_the_history_of_its_execution_is_full() {
    let server = HttpServer::start(|n, _| {
        if n < 2 { response(200, "") } else { response_with(429, &[("retry-after", "300")], "") }
    });
    let mut setup = Setup::numbered(&job(&server.url("/"), "rate = \"unlimited\"\nin_flight = 1"), 9);
    // Else the call would wait.
    setup.settings.deadline = Some(Duration::from_secs(1));
    let mut world = setup.build().await;
    world.request.pace.pauses = MOST_PAUSES;
    let error = world.work().await.unwrap_err();
    assert_eq!(error.name, ErrorName::TooManyPauses);
    assert!(error.message.contains("2000 times, and 7 of its lines are left"), "{error}");
    assert_eq!(world.results().await.len(), 2, "responses are kept");
}

#[tokio::test]
async fn a_message_with_many_long_keys_has_less_than_a_step_functions_message() {
    let server = HttpServer::start(|_, _| response_with(429, &[("retry-after", "300")], ""));
    let long = "x".repeat(200);
    let items = (0..6000).map(|n| format!(r#""key":"{long}{n}","v":["{n}"]"#)).collect();
    let job = job(&server.url("/"), "rate = \"1/h\"");
    let world = Setup::items(&job, items).build().await;
    let (_, next) = world.paused().await;
    let message = serde_json::to_vec(&next).unwrap().len();
    assert!((100_000..250_000).contains(&message), "{message} bytes");
    assert!(next.pace.keys.keys().all(|key| key.len() < 64), "long keys are hashed");
    // The next call finds each key again: none may send yet.
    let again = World { request: next, ..world };
    let (wait, _) = again.paused().await;
    assert!(wait > 3000, "{wait}");
    assert_eq!(server.count(), 0);
}
