//! Several lines in one request: `[batch]`.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use testing::{
    HttpServer, JobFile, Output, ReceivedRequest, Scene, column, response, response_with, wait_until,
};
use tokio::sync::Semaphore;

const RUN: [&str; 5] = ["run", "job.toml", "in.csv", "-o", "out.csv"];

/// The ids that a request asks for.
fn ids(request: &ReceivedRequest) -> Vec<String> {
    let body: Value = serde_json::from_str(&request.body).unwrap();
    body["ids"].as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()).collect()
}

fn respond_with(items: Vec<Value>) -> axum::response::Response {
    let body = json!({ "results": items }).to_string();
    response_with(200, &[("content-type", "application/json")], &body)
}

/// Answers each id, in the opposite order. It refuses a list with an id that begins with `bad`.
fn api() -> HttpServer {
    HttpServer::start(|_, request| {
        let ids = ids(request);
        if ids.iter().any(|id| id.starts_with("bad")) {
            return response(400, "a bad id");
        }
        respond_with(
            ids.iter().rev().map(|id| json!({ "id": id, "name": format!("name of {id}") })).collect(),
        )
    })
}

fn job(api: &HttpServer, batch: &str) -> JobFile {
    JobFile::post(api.url("/lookup"))
        .request(r#"body = '{"ids": {{ rows | map(attribute="id") | list }}}'"#)
        .column("name", "$.name")
        .tables(format!("[batch]\nresults = \"$.results[*]\"\n{batch}"))
        .unlimited(api.host())
}

fn input(ids: impl IntoIterator<Item = impl ToString>) -> String {
    std::iter::once("id\n".to_owned()).chain(ids.into_iter().map(|id| id.to_string() + "\n")).collect()
}

fn run(job: JobFile, input: &str, code: i32) -> (Scene, Output) {
    let scene = Scene::new(job, "in.csv", input);
    let output = scene.run(&RUN).expect(code);
    (scene, output)
}

fn outputs(scene: &Scene, names: &[&str]) -> Vec<Vec<String>> {
    let output = scene.read("out.csv");
    names.iter().map(|name| column(&output, name)).collect()
}

fn sent(api: &HttpServer) -> Vec<Vec<String>> {
    let mut sent: Vec<_> = api.requests().iter().map(ids).collect();
    sent.sort();
    sent
}

#[test]
fn results_find_their_lines_by_key() {
    let api = api();
    let (scene, _) = run(job(&api, "lines = 3\nkey = \"$.id\""), &input(["a", "b", "c", "d", "c"]), 0);
    assert_eq!(sent(&api), [vec!["a", "b", "c"], vec!["d", "c"]]);
    assert_eq!(
        outputs(&scene, &["id", "name"])[1],
        ["name of a", "name of b", "name of c", "name of d", "name of c"]
    );
}

#[test]
fn results_find_their_lines_by_position() {
    let api = HttpServer::start(|_, request| {
        respond_with(ids(request).iter().map(|id| json!({ "name": id.to_uppercase() })).collect())
    });
    let (scene, _) = run(job(&api, "lines = 2"), &input(["a", "b", "c"]), 0);
    assert_eq!(outputs(&scene, &["name"]), [["A", "B", "C"]]);
    assert_eq!(api.count(), 2);
}

#[test]
fn a_list_in_the_url_of_a_get_is_a_batch_too() {
    let api = HttpServer::start(|_, request| {
        let (_, ids) = request.uri.split_once("ids=").unwrap();
        let items: Vec<_> =
            ids.split("%2C").map(|id| json!({ "key": { "id": id }, "n": id.len() })).collect();
        response(200, &json!(items).to_string())
    });
    let job = JobFile::get(api.url("/v1?ids={{ rows | map(attribute='id') | join(',') }}"))
        .column("n", "$.n")
        .column("status", "status")
        .tables("[batch]\nlines = 10\nkey = \"$.key.id\"\nline_key = \"{{ id }}\"")
        .unlimited(api.host());
    let (scene, _) = run(job, &input(["a", "bb"]), 0);
    assert_eq!(outputs(&scene, &["n", "status"]), [["1", "2"], ["200", "200"]]);
    assert_eq!(api.count(), 1);
}

#[test]
fn a_bad_line_is_found_by_halving_and_fails_alone() {
    let api = api();
    let ids: Vec<String> = (0..16).map(|n| if n == 5 { "bad5".to_owned() } else { n.to_string() }).collect();
    let (scene, _) = run(job(&api, "lines = 16\nkey = \"$.id\""), &input(&ids), 2);
    let errors = outputs(&scene, &["error"]).remove(0);
    let expected: Vec<_> = (0..16).map(|n| if n == 5 { "http_400" } else { "" }).collect();
    assert_eq!(errors, expected);
    assert_eq!(api.count(), 9, "two for each halving of sixteen lines, and the first");

    // The failed line is sent again alone, the other lines are not.
    api.forget();
    scene.run(&["redrive", "job.toml", "in.csv", "-o", "out.csv"]).expect(2);
    assert_eq!(sent(&api), [["bad5"]]);

    // What failed was all the time one request: `show` has every attempt.
    let shown = scene.run(&["show", "job.toml", "in.csv", "--line", "6"]).expect(0).stdout;
    assert!(shown.contains("bad5") && shown.matches("a bad id").count() >= 5, "{shown}");
}

#[test]
fn only_statuses_of_halve_are_halved() {
    let api = api();
    let (scene, _) =
        run(job(&api, "lines = 4\nkey = \"$.id\"\nhalve = []"), &input(["1", "bad", "3", "4"]), 2);
    assert_eq!(outputs(&scene, &["error"]), [["http_400"; 4]]);
    assert_eq!(api.count(), 1);
}

#[test]
fn a_line_that_cannot_be_rendered_fails_alone() {
    let api = api();
    let job = JobFile::post(api.url("/lookup"))
        .request(r#"body = '{"ids": [{% for row in rows %}{{ row.id | date("%Y") }}{% if not loop.last %},{% endif %}{% endfor %}]}'"#)
        .column("name", "$.name")
        .tables("[batch]\nresults = \"$.results[*]\"\nlines = 4\nkey = \"$.id\"\nline_key = \"{{ id | date('%Y') }}\"")
        .unlimited(api.host());
    let dates = ["2026-01-01", "2025-01-01", "no date", "2024-01-01"];
    let (scene, _) = run(job, &input(dates), 2);
    assert_eq!(
        outputs(&scene, &["name", "error"]),
        [["name of 2026", "name of 2025", "", "name of 2024"], ["", "", "render", ""]]
    );
    assert_eq!(sent(&api), [vec!["2024"], vec!["2026", "2025"]]);
}

#[test]
fn bodies_have_at_most_the_bytes_of_the_job() {
    let api = api();
    let long: Vec<String> = (10..20).map(|n| n.to_string().repeat(20)).chain(["9".repeat(300)]).collect();
    let (scene, _) = run(job(&api, "lines = 100\nbytes = \"200B\"\nkey = \"$.id\""), &input(&long), 2);
    let errors = outputs(&scene, &["error"]).remove(0);
    assert_eq!(errors.iter().filter(|error| *error == "too_large").count(), 1, "{errors:?}");
    assert_eq!(errors.last().map(String::as_str), Some("too_large"));
    assert!(api.requests().iter().all(|request| request.body.len() <= 200));
    assert!(api.count() < 6, "{}", api.count());
}

#[test]
fn a_response_without_all_results_fails_the_lines_that_have_none() {
    let api = HttpServer::start(|_, request| {
        let ids = ids(request);
        let items =
            ids.iter().filter(|id| !id.starts_with("lost")).map(|id| json!({ "id": id, "name": "n" }));
        let twice =
            ids.iter().filter(|id| id.starts_with("twice")).map(|id| json!({ "id": id, "name": "m" }));
        respond_with(items.chain(twice).collect())
    });
    let lines = input(["1", "lost2", "twice3", "4"]);
    let (scene, _) = run(job(&api, "lines = 10\nkey = \"$.id\""), &lines, 2);
    let columns = outputs(&scene, &["name", "error", "error_detail"]);
    assert_eq!(columns[..2], [["n", "", "", "n"], ["", "spread", "spread", ""]]);
    assert!(columns[2][1].contains("no result has the key \"lost2\"") && columns[2][1].contains("results"));
    assert!(columns[2][2].contains("two results have the key \"twice3\""), "{}", columns[2][2]);

    // By position nobody knows whose the results are.
    let (scene, _) = run(job(&api, "lines = 10"), &input(["1", "lost2", "3"]), 2);
    let columns = outputs(&scene, &["error", "error_detail"]);
    assert_eq!(columns[0], ["spread"; 3]);
    assert!(columns[1][0].contains("2 results for 3 lines"), "{}", columns[1][0]);
    assert_eq!(api.count(), 2, "such a request is not sent again");
}

#[test]
fn a_failure_within_a_response_fails_its_line() {
    let api = HttpServer::start(|_, request| {
        let item = |id: &String| match id.as_str() {
            "2" => json!({ "error": { "reason": "no such company" } }),
            id => json!({ "name": id }),
        };
        respond_with(ids(request).iter().map(item).collect())
    });
    let (scene, _) = run(job(&api, "lines = 10\nfail_if = \"body.error\""), &input(["1", "2", "3"]), 2);
    let columns = outputs(&scene, &["name", "error", "error_detail"]);
    assert_eq!(columns[..2], [["1", "", "3"], ["", "fail_if", ""]]);
    assert!(columns[2][1].contains("no such company"));
}

#[test]
fn a_limited_run_pays_for_its_lines_once() {
    let api = api();
    let scene = Scene::new(job(&api, "lines = 4\nkey = \"$.id\""), "in.csv", input(0..10));
    scene.run(&[&RUN[..], &["--limit", "3"]].concat()).expect(0);
    assert_eq!(sent(&api), [["0", "1", "2"]]);
    scene.run(&[&RUN[..], &["--continue"]].concat()).expect(0);
    assert_eq!(sent(&api)[1..], [vec!["3"], vec!["4", "5", "6", "7"], vec!["8", "9"]]);
    assert_eq!(outputs(&scene, &["error"]), [[""; 10]]);
}

#[test]
fn a_cost_counts_lines() {
    let api = api();
    let job = JobFile::post(api.url("/lookup"))
        .request(r#"body = '{"ids": {{ rows | map(attribute="id") | list }}}'"#)
        .column("name", "$.name")
        .tables("[batch]\nresults = \"$.results[*]\"\nlines = 5\nkey = \"$.id\"")
        .limit(api.host(), "rate = [\"1000/s\", \"7/h\"]\ncost = \"{{ rows | length }}\"");
    let scene = Scene::new(job, "in.csv", input(0..20));
    let mut running = scene.start(&RUN);
    wait_until("two requests", || api.count() == 2);
    wait_until("the run waits for the hour", || {
        scene.files().iter().any(|file| file.to_string_lossy().contains("quotas"))
    });
    assert!(!running.has_ended());
    running.kill();
    assert_eq!(api.count(), 2, "ten lines cost more than the seven of an hour");
}

/// Like [`api`], with 422 for a list that has 17. It responds only while the gate has permits.
fn gated() -> (HttpServer, Arc<Semaphore>) {
    let gate = Arc::new(Semaphore::new(0));
    let held = gate.clone();
    let respond = move |body: String| {
        let held = held.clone();
        async move {
            held.acquire().await.unwrap().forget();
            let body: Value = serde_json::from_str(&body).unwrap();
            let ids = body["ids"].as_array().unwrap();
            if ids.iter().any(|id| id == "17") {
                return response(422, "17 is bad");
            }
            respond_with(ids.iter().map(|id| json!({ "id": id, "name": id })).collect())
        }
    };
    (HttpServer::router(axum::Router::new().route("/lookup", axum::routing::post(respond))), gate)
}

fn keys_by_ids(api: &HttpServer) -> BTreeMap<Vec<String>, Vec<String>> {
    let mut keys: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for request in api.requests() {
        keys.entry(ids(&request)).or_default().push(request.header("idempotency-key").unwrap().to_owned());
    }
    keys
}

#[test]
fn a_killed_run_sends_the_same_requests_with_the_same_keys() {
    let (api, gate) = gated();
    let job = job(&api, "lines = 10\nkey = \"$.id\"").request("idempotent = true");
    let scene = Scene::new(job, "in.csv", input(0..60));
    let running = scene.start(&RUN);
    wait_until("all requests", || api.count() == 6);
    // One of the first two may be the one that is halved.
    gate.add_permits(2);
    wait_until("a halved request", || {
        gate.add_permits(1);
        api.count() >= 8
    });
    running.kill();
    gate.add_permits(Semaphore::MAX_PERMITS / 2);
    scene.run(&RUN).expect(2);
    let keys = keys_by_ids(&api);
    assert!(keys.values().any(|keys| keys.len() > 1), "some were sent again");
    for (ids, keys) in &keys {
        assert!(keys.iter().all(|key| *key == keys[0]), "{ids:?} had several keys");
    }
    let mut all: Vec<_> = keys.values().map(|keys| &keys[0]).collect();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), keys.len(), "two requests had one key");
    let errors = outputs(&scene, &["error"]).remove(0);
    let failed: Vec<_> = (0..60).filter(|n| !errors[*n].is_empty()).collect();
    assert_eq!((failed, errors[17].as_str()), (vec![17], "http_422"));
}

#[test]
fn a_post_that_must_not_be_repeated_is_unknown_for_all_its_lines() {
    let (api, gate) = gated();
    let job = JobFile::post(api.url("/lookup"))
        .request(r#"body = '{"ids": {{ rows | map(attribute="id") | list }}}'"#)
        .column("name", "$.name")
        .tables("[batch]\nresults = \"$.results[*]\"\nlines = 5\nkey = \"$.id\"")
        .limit(api.host(), "rate = \"unlimited\"\nin_flight = 1");
    let scene = Scene::new(job, "in.csv", input(0..15));
    let running = scene.start(&RUN);
    wait_until("a request", || api.count() == 1);
    gate.add_permits(1);
    wait_until("the second request", || api.count() == 2);
    running.kill();
    gate.add_permits(Semaphore::MAX_PERMITS / 2);
    scene.run(&RUN).expect(2);
    assert!(keys_of(&api).values().all(|count| *count == 1), "a POST was sent twice");
    let errors = outputs(&scene, &["error"]).remove(0);
    assert_eq!(errors[5..10], ["outcome_unknown"; 5]);
    assert!(errors.chunks(5).all(|lines| lines.iter().all(|error| *error == lines[0])), "{errors:?}");
}

/// How often each list of ids was sent.
fn keys_of(api: &HttpServer) -> BTreeMap<Vec<String>, usize> {
    let mut counts = BTreeMap::new();
    api.requests().iter().for_each(|request| *counts.entry(ids(request)).or_default() += 1);
    counts
}

#[test]
fn an_edit_that_moves_lines_to_other_requests_asks() {
    let (api, gate) = gated();
    let text =
        |lines: u32| job(&api, &format!("lines = {lines}\nkey = \"$.id\"")).request("idempotent = true");
    let scene = Scene::new(text(10), "in.csv", input(0..15));
    let running = scene.start(&RUN);
    wait_until("the requests", || api.count() == 2);
    running.kill();
    gate.add_permits(Semaphore::MAX_PERMITS / 2);
    for (job, lines) in [(text(5), 15), (text(10), 16)] {
        scene.write("job.toml", job.to_string());
        scene.write("in.csv", input(0..lines));
        let asked = scene.run(&RUN).expect(1);
        assert!(asked.stderr.contains("with other keys"), "{}", asked.stderr);
    }
    assert_eq!(api.count(), 2);
    // As it was, with another column: the same requests with the same keys.
    scene.write("job.toml", text(10).column("id_of_answer", "$.id").to_string());
    scene.write("in.csv", input(0..15));
    scene.run(&RUN).expect(0);
    assert!(keys_by_ids(&api).values().all(|keys| keys.len() == 2 && keys[0] == keys[1]));
}

#[test]
fn what_cannot_work_is_refused_with_its_place() {
    let refused = |text: &str, expected: &str| {
        let scene = Scene::new("", "in.csv", "id\n1\n");
        scene.write("job.toml", text);
        let output = scene.run(&["check", "job.toml", "in.csv"]).expect(1);
        assert!(output.stderr.contains(expected), "{text}\n{}", output.stderr);
    };
    let job = |url: &str, more: &str| {
        format!("[request]\nurl = \"{url}\"\nmethod = \"POST\"\nbody = '[{{{{ rows | length }}}}]'\n{more}")
    };
    let plain = "https://api.example.com/";
    refused(&job(plain, "[batch]\nlines = 0"), "job.toml:6:9");
    refused(&job(plain, "[batch]\nlines = 1001"), "from 1 to 1000");
    refused(&job(plain, "[batch]\nbytes = \"1MB\""), "lines = 100");
    refused(&job(plain, "[batch]\nlines = 2\nresults = \"results\""), "job.toml:7:11");
    refused(&job(plain, "[batch]\nlines = 2\nkey = \"$[0]\""), "line_key");
    refused(&job(plain, "[batch]\nlines = 2\nline_key = \"{{ id }}\""), "job.toml:7:12");
    refused(&job(plain, "[batch]\nlines = 2\nkey = \"$.ident\""), "ident");
    refused(&job("https://{{ rows[0].id }}/", "[batch]\nlines = 2"), "the host must be the same");
    refused(&job(plain, "[batch]\nlines = 2\n[limits]\nby = \"{{ id }}\""), "one limit");
    refused(&job("https://api.example.com/{{ id }}", "[batch]\nlines = 2"), "rows[0].id");
    refused("[request]\nurl = \"https://api.example.com/\"\n[batch]\nlines = 2", "names them");
}

#[test]
fn try_sends_the_line_alone() {
    let api = api();
    let scene = Scene::new(job(&api, "lines = 5\nkey = \"$.id\""), "in.csv", input(["1", "bad", "3"]));
    let tried = scene.run(&["try", "job.toml", "in.csv", "--line", "3"]).expect(0).stdout;
    assert!(tried.contains("name of 3"), "{tried}");
    assert_eq!(sent(&api), [["3"]]);
    scene.run(&["check", "job.toml", "in.csv"]).expect(0);
}
