//! Map Runs that crash and are continued.

use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use engine::{Outcome, TaskError};
use serde_json::{Value, json};

use super::{merged, reader, with_child, writer};
use crate::crash::run_until_hung;
use crate::fake::{Fake, run};

/// The items of a file, in its format.
fn fill(host: &Fake) {
    host.put(
        "b",
        "file",
        "a,b\n".to_owned() + &(0..23).map(|n| format!("{n},\"x,{n}\"\n")).collect::<String>(),
    );
    for n in 0..5 {
        host.put(
            "b",
            &format!("many/{n}.jsonl"),
            (0..4).map(|m| format!("{{\"a\": \"{}\"}}\n", n * 4 + m)).collect::<String>(),
        );
    }
}

fn host(seen: Arc<Mutex<HashSet<String>>>) -> Arc<Fake> {
    let host = Fake::new(move |call| {
        if call.payload().to_string().contains("\"a\":\"7\"") {
            return Err(TaskError::Error { error: "Bad".into(), cause: String::new() });
        }
        assert!(
            seen.lock().unwrap().insert(call.payload().to_string()),
            "called again with {}",
            call.payload()
        );
        Ok(call.payload().clone())
    });
    fill(&host);
    host
}

/// The outcome and all written objects, without dates.
fn result(outcome: Outcome, host: &Fake) -> (Outcome, Vec<(String, String)>) {
    let objects = host.objects.lock().unwrap();
    let written = objects.iter().filter(|(place, _)| place.starts_with("out/"));
    let written = written.map(|(place, body)| (place.clone(), String::from_utf8(body.to_vec()).unwrap()));
    (outcome, written.collect())
}

/// Runs the definition without crashes and with many crashes. Both must have the same outcome, and no child
/// that has ended may run again.
fn cut_off(fields: Value) {
    let task = json!({"Type": "Task", "Resource": "arn:aws:lambda:x:1:function:f", "End": true});
    let definition = with_child(merged(json!({"MaxConcurrency": 3, "Label": "L"}), fields), task);
    let uncut = host(Arc::default());
    let expected = result(run(&definition, json!({}), &uncut).unwrap(), &uncut);
    let folder = tempfile::tempdir().unwrap();
    let mut crashes = 0;
    for every in [1, 2, 3, 5, 8] {
        let path = folder.path().join(every.to_string());
        let host = host(Arc::default());
        let mut after = every;
        let outcome = loop {
            after += 1;
            host.hangs_at.store(host.events() + after, Ordering::SeqCst);
            match run_until_hung(&path, &definition, json!({}), &host) {
                Some(outcome) => break outcome,
                None => crashes += 1,
            }
            assert!(after < 100, "no end");
        };
        assert_eq!(result(outcome, &host), expected, "every {every}");
    }
    assert!(crashes > 3, "{crashes}");
}

fn csv() -> Value {
    reader(json!({"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW"}))
}

#[test]
fn crash_between_rows_of_a_file() {
    cut_off(merged(csv(), json!({"ToleratedFailurePercentage": 10})));
}

#[test]
fn crash_between_files_of_a_listing() {
    let reader = json!({"ItemReader": {
        "Resource": "arn:aws:states:::s3:listObjectsV2", "Parameters": {"Bucket": "b", "Prefix": "many/"},
        "ReaderConfig": {"Transformation": "LOAD_AND_FLATTEN", "InputType": "JSONL"}
    }});
    cut_off(merged(reader, json!({"ToleratedFailureCount": 1})));
}

#[test]
fn crash_between_batches_by_number_and_bytes() {
    cut_off(merged(csv(), json!({"ToleratedFailureCount": 4, "ItemBatcher": {"MaxItemsPerBatch": 4}})));
    cut_off(merged(csv(), json!({"ToleratedFailureCount": 4, "ItemBatcher": {"MaxInputBytesPerBatch": 80}})));
}

#[test]
fn crash_with_results_in_a_bucket() {
    let fields = merged(csv(), writer(json!({"Transformation": "COMPACT"})));
    cut_off(merged(fields, json!({"ToleratedFailureCount": 1})));
}

#[test]
fn nondeterministic_batches_keep_their_items_after_a_crash() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let calls = seen.clone();
    let host = Fake::new(move |call| {
        calls.lock().unwrap().extend(call.payload()["Items"].as_array().unwrap().clone());
        Ok(json!(1))
    });
    fill(&host);
    // The host numbers its UUIDs, so every run would have different ones.
    let selector = json!({"ItemSelector": {"id.$": "States.UUID()", "row.$": "$$.Map.Item.Value.a"}});
    let fields = merged(
        merged(csv(), selector),
        json!({"MaxConcurrency": 3, "ItemBatcher": {"MaxInputBytesPerBatch": 200}}),
    );
    let task = json!({"Type": "Task", "Resource": "arn:aws:lambda:x:1:function:f", "End": true});
    let definition = with_child(fields, task);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let mut crashes = 0;
    loop {
        host.hangs_at.store(host.events() + 4, Ordering::SeqCst);
        match run_until_hung(&path, &definition, json!({}), &host) {
            Some(outcome) => break assert!(matches!(outcome, Outcome::Succeeded(_))),
            None => crashes += 1,
        }
    }
    assert!(crashes > 1, "{crashes}");
    let mut rows: Vec<u32> =
        seen.lock().unwrap().iter().map(|item| item["row"].as_str().unwrap().parse().unwrap()).collect();
    rows.sort();
    assert_eq!(rows, (0..23).collect::<Vec<_>>());
}

/// Children of an inner map are not confused with children of the outer map.
#[test]
fn crash_of_a_map_in_a_child() {
    let task = json!({"Type": "Task", "Resource": "arn:aws:lambda:x:1:function:f", "End": true});
    let inner = with_child(json!({"Label": "Inner", "MaxConcurrency": 1}), task).replace("\"C\"", "\"D\"");
    let inner: Value = serde_json::from_str(&inner).unwrap();
    // Calls are made one at a time, so that one hangs.
    let definition = with_child(json!({"Label": "Outer", "MaxConcurrency": 1}), inner["States"]["M"].clone());
    let items = json!([[1, 2, 3], [4, 5, 6]]);
    // Each of the six calls but the first comes after an inner map has recorded something.
    for hangs_at in 1..=6 {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let host = Fake::echo();
        host.hangs_at.store(hangs_at, Ordering::SeqCst);
        assert_eq!(run_until_hung(&path, &definition, items.clone(), &host), None);
        host.hangs_at.store(u64::MAX, Ordering::SeqCst);
        assert_eq!(
            run_until_hung(&path, &definition, items.clone(), &host),
            Some(Outcome::Succeeded(items.clone())),
            "{hangs_at}"
        );
    }
}

/// Enough results for more than one file, so that some are written before the run ends.
#[test]
fn crash_while_results_are_written_during_the_run() {
    let selector = json!({"n.$": "$$.Map.Item.Value", "long.$": "$.long"});
    let fields = merged(
        writer(json!({"Transformation": "COMPACT"})),
        json!({"ItemsPath": "$.items", "ItemSelector": selector}),
    );
    let task = json!({"Type": "Task", "Resource": "arn:aws:lambda:x:1:function:f", "End": true});
    let definition = with_child(merged(fields, json!({"MaxConcurrency": 4})), task);
    let input = json!({"items": (0..50).collect::<Vec<_>>(), "long": "x".repeat(200 * 1024)});
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let host = Fake::echo();
    let mut crashes = 0;
    let outcome = loop {
        host.hangs_at.store(host.events() + 9, Ordering::SeqCst);
        match run_until_hung(&path, &definition, input.clone(), &host) {
            Some(outcome) => break outcome,
            None => crashes += 1,
        }
    };
    assert!(crashes > 4, "{crashes}");
    let Outcome::Succeeded(output) = outcome else { panic!("{outcome:?}") };
    let manifest = host.json(&format!("out/{}", output["ResultWriterDetails"]["Key"].as_str().unwrap()));
    let files = manifest["ResultFiles"]["SUCCEEDED"].as_array().unwrap().clone();
    assert!(files.len() > 1, "{files:?}");
    let results = files.iter().flat_map(|file| {
        let key = format!("out/{}", file["Key"].as_str().unwrap());
        assert_eq!(host.objects.lock().unwrap()[&key].len() as u64, file["Size"]);
        host.json(&key)
            .as_array()
            .unwrap()
            .iter()
            .map(|result| result["n"].as_u64().unwrap())
            .collect::<Vec<_>>()
    });
    let mut results: Vec<u64> = results.collect();
    results.sort();
    assert_eq!(results, (0..50).collect::<Vec<_>>());
}

/// A crash while the first file is written: the records in the journal are written once, and their children
/// do not run again.
#[test]
fn crash_with_records_that_fill_a_file() {
    let selector = json!({"n.$": "$$.Map.Item.Value", "long.$": "$.long"});
    let fields = merged(
        writer(json!({"Transformation": "COMPACT"})),
        json!({"ItemsPath": "$.items", "ItemSelector": selector}),
    );
    let task = json!({"Type": "Task", "Resource": "arn:aws:lambda:x:1:function:f", "End": true});
    let definition = with_child(merged(fields, json!({"MaxConcurrency": 1})), task);
    let input = json!({"items": (0..50).collect::<Vec<_>>(), "long": "x".repeat(200 * 1024)});
    // The first event writes the manifest, 41 results fill a file, and writing the file is the 43rd event.
    for hangs_at in 42..=44 {
        let calls = Arc::new(Mutex::new(Vec::new()));
        let seen = calls.clone();
        let host = Fake::new(move |call| {
            seen.lock().unwrap().push(call.payload()["n"].as_u64().unwrap());
            Ok(call.payload().clone())
        });
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        host.hangs_at.store(hangs_at, Ordering::SeqCst);
        assert!(run_until_hung(&path, &definition, input.clone(), &host).is_none());
        host.hangs_at.store(u64::MAX, Ordering::SeqCst);
        let Some(Outcome::Succeeded(output)) = run_until_hung(&path, &definition, input.clone(), &host)
        else {
            panic!("no end")
        };
        let manifest = host.json(&format!("out/{}", output["ResultWriterDetails"]["Key"].as_str().unwrap()));
        let files = manifest["ResultFiles"]["SUCCEEDED"].as_array().unwrap().clone();
        let results = files.iter().flat_map(|file| {
            host.json(&format!("out/{}", file["Key"].as_str().unwrap())).as_array().unwrap().clone()
        });
        let numbers: Vec<u64> = results.map(|result| result["n"].as_u64().unwrap()).collect();
        assert_eq!(numbers, (0..50).collect::<Vec<_>>(), "{hangs_at}");
        // Only the call that hung is repeated.
        let mut calls = calls.lock().unwrap().clone();
        calls.sort();
        let again = calls.windows(2).filter(|pair| pair[0] == pair[1]).count();
        assert!(again <= 1, "{hangs_at}: {calls:?}");
    }
}
