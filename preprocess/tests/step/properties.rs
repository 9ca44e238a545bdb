//! The join of random runs equals a naive one in memory.

use std::collections::BTreeMap;

use job::file::Identity;
use proptest::prelude::*;

use crate::workers::{Outcome, said};
use crate::world::{Found, World, job, line};

/// What a new line gets of the run before.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Gets {
    Value(String),
    Code(&'static str),
    /// It is sent again, with the key of this old line.
    Key(u64),
}

fn outcome(state: u8) -> Outcome {
    match state {
        0 => Outcome::Success,
        1 => Outcome::Failed("http_500"),
        2 => Outcome::Failed("outcome_unknown"),
        3 => Outcome::Failed("bad_response"),
        4 => Outcome::Intent,
        _ => Outcome::Nothing,
    }
}

/// What each new line gets. A smaller rank is left over later.
fn naive(old: &[(u32, u8)], new: &[u32], kind: &str) -> BTreeMap<u64, Gets> {
    let (post, keys) = (kind != "GET", kind == "POST with keys");
    let mut by_request: BTreeMap<u32, Vec<(u64, u8, Option<Gets>)>> = BTreeMap::new();
    for (n, (value, state)) in (1..).zip(old) {
        let key = keys.then_some(Gets::Key(n));
        let gets = match outcome(*state) {
            Outcome::Success => (0, Some(Gets::Value(said(n, &line(*value))))),
            Outcome::Failed("outcome_unknown") => (1, Some(Gets::Code("outcome_unknown"))),
            Outcome::Failed("bad_response") if post && !keys => (1, Some(Gets::Code("bad_response"))),
            Outcome::Intent if post && !keys => (1, Some(Gets::Code("outcome_unknown"))),
            Outcome::Failed(_) => (2, key),
            _ if keys => (2, key),
            _ => continue,
        };
        by_request.entry(*value).or_default().push((n, gets.0, gets.1));
    }
    let mut gets = BTreeMap::new();
    for (value, mut olds) in by_request {
        let news: Vec<u64> = (1..).zip(new).filter(|(_, of)| **of == value).map(|(n, _)| n).collect();
        while olds.len() > news.len() {
            let rank = olds.iter().map(|(_, rank, _)| *rank).max().unwrap();
            let first = olds.iter().position(|(_, of, _)| *of == rank).unwrap();
            olds.remove(first);
        }
        gets.extend(news.into_iter().zip(olds).filter_map(|(n, (_, _, gets))| Some((n, gets?))));
    }
    gets
}

/// A new file: the old one with lines deleted and inserted, sorted or doubled.
fn edited() -> impl Strategy<Value = (Vec<(u32, u8)>, Vec<u32>)> {
    let old = prop::collection::vec((0..9_u32, 0..6_u8), 1..45);
    (old, prop::collection::vec((any::<prop::sample::Index>(), 0..12_u32), 0..6), 0..5_u8).prop_map(
        |(old, edits, whole)| {
            let mut new: Vec<u32> = old.iter().map(|(value, _)| *value).collect();
            for (at, value) in edits {
                let at = at.index(new.len() + 1);
                if value < 4 && at < new.len() {
                    new.remove(at);
                } else {
                    new.insert(at, value);
                }
            }
            match whole {
                0 => new.sort_unstable(),
                1 => new.reverse(),
                2 => new = new.iter().flat_map(|value| [*value, *value]).collect(),
                _ => {}
            }
            (old, new)
        },
    )
}

struct Joined {
    results: BTreeMap<u64, Found>,
    origins: BTreeMap<u64, (String, u64)>,
    before: String,
    identities: BTreeMap<u64, Identity>,
    counts: (u64, u64),
}

async fn join(old: &[(u32, u8)], new: &[u32], kind: &str, in_calls: bool) -> Joined {
    let world = World::new();
    let text = |more: &str| match kind {
        "GET" => job("GET", more),
        "POST" => job("POST", more),
        _ => job("POST", &format!("idempotent = true\n{more}")),
    };
    let texts = |values: &mut dyn Iterator<Item = u32>| values.map(line).collect::<Vec<_>>();
    let lines = texts(&mut old.iter().map(|(value, _)| *value));
    let before = world.begin(&world.upload(&text(""), &lines).await).await;
    world.work(&before, |n| outcome(old[usize::try_from(n).unwrap() - 1].1)).await;
    let event = world.upload(&text("# edited"), &texts(&mut new.iter().copied())).await;
    let run = if in_calls { world.begin_in_calls(&event).await.0 } else { world.begin(&event).await };
    let (results, origins) = (world.results(&run).await, world.origins(&run).await);
    let continues = world.plan(&run).await.continues;
    // The identities of all new lines, as workers of another run would write them.
    world.objects.delete_prefix(&run.keys().results()).await.unwrap();
    world.work(&run, |_| Outcome::Success).await;
    let identities = world.results(&run).await;
    Joined {
        results,
        origins,
        before: before.id,
        identities: identities.into_iter().map(|(n, found)| (n, found.identity.unwrap())).collect(),
        counts: continues.map_or((0, 0), |continues| (continues.kept, continues.unknown)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn a_join_keeps_what_a_naive_one_keeps(
        (old, new) in edited(),
        kind in prop::sample::select(vec!["GET", "POST", "POST with keys"]),
        in_calls: bool,
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let joined = runtime.block_on(join(&old, &new, kind, in_calls));
        let expected = naive(&old, &new, kind);
        let mut found = BTreeMap::new();
        for (n, of) in &joined.results {
            prop_assert_eq!(of.identity, Some(joined.identities[n]), "line {} has a response of another request", n);
            let gets = match &of.result {
                Ok(values) => Gets::Value(serde_json::from_str::<[String; 1]>(values).unwrap()[0].clone()),
                Err(code) if code == "bad_response" => Gets::Code("bad_response"),
                Err(_) => Gets::Code("outcome_unknown"),
            };
            found.insert(*n, gets);
        }
        for (n, (run, line)) in &joined.origins {
            prop_assert_eq!(run, &joined.before);
            prop_assert_eq!(found.insert(*n, Gets::Key(*line)), None, "line {} is kept and sent again", n);
        }
        let values = found.values().filter(|gets| matches!(gets, Gets::Value(_)));
        let codes = found.values().filter(|gets| matches!(gets, Gets::Code(_)));
        prop_assert_eq!(joined.counts, (values.count() as u64, codes.count() as u64));
        prop_assert_eq!(found, expected);
    }
}
