//! Pacing on a clock that only moves when nothing is left to do: hours pass in moments.

use std::collections::BTreeMap;
use std::time::Duration;

use job::file::{Limit, Rate};
use job::run::KeyPace;
use tokio::time::{Instant, sleep_until};

use super::*;
use crate::failure::Nature;
use crate::pace::{Health, Start, Wall};
use crate::run::Known;

const SECOND: Duration = Duration::from_secs(1);

fn limit(rate: f64, in_flight: u32) -> KeyLimit {
    KeyLimit {
        rate: Rate::PerSecond(rate),
        in_flight,
        most_in_flight: in_flight,
        latency: 0.0,
        factor: 1.0,
        start: Start::Empty,
        hold: None,
        down_since: 0,
        suspected: false,
    }
}

/// A schedule whose requests get their responses at once.
struct Bench {
    wall: Wall,
    schedule: Schedule,
    sent: Vec<(Instant, u32, ParcelId)>,
}

impl Bench {
    fn new(keys: &[(KeyLimit, u32)]) -> Self {
        let wall = Wall::start();
        let now = wall.now();
        let mut schedule = Schedule::default();
        let mut parcel = 0;
        for (n, (limit, lines)) in keys.iter().enumerate() {
            let index = schedule.add(Key::new(format!("k{n}"), *limit, false, now));
            for _ in 0..*lines {
                schedule.push(index, parcel, now.instant);
                parcel += 1;
            }
        }
        Self { wall, schedule, sent: Vec::new() }
    }

    /// Sends for `length`; `respond` handles the response to each request.
    async fn run(&mut self, length: Duration, mut respond: impl FnMut(&mut Schedule, u32, ParcelId, Now)) {
        let end = Instant::now() + length;
        loop {
            let now = self.wall.now();
            match self.schedule.next(now, true, &mut |_| true) {
                Next::Send(parcel) => {
                    let keys = self.schedule.keys();
                    let key = (0..keys.len()).find(|key| keys[*key].is_busy()).expect("one is");
                    let key = u32::try_from(key).expect("few keys");
                    self.sent.push((now.instant, key, parcel));
                    self.schedule.change(key, now.instant, |key| key.returned());
                    respond(&mut self.schedule, key, parcel, now);
                }
                Next::At(at) if at < end => sleep_until(at).await,
                Next::At(_) | Next::Idle => return,
            }
        }
    }

    fn of(&self, key: u32) -> Vec<Instant> {
        self.sent.iter().filter(|(_, other, _)| *other == key).map(|(at, _, _)| *at).collect()
    }
}

fn ignore(_: &mut Schedule, _: u32, _: ParcelId, _: Now) {}

/// The most requests in any window of this length.
fn busiest(sent: &[Instant], window: Duration) -> usize {
    let mut first = 0;
    let count = |(last, at): (usize, &Instant)| {
        while sent[first] + window <= *at {
            first += 1;
        }
        last + 1 - first
    };
    sent.iter().enumerate().map(count).max().unwrap_or(0)
}

#[tokio::test(start_paused = true)]
async fn rates_are_used_and_never_exceeded() {
    for (rate, minutes) in
        [(2.0, 60), (10.0, 30), (37.5, 10), (50.0, 10), (100.0, 5), (200.0, 5), (1000.0, 2)]
    {
        let seconds = minutes * 60;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small")]
        let lines = (rate * f64::from(seconds)) as u32 * 2;
        let mut bench = Bench::new(&[(limit(rate, 100), lines)]);
        bench.run(SECOND * seconds, ignore).await;
        let sent = bench.of(0);
        #[expect(clippy::cast_precision_loss, reason = "small")]
        let (used, most) = (sent.len() as f64 / f64::from(seconds) / rate, busiest(&sent, SECOND) as f64);
        assert!((0.97..=1.0).contains(&used), "{used} of {rate}/s");
        assert!(most <= (rate * 1.02).max(rate.ceil()), "{most} in one second at {rate}/s");
    }
}

#[tokio::test(start_paused = true)]
async fn two_requests_an_hour_for_days() {
    let mut bench = Bench::new(&[(limit(2.0 / 3600.0, 1), 1000)]);
    bench.run(SECOND * 3600 * 72, ignore).await;
    let sent = bench.of(0);
    assert!((142..=144).contains(&sent.len()), "{}", sent.len());
    assert_eq!(busiest(&sent, SECOND * 3600), 2);
}

#[tokio::test(start_paused = true)]
async fn retries_count_against_the_rate() {
    let mut bench = Bench::new(&[(limit(100.0, 10), 1000)]);
    bench
        .run(SECOND * 60, |schedule, key, parcel, now| {
            schedule.push_retry(
                key,
                parcel,
                now.instant + Duration::from_millis(u64::from(parcel) % 700),
                false,
                now.instant,
            );
        })
        .await;
    assert!(busiest(&bench.of(0), SECOND) <= 102);
    assert!(bench.sent.len() > 5800);
}

#[tokio::test(start_paused = true)]
async fn keys_wait_only_for_themselves() {
    let held = KeyLimit { hold: Some(Instant::now() + SECOND * 500), start: Start::Waited, ..limit(10.0, 4) };
    let mut bench = Bench::new(&[(held, 100), (limit(10.0, 4), 100), (limit(50.0, 4), 100)]);
    let start = Instant::now();
    bench.run(SECOND * 600, ignore).await;
    assert!(bench.of(0)[0] >= start + SECOND * 500);
    assert!(*bench.of(1).last().expect("sent") < start + SECOND * 11);
    assert!(*bench.of(2).last().expect("sent") < start + SECOND * 3);
    assert_eq!(bench.sent.len(), 300);
    assert!(busiest(&bench.of(0), SECOND) <= 10, "no burst after the wait");
}

#[tokio::test(start_paused = true)]
async fn the_rate_recovers_after_throttles_and_stays_below_the_limit() {
    let mut bench = Bench::new(&[(limit(100.0, 10), 100_000)]);
    let start = Instant::now();
    let mut throttle = |schedule: &mut Schedule, key: u32, _: ParcelId, now: Now| {
        let early = now.instant < start + SECOND * 5;
        if early {
            schedule.change(key, now.instant, |key| key.slow_down(now.instant, now.instant));
        }
    };
    bench.run(SECOND * 60, &mut throttle).await;
    let sent = bench.of(0);
    let within = |from: u32, to: u32| {
        sent.iter().filter(|at| (start + SECOND * from..start + SECOND * to).contains(at)).count()
    };
    assert!(within(0, 5) < 150, "{}", within(0, 5));
    assert!(within(6, 7) < 30, "slow at first: {}", within(6, 7));
    assert!((95..=100).contains(&within(50, 51)), "{}", within(50, 51));
    assert!(busiest(&sent, SECOND) <= 101);
}

#[tokio::test(start_paused = true)]
async fn an_unlimited_key_slows_down_to_its_own_rate() {
    let unlimited = KeyLimit { rate: Rate::Unlimited, ..limit(1.0, 20) };
    let mut bench = Bench::new(&[(unlimited, 3000)]);
    let start = Instant::now();
    let mut slowed = false;
    bench
        .run(SECOND * 2, |schedule, key, _, now| {
            if !std::mem::replace(&mut slowed, true) {
                schedule.change(key, now.instant, |key| key.slow_down(now.instant, now.instant));
            }
        })
        .await;
    let first_second = bench.of(0).iter().filter(|at| **at < start + SECOND).count();
    assert!((5..=20).contains(&first_second), "{first_second}");
}

#[tokio::test(start_paused = true)]
async fn the_pace_is_handed_over_to_the_next_call() {
    let wall = Wall::start();
    let now = wall.now();
    let mut schedule = Schedule::default();
    for n in 0..3000_u32 {
        let hold = Some(now.instant + SECOND * (n + 100));
        let index = schedule.add(Key::new(format!("k{n}"), KeyLimit { hold, ..limit(5.0, 4) }, false, now));
        schedule.push(index, n, now.instant);
    }
    let Next::At(at) = schedule.next(now, true, &mut |_| true) else { panic!("all wait") };
    assert_eq!(at, now.instant + SECOND * 100);
    let (pace, earliest) = schedule.pace(now);
    assert_eq!(earliest, Some(now.instant + SECOND * 100));
    let bytes = serde_json::to_string(&pace).expect("plain").len();
    assert!((145_000..150_100).contains(&bytes), "{bytes} bytes");
    assert_eq!(pace["k7"].not_before, now.millis + 107_000);
    assert_eq!(pace["*"].not_before, now.millis + 3_099_000, "the others wait for the last");
    let limit = Limit::new(Rate::PerSecond(5.0), None);
    let restored = KeyLimit::new(&limit, &pace, "k2999", Known::default(), now);
    assert_eq!((restored.hold, restored.start), (Some(now.instant + SECOND * 3099), Start::Waited));
    let fresh = KeyLimit::new(&limit, &BTreeMap::new(), "k2999", Known::default(), now);
    assert_eq!((fresh.hold, fresh.start), (None, Start::Empty));
}

#[tokio::test(start_paused = true)]
async fn the_rate_is_kept_across_pauses() {
    // A slow key, sent one line a call, paused and resumed as the state machine does.
    let (rate, mut sent, mut pace) = (1.0 / 30.0, Vec::new(), BTreeMap::new());
    let start = Instant::now();
    for _ in 0..200 {
        let now = Wall::start().now();
        let limit =
            KeyLimit::new(&Limit::new(Rate::PerSecond(rate), None), &pace, "k0", Known::default(), now);
        let mut bench = Bench::new(&[(limit, 10)]);
        bench.run(SECOND, ignore).await;
        sent.extend(bench.of(0));
        // The wall clock does not move with the test's: hand over in terms of this call.
        let (next, earliest) = bench.schedule.pace(bench.wall.now());
        sleep_until(earliest.expect("lines are left")).await;
        let resumed = Wall::start().now().millis;
        pace = next.into_iter().map(|(key, pace)| (key, KeyPace { not_before: resumed, ..pace })).collect();
    }
    assert!(sent.len() > 195, "{}", sent.len());
    let fair = (Instant::now() - start).as_secs_f64() * rate;
    #[expect(clippy::cast_precision_loss, reason = "small")]
    let used = sent.len() as f64 / fair;
    assert!((0.97..=1.001).contains(&used), "{used}");
    assert_eq!(busiest(&sent, SECOND * 30), 1);
}

#[tokio::test(start_paused = true)]
async fn new_lines_are_preferred_as_probes() {
    let mut bench = Bench::new(&[(KeyLimit { rate: Rate::Unlimited, ..limit(1.0, 1) }, 12)]);
    bench
        .run(SECOND * 4, |schedule, key, parcel, now| {
            let health = Health::of(Nature::Unreached, job::Code::Connect, true, 0);
            schedule.change(key, now.instant, |key| key.record_health(parcel, health, None, now));
            schedule.push_retry(key, parcel, now.instant, false, now.instant);
        })
        .await;
    let lines: Vec<_> = bench.sent.iter().map(|(_, _, line)| *line).collect();
    assert_eq!(lines.len(), 12, "ten to find out, then one after a second, one after two more: {lines:?}");
    assert_eq!(&lines[10..], [1, 2], "{lines:?}");
}

/// Sends lines that need intents, each of which takes some milliseconds to write. The result is the lines
/// that were named and not sent, by millisecond.
async fn named_ahead(rate: f64, write_time: u64, seconds: u32) -> (Vec<Instant>, Vec<usize>) {
    let now = Wall::start().now();
    let mut schedule = Schedule::default();
    let write_time = Duration::from_millis(write_time);
    schedule.set_lookahead(Lookahead {
        lead: (write_time * 2).max(Duration::from_millis(10)),
        window: Duration::from_millis(30).max(write_time * 2),
    });
    let key = schedule.add(Key::new("k".to_owned(), limit(rate, 100), true, now));
    (0..100_000).for_each(|parcel| schedule.push(key, parcel, now.instant));
    let (wall, end) = (Wall::start(), Instant::now() + SECOND * seconds);
    let (mut sent, mut unsent, mut durable) = (Vec::new(), Vec::new(), None::<Instant>);
    while Instant::now() < end {
        let now = wall.now();
        if durable.is_some_and(|at| at <= now.instant) {
            durable = None;
            schedule.change(key, now.instant, Key::intent_durable);
        }
        while let Next::Send(_) = schedule.next(now, true, &mut |_| true) {
            sent.push(now.instant);
            schedule.change(key, now.instant, Key::returned);
        }
        if durable.is_none() {
            let named = schedule
                .take_keys_wanting_intents()
                .into_iter()
                .map(|key| schedule.name_upcoming(key, now.instant, true).len());
            let named = named.collect::<Vec<_>>();
            durable = (named.iter().sum::<usize>() > 0).then(|| now.instant + write_time);
        }
        unsent.push(schedule.key(key).named_unsent().count());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    (sent, unsent)
}

#[tokio::test(start_paused = true)]
async fn intents_name_few_lines_that_are_not_sent() {
    for (rate, write_time, most) in
        [(2.0, 3, 1.0), (50.0, 3, 1.0), (100.0, 3, 3.0), (500.0, 3, 25.0), (500.0, 40, 40.0)]
    {
        let seconds = if rate < 10.0 { 100 } else { 10 };
        let (sent, unsent) = named_ahead(rate, write_time, seconds).await;
        #[expect(clippy::cast_precision_loss, reason = "small")]
        let (used, mean) = (
            sent.len() as f64 / rate / f64::from(seconds),
            unsent.iter().sum::<usize>() as f64 / unsent.len() as f64,
        );
        assert!((0.97..=1.0).contains(&used), "{used} of {rate}/s where an intent takes {write_time} ms");
        assert!(
            mean <= most,
            "{mean} lines are named and not sent at {rate}/s where an intent takes {write_time} ms"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_default_in_flight_follows_the_latency() {
    let now = Wall::start().now();
    let mut key = Key::new("k".to_owned(), KeyLimit { most_in_flight: 256, ..limit(10.0, 20) }, false, now);
    assert_eq!(key.max_in_flight(), 20);
    key.record_latency(6000);
    assert_eq!(key.max_in_flight(), 75, "ten a second that take six seconds, and a quarter more");
    (0..100).for_each(|_| key.record_latency(100_000));
    assert_eq!(key.max_in_flight(), 256, "it has an end");
    (0..100).for_each(|_| key.record_latency(10));
    assert_eq!(key.max_in_flight(), 20, "and comes back");
    let known = KeyLimit { most_in_flight: 256, latency: 6000.0, ..limit(10.0, 20) };
    assert_eq!(Key::new("k".to_owned(), known, false, now).max_in_flight(), 75, "the next batch knows");
    let mut fixed = Key::new("k".to_owned(), limit(10.0, 20), false, now);
    fixed.record_latency(6000);
    assert_eq!(fixed.max_in_flight(), 20, "a limit of the job is kept");
}
