//! A job that is killed, edited, and run again, many times: no line with a stored response is sent again, and no POST is
//! sent twice.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use serde_json::Value;
use testing::{Api, JobFile, Scene, column, wait_until};

/// Requests that a process sends before it is killed.
const REQUESTS: usize = 60;
const IN_FLIGHT: usize = 8;
const COMMAND: [&str; 5] = ["run", "edited.toml", "in.csv", "-o", "out.csv"];

/// What is edited between two processes.
#[derive(Debug, Clone, Copy)]
pub enum Edit {
    Comment,
    Retry,
    InFlight,
    Appended,
    InsertedAtTheTop,
    Reversed,
}

pub const EDITS: [Edit; 6] =
    [Edit::Comment, Edit::Appended, Edit::Retry, Edit::InsertedAtTheTop, Edit::InFlight, Edit::Reversed];

/// A job and its file, which are edited.
pub struct Edited {
    method: &'static str,
    pub ids: Vec<usize>,
    attempts: usize,
    in_flight: usize,
    comment: usize,
}

impl Edited {
    pub fn new(method: &'static str, lines: usize, in_flight: usize) -> Self {
        Self { method, ids: (1..=lines).collect(), attempts: 3, in_flight, comment: 0 }
    }

    pub fn apply(&mut self, edit: Edit) {
        let next = self.ids.len() + 1;
        match edit {
            Edit::Comment => self.comment += 1,
            Edit::Retry => self.attempts += 1,
            Edit::InFlight => self.in_flight += 1,
            Edit::Appended => self.ids.extend(next..next + 20),
            Edit::InsertedAtTheTop => _ = self.ids.splice(0..0, next..next + 20),
            Edit::Reversed => self.ids.reverse(),
        }
    }

    /// Writes the job `edited.toml` and the file `in.csv`.
    pub fn write(&self, folder: &Path, api: &Api) {
        let Self { attempts, in_flight, comment, .. } = self;
        let job = JobFile::with_method(self.method, api.url("/ok/{{ id }}"))
            .column("got", "$.id")
            .tables(format!("[retry]\nattempts = {attempts} # {comment}"))
            .limit(api.host(), format!("rate = \"unlimited\"\nin_flight = {in_flight}"));
        std::fs::write(folder.join("edited.toml"), job.to_string()).unwrap();
        let lines: String = self.ids.iter().map(|id| format!("{id}\n")).collect();
        std::fs::write(folder.join("in.csv"), format!("id\n{lines}")).unwrap();
    }

    /// The output has every line once, in the order of the file, with its own response. Only a POST may have an
    /// unknown outcome, and none was sent twice. Returns how many have.
    pub fn check(&self, output: &str, hits: &HashMap<usize, usize>) -> usize {
        let Self { method, .. } = self;
        let ids: Vec<usize> = column(output, "id").iter().map(|id| id.parse().unwrap()).collect();
        assert_eq!(ids, self.ids, "{method}: every line is there, in the order of the input");
        let mut unknown = 0;
        let results = column(output, "got").into_iter().zip(column(output, "error"));
        for (id, (got, error)) in ids.iter().zip(results) {
            let has_response = got == id.to_string() && error.is_empty();
            assert!(
                has_response || *method == "POST" && error == "outcome_unknown",
                "{method} {id}: {got:?} {error:?}"
            );
            assert!(!has_response || hits.contains_key(id), "{method} {id}: a response without a request");
            unknown += usize::from(!has_response);
        }
        if *method == "POST" {
            assert_eq!(hits.iter().find(|(_, hits)| **hits > 1), None, "a POST was sent twice");
        }
        unknown
    }
}

fn survives(method: &'static str) {
    let api = Api::start();
    let mut edited = Edited::new(method, 600, IN_FLIGHT);
    let scene = Scene::named("edited", "", "in.csv", "");
    let mut sent_for: BTreeMap<usize, usize> = BTreeMap::new();
    for edit in EDITS {
        edited.write(&scene.path(""), &api);
        let before = api.count();
        api.respond_only(REQUESTS);
        let running = scene.start(&COMMAND);
        wait_until("the requests before the kill", || api.count() > before + REQUESTS);
        running.kill();
        api.respond_all();
        let hits = hits(&api);
        for id in stored(&scene) {
            assert_eq!(
                *sent_for.entry(id).or_insert(hits[&id]),
                hits[&id],
                "{method} {edit:?}: the response to {id} was stored"
            );
        }
        edited.apply(edit);
    }
    edited.write(&scene.path(""), &api);
    let ran = scene.run(&COMMAND);
    assert!(matches!(ran.code, 0 | 2), "{}{}", ran.stdout, ran.stderr);
    let hits = hits(&api);
    for (id, asked) in &sent_for {
        assert_eq!(hits[id], *asked, "{method}: the response to {id} was stored and it was sent again");
    }
    edited.check(&scene.read("out.csv"), &hits);
}

/// How often each line was received.
pub fn hits(api: &Api) -> HashMap<usize, usize> {
    let hits = api.hits().into_iter();
    hits.map(|(path, hits)| (path.rsplit('/').next().unwrap().parse().unwrap(), hits)).collect()
}

/// The lines whose responses are in the state folder.
fn stored(scene: &Scene) -> BTreeSet<usize> {
    let segments = scene.files().into_iter().filter(|file| {
        file.components().any(|part| part.as_os_str() == "results")
            && file.extension().is_some_and(|end| end == "jsonl")
    });
    let results = segments.flat_map(|segment| {
        let text = std::fs::read_to_string(segment).unwrap();
        text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect::<Vec<_>>()
    });
    results.filter_map(|result| result["v"][0].as_str()?.parse().ok()).collect()
}

#[test]
fn killed_and_edited_get_job_sends_no_line_with_a_stored_response_again() {
    survives("GET");
}

#[test]
fn killed_and_edited_post_job_sends_no_line_twice() {
    survives("POST");
}
