//! Any split into lanes, batches and result segments, against a model that is a few lines long.

use std::collections::{BTreeMap, BTreeSet};

use job::file::Format;
use job::{Batch, Invocation, LaneKind, LineId, PlannedLane};
use postprocess::Settings;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::world::{Fixture, STARTED, World};

/// One result segment of a batch: what it says of each line, by the line's place in the batch.
#[derive(Debug, Clone)]
struct Segment {
    generation: u32,
    results: BTreeMap<usize, bool>,
    sending: Vec<usize>,
    unsent: Vec<usize>,
}

#[derive(Debug, Clone)]
struct Split {
    /// The lane of each line.
    lanes: Vec<usize>,
    /// Lines of each batch, taken in turn.
    batches: Vec<usize>,
    /// Result segments of each batch, taken in turn.
    segments: Vec<Vec<Segment>>,
    settings: Settings,
}

fn segment() -> impl Strategy<Value = Segment> {
    let places = || prop::collection::vec(0_usize..8, 0..4);
    (0_u32..3, prop::collection::btree_map(0_usize..8, any::<bool>(), 0..8), places(), places())
        .prop_map(|(generation, results, sending, unsent)| Segment { generation, results, sending, unsent })
}

fn split() -> impl Strategy<Value = Split> {
    let settings = (prop_oneof![Just(0), Just(300), Just(1 << 20)], 1_u64..200, 0_u64..2000, 1_usize..4)
        .prop_map(|(whole_batch, piece, memory, ahead)| Settings {
            whole_batch,
            piece,
            memory,
            ahead,
            ..Settings::default()
        });
    let lanes = prop::collection::vec(0_usize..4, 0..40);
    let batches = prop::collection::vec(1_usize..8, 40);
    let segments = prop::collection::vec(prop::collection::vec(segment(), 0..5), 40);
    (lanes, batches, segments, settings).prop_map(|(lanes, batches, segments, settings)| Split {
        lanes,
        batches,
        segments,
        settings,
    })
}

/// The required outcome of a line.
#[derive(Default, Clone)]
struct Expected {
    /// Identities of its results in key order, and whether they succeeded.
    results: Vec<(u64, bool)>,
    possibly_sent: bool,
}

/// The run folder of a split, and the required outcome of each line.
fn build(split: &Split) -> (Fixture, Vec<Expected>) {
    let mut fixture = Fixture::new(Format::Csv, &["a"], &[]);
    (fixture.plan.lanes, fixture.items) = (Vec::new(), Vec::new());
    let mut expected = vec![Expected::default(); split.lanes.len()];
    let (mut batch_lines, mut batch_segments, mut identity) =
        (split.batches.iter().cycle(), split.segments.iter().cycle(), 0);
    for lane in split.lanes.iter().collect::<BTreeSet<_>>() {
        let name = format!("lane-{lane}");
        let numbers: Vec<u64> =
            (1..).zip(&split.lanes).filter(|(_, of)| *of == lane).map(|(n, _)| n).collect();
        let mut batches = Vec::new();
        let mut rest = numbers.as_slice();
        while !rest.is_empty() {
            let (batch, later) = rest.split_at(rest.len().min(*batch_lines.next().unwrap()));
            rest = later;
            batches.push(Batch { first: LineId::nth(batch[0]), lines: batch.len() as u64, from: 0, to: 0 });
            let mut segments = batch_segments.next().unwrap().clone();
            segments.sort_by_key(|segment| segment.generation);
            for (k, segment) in (0..).zip(&segments) {
                // Each segment is of a separate call, which also writes its intents.
                let invocation = Invocation::new(segment.generation, STARTED + k, 1);
                let mut results = Vec::new();
                for (place, ok) in segment.results.range(..batch.len()) {
                    identity += 1;
                    let ending = if *ok {
                        json!({ "v": [identity] })
                    } else {
                        json!({ "error": format!("http_{identity}") })
                    };
                    let mut result = json!({ "t": STARTED, "ms": 1, "tries": 1 });
                    result.as_object_mut().unwrap().extend(ending.as_object().unwrap().clone());
                    results.push((batch[*place], result));
                    expected[usize::try_from(batch[*place]).unwrap() - 1].results.push((identity, *ok));
                }
                fixture.segment(&name, batch[0], &invocation, 1, &results);
                let numbers = |places: &[usize]| {
                    places.iter().filter_map(|place| batch.get(*place).copied()).collect::<Vec<_>>()
                };
                let (sending, unsent) = (numbers(&segment.sending), numbers(&segment.unsent));
                fixture.intents(&name, batch[0], &invocation, 0, &sending, &[]);
                fixture.intents(&name, batch[0], &invocation, 2, &[], &unsent);
                for n in sending.iter().filter(|n| !unsent.contains(n)) {
                    expected[usize::try_from(*n).unwrap() - 1].possibly_sent = true;
                }
            }
        }
        fixture.items.push(numbers.iter().map(|n| (*n, json!({ "v": [format!("line {n}")] }))).collect());
        let kind = LaneKind::Hashed;
        fixture.plan.lanes.push(PlannedLane {
            name,
            kind,
            workers: 1,
            lines: 0,
            bytes: 0,
            batches,
            seconds: 0.0,
        });
    }
    (fixture, expected)
}

fn rows(expected: &[Expected]) -> (String, String) {
    let (mut output, mut failed) = ("a,x,error,error_detail\n".to_owned(), String::new());
    for (n, line) in (1..).zip(expected) {
        let winner = line.results.iter().find(|(_, ok)| *ok).or(line.results.last());
        let ending = match winner {
            Some((identity, true)) => format!("{identity},,"),
            Some((identity, false)) => format!(",http_{identity},"),
            None if line.possibly_sent => {
                ",outcome_unknown,\"the request may have been sent before the worker died, and it must not be repeated\"".to_owned()
            }
            None => ",not_processed,no result was found for this line".to_owned(),
        };
        output += &format!("line {n},{ending}\n");
        if !matches!(winner, Some((_, true))) {
            failed += &format!("line {n}\n");
        }
    }
    if !failed.is_empty() {
        failed.insert_str(0, "a\n");
    }
    (output, failed)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]
    #[test]
    fn every_line_is_written_once_in_order_with_the_right_result(split in split(), short in 0_usize..3) {
        let (mut fixture, expected) = build(&split);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let left = runtime.block_on(async {
            let mut world = World::new();
            world.context.settings = split.settings;
            world.write(&mut fixture).await;
            let (response, _) = world.calls(&fixture, short).await;
            world.left(&fixture, response).await
        });
        let (output, failed) = rows(&expected);
        prop_assert_eq!(left.output.as_deref(), Some(output.as_str()));
        prop_assert_eq!(left.failed.unwrap_or_default(), failed);
        let report = left.report;
        prop_assert_eq!(report.lines, split.lanes.len() as u64);
        prop_assert_eq!(report.ok + report.failed + report.not_processed, report.lines);
        prop_assert_eq!(report.requests, expected.iter().map(|line| line.results.len() as u64).sum::<u64>());
        prop_assert_eq!(report.requests, report.lanes.iter().map(|lane| lane.requests).sum::<u64>());
        let errors: Value = serde_json::to_value(&report.errors).unwrap();
        let counted: u64 = errors.as_array().unwrap().iter().map(|error| error["count"].as_u64().unwrap()).sum();
        prop_assert_eq!(counted, report.failed + report.not_processed);
    }
}
