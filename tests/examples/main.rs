//! The examples as a user runs them: their command, their definitions, their suites and their pictures.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const PROJECT: &str = env!("CARGO_MANIFEST_DIR");
const THROUGHLINE: &str = env!("CARGO_BIN_EXE_throughline");

fn folder() -> PathBuf {
    Path::new(PROJECT).join("examples")
}

/// The files below the folder of examples whose names end like this.
fn files(ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            let inner = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
            found.extend(inner.filter(|path| path.to_string_lossy().ends_with(ending)));
        }
    }
    assert!(found.len() > 4, "the examples have files {ending}");
    found
}

fn throughline(arguments: &[&str]) -> Output {
    Command::new(THROUGHLINE).args(arguments).output().unwrap()
}

/// Runs the small form of an example, with this build's `throughline` first on the PATH.
fn runs(name: &str) -> String {
    let binary = Path::new(THROUGHLINE).parent().unwrap();
    let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap());
    let run = folder().join(name).join("run");
    let output = Command::new(run).arg("--small").env("PATH", path).output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{printed}{}", String::from_utf8_lossy(&output.stderr));
    // The example has read the page of this link.
    let link =
        printed.lines().find(|line| line.starts_with("In the console, while this runs: http://127.0.0.1:"));
    assert!(link.is_some_and(|link| link.contains("&next=%2F")), "{printed}");
    printed
}

#[test]
fn orders_end_as_they_should() {
    assert!(runs("order").contains("every customer told once, every good card charged once"));
}

#[test]
fn people_approve_over_a_kill() {
    assert!(runs("approval").contains("answered after a kill and a restart"));
}

#[test]
fn invoices_are_made_once_over_kills() {
    assert!(runs("billing").contains("Every invoice exactly once"));
}

#[test]
fn every_record_has_a_result() {
    assert!(runs("million-records").contains("Every record has its result, once."));
}

#[test]
fn uploads_are_loaded_or_set_aside() {
    assert!(runs("etl").contains("Every file is loaded or set aside"));
}

#[test]
fn a_period_is_replicated_three_ways() {
    assert!(runs("replication").contains("Every entity is replicated"));
}

#[test]
fn every_definition_is_valid() {
    for definition in files(".asl.json") {
        let output = throughline(&["states", "validate", definition.to_str().unwrap()]);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{}: {said}", definition.display());
    }
}

/// A suite belongs to the definition that its comment names.
#[test]
fn every_suite_reaches_every_branch() {
    for suite in files("suite.yaml") {
        let text = fs::read_to_string(&suite).unwrap();
        let named = text.split_whitespace().find(|word| word.contains(".asl.json")).unwrap();
        let definition = suite.with_file_name(named.trim_end_matches(['.', ',']));
        let (definition, suite) = (definition.to_str().unwrap(), suite.to_str().unwrap());
        let output = throughline(&["states", "test", definition, "--suite", suite]);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{suite}: {said}");
        let reached = said.lines().last().unwrap();
        let counts: Vec<&str> = reached.split([',', ':']).skip(1).collect();
        for count in counts {
            let (some, all) = count.trim().split_once(" of ").unwrap();
            assert_eq!(some, all.split(' ').next().unwrap(), "{suite}: {said}");
        }
    }
}

#[test]
fn every_picture_shows_its_definition() {
    let drawn = tempfile::tempdir().unwrap();
    for definition in files(".asl.json") {
        let picture = definition.to_str().unwrap().replace(".asl.json", ".svg");
        let new = drawn.path().join("new.svg");
        let output =
            throughline(&["states", "graph", definition.to_str().unwrap(), "-o", new.to_str().unwrap()]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let same = fs::read(&picture).unwrap() == fs::read(&new).unwrap();
        assert!(same, "{picture} is old: throughline states graph {} -o {picture}", definition.display());
    }
}
