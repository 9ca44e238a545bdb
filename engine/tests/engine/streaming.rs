//! Maps of many items hold nothing in memory for items that are not running.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use engine::{Journal, Outcome};
use serde_json::json;

use crate::fake::{Fake, run_on};

#[test]
fn map_of_many_items_leaves_no_entries_in_the_journal() {
    const ITEMS: usize = 5_000;
    let definition = json!({"StartAt": "M", "States": {"M": {
        "Type": "Map", "MaxConcurrency": 64, "ToleratedFailurePercentage": 1, "End": true,
        "ItemReader": {
            "Resource": "arn:aws:states:::s3:getObject", "ReaderConfig": {"InputType": "JSON"},
            "Parameters": {"Bucket": "b", "Key": "items"}
        },
        "ResultWriter": {"Resource": "arn:aws:states:::s3:putObject", "Parameters": {"Bucket": "b", "Prefix": "out"}},
        "ItemProcessor": {
            "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
            "StartAt": "T", "States": {"T": {"Type": "Task", "Resource": "arn:aws:lambda:x:1:function:f", "End": true}}
        }
    }}});
    let done = Arc::new(AtomicUsize::new(0));
    let counted = done.clone();
    let host = Fake::new(move |call| {
        counted.fetch_add(1, Ordering::SeqCst);
        Ok(call.payload().clone())
    });
    host.put("b", "items", json!((0..ITEMS).collect::<Vec<_>>()).to_string());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let journal = Journal::open(&path).unwrap();
    let outcome = run_on(&definition.to_string(), json!({}), &host, &journal).unwrap();
    assert!(matches!(outcome, Outcome::Succeeded(_)));
    assert_eq!(done.load(Ordering::SeqCst), ITEMS);
    assert!(host.most_running.load(Ordering::SeqCst) <= 64);
    let Outcome::Succeeded(output) = outcome else { unreachable!() };
    let manifest = host.json(&format!("b/{}", output["ResultWriterDetails"]["Key"].as_str().unwrap()));
    let written =
        host.json(&format!("b/{}", manifest["ResultFiles"]["SUCCEEDED"][0]["Key"].as_str().unwrap()));
    assert_eq!(written.as_array().unwrap().len(), ITEMS);
    drop(journal);
    assert_eq!(Journal::open(&path).unwrap().entries(), 1);
}
