//! The names of the code are the field's standard terms, and the sentences that a reader meets first are plain English.

use std::fs;
use std::path::{Path, PathBuf};

const PROJECT: &str = env!("CARGO_MANIFEST_DIR");

/// Private words that were replaced by standard terms, and the terms. A word counts as a whole identifier, or as a part of one.
/// Strings are exempt: keys and fields keep their names.
const IDENTIFIERS: [(&str, &str); 31] = [
    ("TurnHolder", "LeaseHolder"),
    ("NoteBook", "IntentLog"),
    ("hungry", "wants_intents"),
    ("name_ahead", "write-ahead intents"),
    ("Outbox", "ResultWriter"),
    ("choked", "over the high-water mark"),
    ("Sick", "down set"),
    ("hearsay", "suspected"),
    ("ailing", "unhealthy"),
    ("Ailing", "unhealthy"),
    ("illness", "last failure"),
    ("Death", "abandoned"),
    ("burnt", "attempts"),
    ("spared", "not counted"),
    ("by_chance", "nondeterministic"),
    ("Dice", "Rng"),
    ("Crew", "TaskSet"),
    ("Sight", "evaluation scope"),
    ("Leaving", "OnExit"),
    ("Breach", "rule violation"),
    ("insist", "retry_unavailable"),
    ("lacks", "missing"),
    ("Trouble", "Failure"),
    ("NotesAhead", "intents"),
    ("Unwritten", "OutputError"),
    ("Kept", "Protected"),
    ("FlushKey", "SegmentKey"),
    ("answers", "responses"),
    ("behind", "after"),
    ("flush_object", "segment"),
    ("passing", "transient"),
];

/// Turns of phrase that make a reader read a sentence twice.
const PHRASES: [&str; 29] = [
    " is no ",
    " are no ",
    " lies in",
    " lie in",
    " lies at",
    " stands in",
    " stand in",
    "what came of",
    "what becomes of",
    "What became of",
    " of one's own",
    " has not got",
    "nought",
    " beside the",
    " beside a",
    "nobody here",
    "what of the",
    "what became of",
    "must become of",
    "must come of",
    " lie within",
    " beside this",
    "/// Most ",
    "flush object",
    "given up",
    "asked for again",
    " to blame",
    " for then ",
    "mean nothing in",
];

/// Sentences in which a phrase is plain English.
const PHRASES_ALLOWED: [&str; 4] = ["there is no ", "There is no ", "there are no ", "There are no "];

#[test]
fn identifiers_are_standard_terms() {
    let mut found = Vec::new();
    for path in files(&["rs"]) {
        let text = fs::read_to_string(Path::new(PROJECT).join(&path)).unwrap();
        for (number, line) in (1..).zip(text.lines()) {
            let code = without_strings(line.split("//").next().unwrap_or_default());
            for identifier in code.split(|c: char| !c.is_alphanumeric() && c != '_') {
                for (word, term) in IDENTIFIERS {
                    if has_word(identifier, word) {
                        found.push(format!("{}:{number}: {identifier}: say {term}", path.display()));
                    }
                }
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn sentences_are_plain_english() {
    let mut found = Vec::new();
    for path in files(&["rs", "md", "toml", "json", "ts"]) {
        let text = fs::read_to_string(Path::new(PROJECT).join(&path)).unwrap();
        for (number, line) in (1..).zip(text.lines()) {
            let plain =
                PHRASES_ALLOWED.iter().fold(line.to_owned(), |line, allowed| line.replace(allowed, ""));
            for phrase in PHRASES.iter().filter(|phrase| plain.contains(**phrase)) {
                found.push(format!("{}:{number}:{phrase}: {}", path.display(), line.trim()));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// Whether a word is an identifier, or a part of one in camel case or snake case.
fn has_word(identifier: &str, word: &str) -> bool {
    let mut from = 0;
    while let Some(at) = identifier[from..].find(word) {
        let (start, end) = (from + at, from + at + word.len());
        let before = identifier[..start].chars().next_back();
        let after = identifier[end..].chars().next();
        let begins = word.starts_with(char::is_uppercase) || before.is_none_or(|c| c == '_');
        if begins && after.is_none_or(|c| c == '_' || c.is_uppercase()) {
            return true;
        }
        from = end;
    }
    false
}

fn without_strings(code: &str) -> String {
    code.split('"').step_by(2).collect::<Vec<_>>().join(" ")
}

/// The project's own files with these endings, relative to it.
pub(crate) fn files(endings: &[&str]) -> Vec<PathBuf> {
    let list = std::process::Command::new("git").args(["ls-files"]).current_dir(PROJECT).output().unwrap();
    let list = String::from_utf8(list.stdout).unwrap();
    assert!(!list.is_empty(), "git knows the files of the project");
    let ours = |path: &&str| {
        !path.starts_with("tests/docs/words.rs")
            && !path.starts_with("fuzz/seeds")
            && !path.ends_with("package-lock.json")
            && Path::new(path)
                .extension()
                .is_some_and(|ending| endings.iter().any(|wanted| ending == *wanted))
    };
    list.lines()
        .filter(ours)
        .map(PathBuf::from)
        .filter(|path| Path::new(PROJECT).join(path).exists())
        .collect()
}
