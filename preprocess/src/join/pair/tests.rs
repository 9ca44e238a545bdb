//! The pairing equals a naive one in memory, however little memory it has.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use job::file::Identity;
use job::{LineId, Objects};
use proptest::prelude::*;

use super::super::record::{Left, OldLine, Place, State, by_request, place_and_line};
use super::super::sort::{SortedRun, Sorter};
use super::*;

/// A line: the request that it makes.
type Request = u8;

fn identity(request: Request) -> Identity {
    Identity([request; 16])
}

fn place(n: u64) -> Place {
    Place { lane: u16::try_from(n % 3).unwrap(), batch: u32::try_from(n / 7).unwrap() }
}

fn payload(n: u64, state: State) -> Vec<u8> {
    let tail = format!("old line {n}").into_bytes();
    let mut payload = Vec::new();
    OldLine { state, left: Left::Result(&tail) }.write(&mut payload);
    payload
}

/// New lines with the payloads of their old lines.
type Pairs = BTreeMap<u64, Vec<u8>>;

fn naive(old: &[(Request, State)], new: &[Request]) -> Pairs {
    let mut pairs = Pairs::new();
    for request in 0..=Request::MAX {
        let lines = |index: usize| index as u64 + 1;
        let mut olds: Vec<(u64, State)> = old
            .iter()
            .enumerate()
            .filter(|(_, (of, _))| *of == request)
            .map(|(index, (_, state))| (lines(index), *state))
            .collect();
        let news: Vec<u64> =
            new.iter().enumerate().filter(|(_, of)| **of == request).map(|(index, _)| lines(index)).collect();
        for state in [State::SentAgain, State::Failed, State::Unknown, State::Success] {
            while olds.len() > news.len()
                && let Some(first) = olds.iter().position(|(_, of)| *of == state)
            {
                olds.remove(first);
            }
        }
        pairs.extend(news.into_iter().zip(olds).map(|(new, (old, state))| (new, payload(old, state))));
    }
    pairs
}

async fn sort(
    objects: &Objects,
    name: &str,
    records: Vec<(super::super::sort::Key, Vec<u8>)>,
) -> Vec<SortedRun> {
    let mut sorter = Sorter::new(objects, name.to_owned(), Vec::new()).with_memory(400);
    for (key, payload) in records {
        sorter.push(&key, &payload).await.unwrap();
    }
    sorter.finish().await.unwrap()
}

/// Pairs in calls of this number of steps, with this much memory for the lines of one request.
async fn paired(old: &[(Request, State)], new: &[Request], held: usize, steps: usize) -> Pairs {
    let folder = tempfile::tempdir().unwrap();
    let objects = Objects::new(s3::client(folder.path()).unwrap(), s3::BUCKET);
    let lines = |index: usize| LineId::nth(index as u64 + 1);
    let records = old.iter().enumerate().map(|(index, (request, state))| {
        (by_request(identity(*request), lines(index)), payload(index as u64 + 1, *state))
    });
    let old = sort(&objects, "old", records.rev().collect()).await;
    let records = new.iter().enumerate().map(|(index, request)| {
        let place = place(index as u64 + 1).to_bytes().to_vec();
        (by_request(identity(*request), lines(index)), place)
    });
    let new = sort(&objects, "new", records.collect()).await;
    let inputs = Inputs { objects: &objects, old: &old, new: &new, request_bytes: 100 };
    let (mut at, mut pairs, mut more) = (PairingAt::default(), Vec::new(), true);
    while more {
        let sorter = Sorter::new(&objects, format!("pairs-{}-", pairs.len()), pairs).with_memory(400);
        let mut pairing = Pairing::open(inputs, at, sorter).await.unwrap();
        pairing.held = held;
        for _ in 0..steps {
            more = pairing.step().await.unwrap();
        }
        (pairs, at) = pairing.pause().await.unwrap();
        at = serde_json::from_slice(&serde_json::to_vec(&at).unwrap()).unwrap();
    }
    let mut merge = Merge::open(&objects, &pairs, None, 100).await.unwrap();
    let mut read = Pairs::new();
    let mut last = None;
    while let Some((key, payload)) = merge.peek() {
        let (of, n) = place_and_line(key);
        assert_eq!(of, place(n.number()));
        assert!(last < Some((of, n)), "they come in the order of the batches");
        last = Some((of, n));
        assert_eq!(read.insert(n.number(), payload.to_owned()), None, "line {n} has two");
        merge.advance().await.unwrap();
    }
    read
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]
    #[test]
    fn pairs_are_those_of_a_naive_join(
        old in prop::collection::vec((0..4_u8, prop::sample::select(State::ALL.to_vec())), 0..40),
        new in prop::collection::vec(0..5_u8, 0..40),
        held in prop::sample::select(vec![0, 60, 200, HELD]),
        steps in 1_usize..30,
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let read = runtime.block_on(paired(&old, &new, held, steps));
        prop_assert_eq!(read, naive(&old, &new));
    }
}

#[tokio::test]
async fn lines_that_would_be_sent_again_are_left_over_first() {
    let states = [State::Success, State::SentAgain, State::Unknown, State::Success];
    let old = states.map(|state| (1, state));
    let pairs = async |lines: usize| {
        let pairs = paired(&old, &vec![1; lines], HELD, 100).await;
        pairs.into_iter().map(|(n, payload)| (n, state(&payload).unwrap())).collect::<Vec<_>>()
    };
    use State::{SentAgain, Success, Unknown};
    assert_eq!(pairs(4).await, [(1, Success), (2, SentAgain), (3, Unknown), (4, Success)]);
    assert_eq!(pairs(3).await, [(1, Success), (2, Unknown), (3, Success)]);
    assert_eq!(pairs(2).await, [(1, Success), (2, Success)]);
    assert_eq!(pairs(1).await, [(1, Success)]);
    assert_eq!(pairs(6).await.len(), 4);
}
