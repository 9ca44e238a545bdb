//! The project itself: the definition, and the dependencies between packages.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use job::ErrorName;
use serde_json::Value;

const DEFINITION: &str = include_str!("../../definition.asl.json");

/// Error names of Step Functions and Lambda that the definition may name.
/// Source: Step Functions Developer Guide, "Handling errors" and "Best practices: handle transient Lambda service exceptions".
const AWS_NAMES: [&str; 11] = [
    "States.ALL",
    "States.DataLimitExceeded",
    "States.Timeout",
    "Lambda.TooManyRequestsException",
    "Lambda.ClientExecutionTimeoutException",
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.Unknown",
    "Sandbox.Timedout",
    "Runtime.ExitError",
];

#[test]
fn definition_compiles_with_its_placeholders_bound() {
    let placeholders: BTreeSet<&str> =
        DEFINITION.split("${").skip(1).map(|rest| rest.split('}').next().unwrap()).collect();
    assert_eq!(
        placeholders,
        BTreeSet::from(["PreprocessFunctionArn", "WorkerFunctionArn", "PostprocessFunctionArn"])
    );
    let bound = throughline::local::bind(DEFINITION);
    assert!(!bound.contains("${"));
    let machine = engine::compile(&bound).unwrap_or_else(|problems| panic!("{problems}"));
    let functions: BTreeSet<String> = machine.functions().into_iter().collect();
    assert_eq!(functions.len(), 3, "{functions:?}");
}

#[test]
fn every_error_name_of_the_definition_exists() {
    let ours: BTreeSet<&str> = ErrorName::ALL.iter().map(|name| name.as_str()).collect();
    assert_eq!(ours.len(), ErrorName::ALL.len(), "names are unique");
    let mut named = BTreeSet::new();
    collect(&serde_json::from_str(DEFINITION).unwrap(), &mut named);
    assert!(named.iter().any(|name| ours.contains(name.as_str())));
    for name in named {
        assert!(
            ours.contains(name.as_str()) || AWS_NAMES.contains(&name.as_str()),
            "nothing raises the error {name}"
        );
    }
}

fn collect(value: &Value, named: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            if let Some(Value::Array(names)) = object.get("ErrorEquals") {
                named.extend(names.iter().map(|name| name.as_str().unwrap().to_owned()));
            }
            object.values().for_each(|value| collect(value, named));
        }
        Value::Array(values) => values.iter().for_each(|value| collect(value, named)),
        _ => {}
    }
}

#[test]
fn dependencies_run_one_way() {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let names: BTreeSet<&str> = packages.iter().map(|package| package["name"].as_str().unwrap()).collect();
    let ours: BTreeMap<&str, BTreeSet<&str>> = packages
        .iter()
        .map(|package| {
            let dependencies = package["dependencies"].as_array().unwrap();
            let ours = dependencies
                .iter()
                .filter(|dependency| dependency["kind"].is_null())
                .map(|dependency| dependency["name"].as_str().unwrap())
                .filter(|name| names.contains(name));
            (package["name"].as_str().unwrap(), ours.collect())
        })
        .collect();
    let of = |names: &[&'static str]| BTreeSet::from_iter(names.iter().copied());
    for independent in ["engine", "job", "s3", "testing"] {
        assert_eq!(ours[independent], of(&[]), "{independent}");
    }
    assert_eq!(ours["net"], of(&["job"]));
    assert_eq!(ours["lambda"], of(&["job"]));
    assert_eq!(ours["preprocess"], of(&["job", "lambda"]));
    assert_eq!(ours["worker"], of(&["job", "lambda", "net"]));
    assert_eq!(ours["postprocess"], of(&["job", "lambda"]));
    assert_eq!(ours["states"], of(&["engine", "job", "net"]));
    assert_eq!(ours["serve"], of(&["engine", "net", "s3", "states"]));
    assert_eq!(
        ours["throughline"],
        of(&["engine", "job", "net", "s3", "states", "serve", "preprocess", "worker", "postprocess"])
    );
    let engine = packages.iter().find(|package| package["name"] == "engine").unwrap();
    let foreign = engine["dependencies"]
        .as_array()
        .unwrap()
        .iter()
        .map(|dependency| dependency["name"].as_str().unwrap().to_owned());
    assert!(
        foreign
            .into_iter()
            .all(|name| !name.starts_with("aws") && !name.starts_with("lambda") && name != "reqwest"),
        "the engine asks its host"
    );
}
