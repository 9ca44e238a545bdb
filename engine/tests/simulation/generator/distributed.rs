//! Distributed Maps and the data that they read.

use serde_json::{Value, json};

use super::store::{ATTEMPTS, StoreFault};
use super::{Around, BUCKET, DEEPEST, Generator, MapPlan};

impl Generator {
    pub(super) fn distributed(&mut self, around: Around, name: &str, jsonata: bool) -> Value {
        let express = self.rng.percent(25);
        let batched = self.rng.percent(35) && !self.big;
        let is_big = std::mem::take(&mut self.big);
        let depth = if is_big { DEEPEST } else { around.depth + 1 };
        let inside = Around { depth, concurrent: false, express };
        let begin =
            if batched { json!({"id.$": "$.Items[0].id", "n.$": "$.Items[0].n"}) } else { Value::Null };
        let mut scope = self.scope(inside, begin, false);
        if is_big {
            swell(&mut scope);
        }
        let execution_type = if express { "EXPRESS" } else { "STANDARD" };
        let mut processor =
            json!({"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": execution_type}});
        processor.as_object_mut().unwrap().extend(scope.as_object().unwrap().clone());
        let (least, most) = if is_big { (46, 58) } else { (0, if around.depth == 0 { 20 } else { 6 }) };
        let items: Vec<u64> =
            (0..least + self.rng.below(most - least)).map(|_| self.rng.below(100)).collect();
        let concurrency = self.rng.one_of(&[0, 1, 3]);
        let mut state =
            json!({"Type": "Map", "Label": name, "ItemProcessor": processor, "MaxConcurrency": concurrency});
        let kind = self.rng.one_of(&["", "JSON", "JSONL", "CSV", "LIST", "FLATTEN"]);
        self.map_fields(&mut state, name, jsonata, kind);
        match kind {
            "" => self.items(&mut state, jsonata, &items),
            _ => self.reader(&mut state, name, jsonata, kind, &items),
        }
        if batched {
            state["ItemBatcher"] = if self.rng.percent(70) {
                json!({"MaxItemsPerBatch": 1 + self.rng.below(4)})
            } else {
                json!({"MaxInputBytesPerBatch": 300 + self.rng.below(300)})
            };
        }
        let writes = self.rng.percent(if is_big { 85 } else { 60 });
        if writes {
            self.writer(&mut state, name, jsonata);
        }
        let count = items.len() as u64;
        let mut faults: Vec<_> =
            (0..ATTEMPTS).map(|_| StoreFault::draw(&mut self.rng, kind, count, writes)).collect();
        if !jsonata {
            // A reader in JSONPath cannot refer to the number of its attempt.
            faults = vec![faults[0]; ATTEMPTS];
        }
        let mut tolerated_count = self.rng.percent(40).then(|| self.rng.below(6));
        let mut tolerated_percentage = self.rng.percent(40).then(|| self.rng.one_of(&[0, 10, 30, 50, 100]));
        // A map with big results is to fill its first file.
        if is_big || faults.iter().flatten().any(|fault| fault.comes_late()) {
            (tolerated_count, tolerated_percentage) = (None, Some(100));
        }
        if let Some(count) = tolerated_count {
            state["ToleratedFailureCount"] = count.into();
        }
        if let Some(percentage) = tolerated_percentage {
            state["ToleratedFailurePercentage"] = percentage.into();
        }
        let plan =
            MapPlan { items: count, tolerated_count, tolerated_percentage, writes, batched, is_big, faults };
        self.maps.insert(name.to_owned(), plan);
        state
    }

    /// Puts the items into the store, once for each attempt.
    fn reader(&mut self, state: &mut Value, name: &str, jsonata: bool, kind: &str, items: &[u64]) {
        let lines = |items: &[u64], line: &dyn Fn(&u64) -> String| items.iter().map(line).collect::<String>();
        let (resource, place) = match kind {
            "LIST" | "FLATTEN" => ("listObjectsV2", "Prefix"),
            _ => ("getObject", "Key"),
        };
        let config = match kind {
            "LIST" => json!({}),
            "FLATTEN" => json!({"Transformation": "LOAD_AND_FLATTEN", "InputType": "JSONL"}),
            "CSV" => json!({"InputType": kind, "CSVHeaderLocation": "FIRST_ROW"}),
            _ => json!({"InputType": kind}),
        };
        let json_line = |n: &u64| format!("{{\"n\": {n}}}\n");
        for attempt in attempts() {
            let mut put = |rest: &str, body: String| {
                self.objects.insert(format!("{BUCKET}/{name}.{attempt}{rest}"), body)
            };
            match kind {
                "LIST" => items
                    .iter()
                    .enumerate()
                    .for_each(|(place, n)| _ = put(&format!("/{place:03}-{n}"), "x".into())),
                "FLATTEN" => items
                    .chunks(3)
                    .enumerate()
                    .for_each(|(place, items)| _ = put(&format!("/{place:03}"), lines(items, &json_line))),
                "JSON" => {
                    _ = put("", json!(items.iter().map(|n| json!({"n": n})).collect::<Vec<_>>()).to_string())
                }
                "JSONL" => _ = put("", lines(items, &json_line)),
                _ => _ = put("", format!("n,x\n{}", lines(items, &|n| format!("{n},y\n")))),
            }
        }
        let parameters = if jsonata { "Arguments" } else { "Parameters" };
        let ending = if place == "Prefix" { "/" } else { "" };
        state["ItemReader"] = json!({
            "Resource": format!("arn:aws:states:::s3:{resource}"), "ReaderConfig": config,
            parameters: {"Bucket": BUCKET, place: by_attempt(name, jsonata, ending)}
        });
        if kind == "LIST" {
            state["ItemReader"].as_object_mut().unwrap().remove("ReaderConfig");
        }
    }

    fn writer(&mut self, state: &mut Value, name: &str, jsonata: bool) {
        let parameters = if jsonata { "Arguments" } else { "Parameters" };
        state["ResultWriter"] = json!({
            "Resource": "arn:aws:states:::s3:putObject", parameters: {"Bucket": "out", "Prefix": by_attempt(name, jsonata, "")}
        });
        if self.rng.percent(30) {
            state["ResultWriter"]["WriterConfig"] = json!({"Transformation": "NONE", "OutputType": "JSONL"});
        }
    }
}

/// Makes the outputs of the children so large that some dozens of them fill a file of 8 MiB.
fn swell(scope: &mut Value) {
    let states = scope["States"].as_object_mut().unwrap();
    let (_, last) = states.iter_mut().find(|(name, _)| name.starts_with("Last")).unwrap();
    *last = json!({"Type": "Pass", "Parameters": {"id.$": "$.id", "n.$": "$.n", "long": "x".repeat(240_000)}, "End": true});
}

/// The attempts as they appear in names: the first has no number.
fn attempts() -> impl Iterator<Item = String> {
    (0..ATTEMPTS).map(|attempt| if attempt == 0 { String::new() } else { attempt.to_string() })
}

fn by_attempt(name: &str, jsonata: bool, ending: &str) -> String {
    if jsonata {
        format!("{{% '{name}.' & $states.context.State.RetryCount & '{ending}' %}}")
    } else {
        format!("{name}.{ending}")
    }
}
