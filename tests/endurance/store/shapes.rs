//! Requests of several lines, and lines of several requests, whose store fails or whose process dies.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::path::Path;

use serde_json::{Value, json};
use testing::{Action, Call, HttpServer, JobFile, column, response, response_with};

use super::random;
use super::run::{End, Files, command, observed};

const LINES: usize = 120;
const COMMANDS: u64 = 4;

/// A run whose commands meet one plan each. Commands after the last plan meet no fault. Returns the calls of
/// the store of its first command, and its output.
fn survives<P>(api: &HttpServer, job: impl Display, plans: impl IntoIterator<Item = P>) -> (u64, String)
where
    P: FnMut(&Call) -> Action + Send + 'static,
{
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let input: String = (1..=LINES).map(|n| format!("{n}\n")).collect();
    std::fs::write(path("shapes.toml"), job.to_string()).unwrap();
    std::fs::write(path("in.csv"), format!("id\n{input}")).unwrap();
    let files = Files { job: path("shapes.toml"), input: path("in.csv"), again: None };
    let (mut plans, mut calls, mut redrive) = (plans.into_iter(), Vec::new(), None);
    loop {
        let faults = match plans.next() {
            Some(plan) => observed(api, plan).0,
            None => observed(api, |_| Action::Proceed).0,
        };
        let end = command(&files, &path("state"), &faults, redrive);
        calls.push(faults.calls());
        match end {
            End::Finished(report) if report.not_processed == 0 => break,
            End::Finished(report) => redrive = Some(report.generation + 1),
            End::Stopped(_) | End::Died => {}
        }
        assert!(calls.len() < 30, "it comes to no end");
    }
    (calls[0], output(&path("state")))
}

fn output(state: &Path) -> String {
    std::fs::read_to_string(state.join("jobs/shapes/output/in.csv")).unwrap()
}

/// A death before or after some calls of the store, and faults at random.
fn in_all_ways(calls: u64, deaths: u64, survives: impl Fn(Vec<Box<dyn FnMut(&Call) -> Action + Send>>)) {
    for nth in (1..=calls).step_by(usize::try_from(calls / deaths).unwrap().max(1)) {
        let action = if nth % 2 == 0 { Action::DieBefore } else { Action::DieAfter };
        println!("dies at call {nth} of {calls}");
        survives(vec![Box::new(
            move |call: &Call| if call.number == nth { action } else { Action::Proceed },
        )]);
    }
    for seed in [1_u64, 2, 5] {
        println!("seed {seed}");
        let plan = |command| Box::new(random(seed * COMMANDS + command, seed % 4)) as _;
        survives((0..COMMANDS).map(plan).collect());
    }
}

fn none() -> [fn(&Call) -> Action; 0] {
    []
}

/// Answers lists of ids. A list with 17 is refused.
fn lists() -> HttpServer {
    HttpServer::start(|_, request| {
        let ids: Vec<String> = serde_json::from_str(&request.body).unwrap();
        if ids.iter().any(|id| id == "17") {
            return response(422, "17");
        }
        let results: Vec<_> = ids.iter().map(|id| json!({ "id": id, "name": format!("n{id}") })).collect();
        response(200, &Value::from(results).to_string())
    })
}

fn batches(api: &HttpServer, idempotent: bool) -> JobFile {
    JobFile::post(api.url("/"))
        .request(format!("idempotent = {idempotent}"))
        .request(r#"body = '{{ rows | map(attribute="id") | list }}'"#)
        .request("headers = { content-type = \"application/json\" }")
        .column("name", "$.name")
        .tables("[batch]\nlines = 8\nkey = \"$.id\"")
        .limit(api.host(), "rate = \"unlimited\"\nin_flight = 4")
}

/// The ids of each request, and its key.
fn sent(api: &HttpServer) -> Vec<(Vec<String>, Option<String>)> {
    let requests = api.requests();
    let key = |request: &testing::ReceivedRequest| request.header("idempotency-key").map(str::to_owned);
    requests.iter().map(|request| (serde_json::from_str(&request.body).unwrap(), key(request))).collect()
}

fn check_rows(output: &str, may_be_unknown: bool) {
    let (ids, names, errors) = (column(output, "id"), column(output, "name"), column(output, "error"));
    assert_eq!(ids, (1..=LINES).map(|n| n.to_string()).collect::<Vec<_>>());
    for ((id, name), error) in ids.iter().zip(&names).zip(&errors) {
        match error.as_str() {
            "" => assert_eq!(*name, format!("n{id}")),
            "http_422" => assert_eq!(id, "17"),
            "outcome_unknown" if may_be_unknown => {}
            other => panic!("line {id}: {other}"),
        }
    }
}

#[test]
fn requests_of_several_lines_keep_their_lines_and_keys() {
    let api = lists();
    let (calls, _) = survives(&api, batches(&api, true), none());
    in_all_ways(calls, 12, |plans| {
        api.forget();
        let (_, output) = survives(&api, batches(&api, true), plans);
        check_rows(&output, false);
        let mut keys: BTreeMap<Vec<String>, BTreeSet<Option<String>>> = BTreeMap::new();
        sent(&api).into_iter().for_each(|(ids, key)| _ = keys.entry(ids).or_default().insert(key));
        assert!(keys.values().all(|keys| keys.len() == 1 && !keys.contains(&None)), "{keys:#?}");
        let different: BTreeSet<_> = keys.values().flatten().collect();
        assert_eq!(different.len(), keys.len(), "two lists had one key");
    });
}

#[test]
fn a_post_of_several_lines_is_never_sent_twice() {
    let api = lists();
    let (calls, _) = survives(&api, batches(&api, false), none());
    in_all_ways(calls, 12, |plans| {
        api.forget();
        let (_, output) = survives(&api, batches(&api, false), plans);
        check_rows(&output, true);
        let mut processed = BTreeSet::new();
        for (ids, _) in sent(&api).into_iter().filter(|(ids, _)| !ids.contains(&"17".to_owned())) {
            assert!(ids.iter().all(|id| processed.insert(id.clone())), "{ids:?} were sent twice");
        }
    });
}

/// Takes work by POST, and has it done at once.
fn work() -> HttpServer {
    HttpServer::start(|_, request| match request.method.as_str() {
        "POST" => response_with(202, &[("location", &format!("/jobs/{}", request.body))], "{}"),
        _ => response(200, &json!({ "name": request.path().replace("/jobs/", "n") }).to_string()),
    })
}

#[test]
fn the_first_step_of_a_line_is_never_sent_twice() {
    let api = work();
    let job = || {
        JobFile::post(api.url("/jobs"))
            .request("body = \"{{ id }}\"")
            .column("name", "$.name")
            .tables(
                "[[then]]\nurl = \"{{ response.headers.location }}\"\nuntil = \"body.name\"\nevery = \"5ms\"",
            )
            .limit(api.host(), "rate = \"unlimited\"\nin_flight = 8")
    };
    let (calls, _) = survives(&api, job(), none());
    in_all_ways(calls, 12, |plans| {
        api.forget();
        let (_, output) = survives(&api, job(), plans);
        check_rows(&output, true);
        let posts = api.requests().into_iter().filter(|request| request.method == "POST");
        let mut bodies = BTreeSet::new();
        posts.for_each(|post| assert!(bodies.insert(post.body.clone()), "{} was sent twice", post.body));
    });
}
