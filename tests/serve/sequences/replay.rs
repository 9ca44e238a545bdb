//! Replays one sequence.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::compare;
use super::names::Names;
use crate::server::Server;

/// How long a response may take to become equal, if something under way may still change it.
const PATIENCE: Duration = Duration::from_secs(10);
const ACCOUNT: &str = "111111111111";

/// Members that AWS has added since some of the recordings.
const NEWER: [&str; 5] = [
    "encryptionConfiguration",
    "redriveCount",
    "redriveStatus",
    "redriveStatusReason",
    "stateMachineVersionArn",
];

struct Replay {
    server: Server,
    /// Recorded names and what they are here.
    bound: HashMap<String, String>,
    /// The ARNs of the executions and activities that were made here.
    executions: Vec<String>,
    activities: Vec<String>,
    /// The outputs of the calls, by operation.
    outputs: Vec<(String, Value)>,
}

/// What differs, if anything does.
pub(super) async fn replay(sequence: &Value) -> Option<String> {
    if sequence.to_string().contains("AUTO-deploy_cfn_template") {
        return Some("the machine comes from CloudFormation".into());
    }
    let mut replay = Replay {
        server: Server::start_with(&format!("account = {ACCOUNT:?}\n")),
        bound: HashMap::new(),
        executions: Vec::new(),
        activities: Vec::new(),
        outputs: Vec::new(),
    };
    for (at, call) in sequence["calls"].as_array().unwrap().iter().enumerate() {
        if let Some(miss) = replay.call(call).await {
            return Some(format!("call {at}, {}: {miss}", call["op"].as_str().unwrap()));
        }
    }
    None
}

impl Replay {
    async fn call(&mut self, call: &Value) -> Option<String> {
        let operation = camel(call["op"].as_str().unwrap());
        let expected =
            call.get("snapshot").map(|snapshot| snapshot.as_object().unwrap().values().next().unwrap());
        // A call that the client itself refused.
        if expected.is_some_and(|expected| expected.to_string().contains("Parameter validation failed")) {
            return None;
        }
        let params = self.params(&operation, &call["params"], expected);
        let changes =
            matches!(operation.as_str(), "GetExecutionHistory" | "DescribeExecution" | "ListExecutions");
        let begun = Instant::now();
        let mut seen = Vec::new();
        loop {
            let (status, given) = self.server.client.call(&operation, &params).await;
            let output = self.named_as_recorded(&given, expected);
            let miss = expected.and_then(|expected| differs(expected, status, &output));
            let waits = match expected {
                Some(_) => miss.is_some() && !has_ended(&output),
                // The test waited for something here: until nothing more happens.
                None if operation == "GetExecutionHistory" => {
                    seen.push(output["events"].as_array().map_or(0, Vec::len));
                    let is_quiet = matches!(seen.as_slice(), [.., a, b, c] if a == b && b == c && *a > 1);
                    !has_ended(&output) && !is_quiet
                }
                None => false,
            };
            if changes && status == 200 && waits && begun.elapsed() < PATIENCE {
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            }
            if status == 200 {
                self.remember(&operation, given);
            }
            return miss;
        }
    }

    /// The output with the names that the recording gave to ARNs.
    fn named_as_recorded(&self, output: &Value, expected: Option<&Value>) -> Value {
        let recorded = expected.map(Value::to_string).unwrap_or_default();
        let mut text = output.to_string();
        if recorded.contains("activity_arn") {
            let missing = format!("arn:aws:states:us-east-1:{ACCOUNT}:activity:missing");
            for arn in self.activities.iter().chain([&missing]) {
                text = text.replace(arn, "activity_arn");
            }
            // The ARN of the activity that this call makes.
            if let Some(arn) = output["activityArn"].as_str() {
                text = text.replace(arn, "activity_arn");
            }
        }
        for (name, kind) in [
            ("ssm_nonexistent_arn", "stateMachine:missing"),
            ("sm_nonexistent_arn", "stateMachine:missing"),
            ("invalid_execution_arn", "execution:missing:missing"),
        ] {
            if recorded.contains(name) {
                text = text.replace(&format!("arn:aws:states:us-east-1:{ACCOUNT}:{kind}"), name);
            }
        }
        serde_json::from_str(&text).unwrap()
    }

    fn remember(&mut self, operation: &str, output: Value) {
        let text = |name: &str| output[name].as_str().map(str::to_owned);
        match operation {
            "StartExecution" | "StartSyncExecution" => self.executions.extend(text("executionArn")),
            "CreateActivity" => self.activities.extend(text("activityArn")),
            _ => {}
        }
        self.outputs.push((operation.to_owned(), output));
    }

    /// The parameters with the names that things have here.
    fn params(&mut self, operation: &str, params: &Value, expected: Option<&Value>) -> Value {
        let shown = expected.map(Value::to_string).unwrap_or_default();
        let mut params = params.clone();
        if params["nextToken"].is_null() && params.get("nextToken").is_some() {
            params["nextToken"] = self.last(operation, "nextToken", "");
        }
        let mut automatic = 0;
        self.walk(&mut params, &shown, &mut automatic);
        params
    }

    fn walk(&mut self, value: &mut Value, shown: &str, automatic: &mut usize) {
        match value {
            Value::String(text) => *text = self.text(text, shown, automatic),
            Value::Array(items) => items.iter_mut().for_each(|item| self.walk(item, shown, automatic)),
            Value::Object(fields) => fields.values_mut().for_each(|field| self.walk(field, shown, automatic)),
            _ => {}
        }
    }

    fn text(&mut self, text: &str, shown: &str, automatic: &mut usize) -> String {
        if let Some(path) = text.strip_prefix("AUTO-stepfunctions.") {
            let (operation, member) = path.split_once('.').unwrap();
            let operation = camel(operation);
            if member == "nextToken" || member == "revisionId" {
                let skip = usize::from(member == "revisionId");
                let found = self.all(&operation, member);
                return found[found.len() - 1 - skip].clone();
            }
            let found = self.all(&operation, member);
            let named = |arn: &&String| shown.contains(&format!("idx>:{}", arn.rsplit(':').next().unwrap()));
            let at = (*automatic).min(found.len() - 1);
            *automatic += 1;
            let several = shown.contains("RoutingConfigurationListItem");
            let chosen = if several { None } else { found.iter().rev().find(named) };
            return chosen.unwrap_or(&found[at]).clone();
        }
        let missing = |kind: &str| format!("arn:aws:states:us-east-1:{ACCOUNT}:{kind}");
        match text {
            "activity_arn" => {
                let known = self.activities.last().cloned();
                return known.unwrap_or_else(|| missing("activity:missing"));
            }
            "sm_nonexistent_arn" | "ssm_nonexistent_arn" => return missing("stateMachine:missing"),
            "invalid_execution_arn" => return missing("execution:missing:missing"),
            _ => {}
        }
        if let Some(bound) = self.bound.get(text) {
            return bound.clone();
        }
        if text.starts_with("arn:") && text.contains(":execution:") && !self.executions.is_empty() {
            let known: Vec<&String> = self.bound.values().collect();
            let free = self.executions.iter().rev().find(|arn| !known.contains(arn));
            let arn = free.unwrap_or(&self.executions[0]).clone();
            self.bound.insert(text.to_owned(), arn.clone());
            return arn;
        }
        let mut text = text.replace("arn:<partition>:", "arn:aws:").replace("<region>", "us-east-1");
        text = text
            .replace("\"activity_arn\"", &format!("{:?}", self.activities.last().unwrap_or(&String::new())));
        if text.contains("activity_arn")
            && let Some(arn) = self.activities.last()
        {
            text = text.replace("activity_arn", arn);
        }
        // Names may not have the characters of a placeholder.
        if !text.starts_with('{') && text.contains("idx>") {
            text = text.replace(['<', '>'], "");
        } else {
            for part in ["<ArnPart_0idx>", "<ArnPart_1idx>", "<ArnPart_2idx>"] {
                text = text.replace(part, &part[1..part.len() - 1]);
            }
        }
        text
    }

    fn all(&self, operation: &str, member: &str) -> Vec<String> {
        let of_it = self.outputs.iter().filter(|(name, _)| name == operation);
        of_it.filter_map(|(_, output)| output[member].as_str().map(str::to_owned)).collect()
    }

    fn last(&self, operation: &str, member: &str, otherwise: &str) -> Value {
        self.all(operation, member).pop().unwrap_or_else(|| otherwise.to_owned()).into()
    }
}

fn has_ended(output: &Value) -> bool {
    let ends = ["ExecutionSucceeded", "ExecutionFailed", "ExecutionAborted", "ExecutionTimedOut"];
    let is_end = |event: &Value| ends.contains(&event["type"].as_str().unwrap_or_default());
    output["events"].as_array().is_some_and(|events| events.iter().any(is_end))
}

fn differs(expected: &Value, status: u16, output: &Value) -> Option<String> {
    if let Some((code, message)) = error_of(expected) {
        let found = json!([output["__type"], output["message"]]);
        let names = Names::of(&Value::Null);
        let expected = names.normalised(&json!([code, message]));
        let equal = status >= 400 && compare::same(&expected, &names.normalised(&found));
        return (!equal).then(|| format!("\n  expected {expected}\n  found    {output}"));
    }
    if status != 200 {
        return Some(format!("\n  expected {expected}\n  found    {output}"));
    }
    let mut expected = expected.clone();
    expected.as_object_mut()?.remove("ResponseMetadata");
    if let Some(events) = output["events"].as_array() {
        let recorded = expected["events"].as_array().cloned().unwrap_or_default();
        let concurrent = recorded.iter().any(|event| event["type"] == "ParallelStateStarted");
        let zero = |event: &Value| event["previousEventId"] == 0 && event["id"].as_array().is_some();
        let case = json!({
            "snapshot_jsonpath_transformers": recorded_names()["snapshot_jsonpath_transformers"],
            "expected_history": recorded,
            "history_normalised": concurrent && recorded.iter().any(zero),
        });
        return compare::histories(&Names::of(&case), &case, events);
    }
    let names = Names::of(&recorded_names());
    let (expected, found) = (dated(&expected), dated(output));
    let found = without_newer(&expected, found);
    let (expected, found) = (names.normalised(&expected), names.normalised(&found));
    (!compare::same(&expected, &found)).then(|| format!("\n  expected {expected}\n  found    {found}"))
}

/// The values that the recordings replaced by their kinds, by their keys.
fn recorded_names() -> Value {
    let replaced = |(key, kind)| json!({"jsonpath": format!("$..{key}"), "replacement": kind});
    let replaced: Vec<Value> =
        [("TimestampValue", "timestamp"), ("mapRunArn", "map_run_arn")].into_iter().map(replaced).collect();
    json!({ "snapshot_jsonpath_transformers": replaced })
}

/// The name and the message of a recorded error, which has one of three forms.
fn error_of(expected: &Value) -> Option<(String, String)> {
    let raised = |text: &str| {
        let rest = text.strip_prefix("An error occurred (")?;
        let (code, rest) = rest.split_once(')')?;
        Some((code.to_owned(), rest.split_once(" operation: ")?.1.to_owned()))
    };
    if let Some(text) = expected.as_str().or(expected["exception_value"].as_str()) {
        return raised(text);
    }
    let error = &expected["Error"];
    Some((error["Code"].as_str()?.to_owned(), error["Message"].as_str()?.to_owned()))
}

/// Times are numbers here, and texts in the recordings.
fn dated(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let field = |(name, value): (&String, &Value)| {
                let value = if name.ends_with("Date") { "date".into() } else { dated(value) };
                (name.clone(), value)
            };
            Value::Object(fields.iter().map(field).collect())
        }
        Value::Array(items) => items.iter().map(dated).collect(),
        other => other.clone(),
    }
}

fn without_newer(expected: &Value, found: Value) -> Value {
    match (expected, found) {
        (Value::Object(expected), Value::Object(mut found)) => {
            found.retain(|name, _| expected.contains_key(name) || !NEWER.contains(&name.as_str()));
            let field = |(name, value): (String, Value)| {
                let value =
                    expected.get(&name).map_or(value.clone(), |expected| without_newer(expected, value));
                (name, value)
            };
            Value::Object(found.into_iter().map(field).collect())
        }
        (Value::Array(expected), Value::Array(found)) => {
            let item =
                |(at, value)| expected.get(at).map_or(Value::Null, |expected| without_newer(expected, value));
            let (expected, length) = (expected.len(), found.len());
            if expected == length { found.into_iter().enumerate().map(item).collect() } else { found.into() }
        }
        (_, found) => found,
    }
}

fn camel(operation: &str) -> String {
    let parts = operation.split('_').map(|part| part[..1].to_uppercase() + &part[1..]);
    parts.collect()
}
