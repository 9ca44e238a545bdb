//! State folders of other versions: an earlier one's is continued, and a later one's is refused.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;
use testing::{Api, HttpServer, JobFile, Scene, column, response, wait_until};
use tokio_util::sync::CancellationToken;

/// Where the job of the archive sends its requests.
const PORT: u16 = 18931;
const RUN: [&str; 5] = ["run", "charge.toml", "orders.csv", "-o", "out.csv"];

/// A folder in which a version whose files had no format number was killed in the middle of a POST job:
/// of its 300 lines 120 have a stored response, and
/// 16 others are named as possibly sent.
fn interrupted() -> (Scene, HttpServer) {
    let archive = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/product/interrupted_format_1.tar.gz");
    let server = HttpServer::start_at(PORT, |_, seen| {
        let id = seen.path().rsplit('/').next().unwrap();
        response(200, &format!(r#"{{"receipt": "r-{id}"}}"#))
    });
    (Scene::unpack(&archive), server)
}

/// Checks that every line is in the output with its own response, and that nothing was sent a second time.
fn nothing_was_sent_twice(scene: &Scene, server: &HttpServer) {
    let output = scene.read("out.csv");
    let ids = column(&output, "id");
    assert_eq!(ids, (1..=300).map(|n| n.to_string()).collect::<Vec<_>>());
    let mut codes: BTreeMap<String, usize> = BTreeMap::new();
    let hits = server.hits();
    let mut unsent = 0;
    for ((id, receipt), error) in ids.iter().zip(column(&output, "receipt")).zip(column(&output, "error")) {
        let hits = hits.get(&format!("/charge/{id}")).copied().unwrap_or(0);
        match error.as_str() {
            "" => assert_eq!(receipt, format!("r-{id}")),
            "outcome_unknown" => assert_eq!(hits, 0, "line {id} may have been sent before"),
            other => panic!("line {id}: {other}"),
        }
        assert!(hits <= 1, "line {id} was sent {hits} times");
        unsent += usize::from(error.is_empty() && hits == 0);
        *codes.entry(error).or_default() += 1;
    }
    assert_eq!(codes, BTreeMap::from([(String::new(), 284), ("outcome_unknown".to_owned(), 16)]));
    assert_eq!(
        (unsent, server.count()),
        (120, 164),
        "the stored responses are kept, and the others are sent"
    );
}

#[test]
fn a_run_that_the_first_version_was_killed_in_is_continued() {
    let (scene, server) = interrupted();
    scene.run(&RUN).expect(2);
    nothing_was_sent_twice(&scene, &server);
    // Only the user can know about the others.
    let redriven = scene.run(&["redrive", "charge.toml", "orders.csv", "-o", "out.csv", "--include-unknown"]);
    redriven.expect(0);
    assert_eq!(server.count(), 180);
    assert!(column(&scene.read("out.csv"), "error").iter().all(String::is_empty));
}

/// A folder in which this version was killed in the middle of a run.
fn killed(api: &Api) -> Scene {
    let job = JobFile::post(api.url("/ok/{{ id }}")).limit(api.host(), "rate = \"unlimited\"\nin_flight = 8");
    let input: String =
        std::iter::once("id\n".to_owned()).chain((0..200).map(|n| format!("{n}\n"))).collect();
    let scene = Scene::named("charge", job, "orders.csv", input);
    api.respond_only(40);
    let running = scene.start(&RUN);
    wait_until("requests under way", || api.count() > 40);
    let stored = |file: &Path| {
        file.to_string_lossy().contains("/results/") && file.extension() == Some("jsonl".as_ref())
    };
    wait_until("stored responses", || scene.files().iter().any(|file| stored(file)));
    running.kill();
    api.respond_all();
    scene
}

#[test]
fn every_file_of_a_run_that_a_later_version_wrote_is_refused_before_a_request() {
    let api = Api::start();
    let scene = killed(&api);
    let sent = api.count();
    let mut refused = Vec::new();
    for path in scene.files() {
        let name = path.strip_prefix(scene.path(".throughline")).unwrap_or(&path).display().to_string();
        let Ok(ours) = fs::read(&path) else { continue };
        let Ok(Value::Object(mut file)) = serde_json::from_slice(&ours) else { continue };
        let Some(format) = file.get_mut("format") else { continue };
        assert_eq!(*format, 2, "{name}");
        *format = 3.into();
        fs::write(&path, serde_json::to_vec(&file).unwrap()).unwrap();
        let ran = scene.run(&RUN).expect(1);
        let message = format!("{name} has format 3, and this version of throughline knows formats up to 2");
        assert!(ran.stderr.contains(&message), "{name}: {}", ran.stderr);
        fs::write(&path, ours).unwrap();
        refused.push(name.rsplit('/').next().unwrap().to_owned());
    }
    // Claim, plan and beginning of the run, the job's lease, and the file's latest run.
    for name in ["claim.json", "plan.json", "start.json"] {
        assert!(refused.contains(&name.to_owned()), "{name}: {refused:?}");
    }
    assert_eq!(refused.len(), 5, "{refused:?}");
    assert_eq!(api.count(), sent);
    scene.run(&RUN).expect(2);
    assert!(api.hits().values().all(|hits| *hits == 1), "a POST was sent twice");
    assert_eq!(column(&scene.read("out.csv"), "id").len(), 200);
}

#[test]
fn an_edited_job_keeps_the_responses_that_the_first_version_has_stored() {
    let (scene, server) = interrupted();
    scene.write("charge.toml", scene.read("charge.toml").replace("in_flight = 8", "in_flight = 4"));
    scene.run(&RUN).expect(2);
    nothing_was_sent_twice(&scene, &server);
}

/// The lines of the archive that have a stored response, and those that may have been sent and have none.
fn left(scene: &Scene) -> [BTreeSet<String>; 2] {
    let read = |ending: &str| {
        let files = scene.files().into_iter();
        let mut found = files.filter(|file| file.to_string_lossy().ends_with(ending));
        fs::read_to_string(found.next().unwrap()).unwrap()
    };
    let results = read("-000000-120-0-0-120.jsonl");
    let number = |value: &Value| value.as_u64().unwrap().to_string();
    let stored: BTreeSet<String> =
        results.lines().map(|line| number(&serde_json::from_str::<Value>(line).unwrap()["n"])).collect();
    let named: Value = serde_json::from_str(&read(".notes.json")).unwrap();
    let named: BTreeSet<String> = named["sending"].as_array().unwrap().iter().map(number).collect();
    [stored.clone(), named.difference(&stored).cloned().collect()]
}

#[test]
fn an_edited_input_keeps_the_responses_of_its_lines_that_the_first_version_has_stored() {
    let (scene, server) = interrupted();
    let [stored, unknown] = left(&scene);
    assert_eq!((stored.len(), unknown.len()), (120, 16));
    let text = scene.read("orders.csv");
    let mut lines: Vec<String> = text.lines().skip(1).map(str::to_owned).collect();
    // Two lines with a response: one gets another request, and one is deleted.
    let (changed, deleted) = (stored.first().unwrap(), stored.last().unwrap());
    lines.retain(|line| line.split(',').next() != Some(deleted));
    let at = lines.iter().position(|line| line.split(',').next() == Some(changed)).unwrap();
    lines[at] = format!("{changed},999999");
    lines.reverse();
    lines.push("301,1".to_owned());
    scene.write("orders.csv", format!("id,cents\n{}\n", lines.join("\n")));
    let ran = scene.run(&RUN).expect(2);
    assert!(ran.stderr.contains(": 118 responses kept"), "{}", ran.stderr);

    let output = scene.read("out.csv");
    let (ids, hits) = (column(&output, "id"), server.hits());
    assert_eq!(ids, lines.iter().map(|line| line.split(',').next().unwrap()).collect::<Vec<_>>());
    for ((id, receipt), error) in ids.iter().zip(column(&output, "receipt")).zip(column(&output, "error")) {
        let sent = hits.get(&format!("/charge/{id}")).copied().unwrap_or(0);
        let kept = stored.contains(id) && id != changed;
        let expected = if unknown.contains(id) { "outcome_unknown" } else { "" };
        assert_eq!(
            (error.as_str(), sent),
            (expected, usize::from(!kept && expected.is_empty())),
            "line {id}"
        );
        assert!(!expected.is_empty() || receipt == format!("r-{id}"), "line {id}: {receipt}");
    }
    scene.run(&["redrive", "charge.toml", "orders.csv", "-o", "out.csv", "--include-unknown"]).expect(0);
    assert_eq!(server.count(), 300 - 118);
    assert!(server.hits().values().all(|hits| *hits == 1));
}

#[test]
fn an_edited_url_sends_every_line_of_a_run_of_the_first_version_and_says_so() {
    let (scene, server) = interrupted();
    scene.write("charge.toml", scene.read("charge.toml").replace("{{ id }}\"", "{{ id }}?v=2\""));
    let ran = scene.run(&RUN).expect(0);
    assert!(ran.stderr.contains(": 0 responses kept, 300 lines to send"), "{}", ran.stderr);
    assert_eq!((server.hits().len(), server.count()), (300, 300));
    assert!(server.requests().iter().all(|request| request.uri.ends_with("?v=2")));
    let receipts = column(&scene.read("out.csv"), "receipt");
    assert_eq!(receipts, (1..=300).map(|n| format!("r-{n}")).collect::<Vec<_>>());
}

#[test]
fn a_column_that_the_first_version_did_not_keep_is_a_doubt() {
    let (scene, server) = interrupted();
    let job = scene.read("charge.toml").replace("columns = {", "columns = { all = \"$\",");
    scene.write("charge.toml", job);
    let ran = scene.run(&RUN).expect(1);
    assert!(ran.stderr.contains("Run.Doubtful") && ran.stderr.contains("\"all\""), "{}", ran.stderr);
    assert_eq!(server.count(), 0);
}

#[test]
fn a_run_continues_although_another_version_has_another_state_machine() {
    let api = Api::start();
    let scene = killed(&api);
    let journal = scene.files().into_iter().find(|file| file.extension() == Some("redb".as_ref())).unwrap();
    fs::remove_file(&journal).unwrap();
    let machine = engine::compile(r#"{"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}}"#).unwrap();
    let other = async {
        let host = states::Host::new(s3::client(&scene.path("other")).unwrap(), Vec::new());
        let (start, journal) =
            (engine::Start::new("another", Value::Null), engine::Journal::open(&journal).unwrap());
        engine::run(Arc::new(machine), start, Arc::new(host), journal, CancellationToken::new())
            .await
            .unwrap()
    };
    tokio::runtime::Runtime::new().unwrap().block_on(other);
    scene.run(&RUN).expect(2);
    assert!(api.hits().values().all(|hits| *hits == 1), "a POST was sent twice");
    assert_eq!(column(&scene.read("out.csv"), "id").len(), 200);
}

#[test]
fn report_names_the_versions_of_the_steps() {
    let api = Api::start();
    let job = JobFile::get(api.url("/ok/{{ id }}")).unlimited(api.host());
    let scene = Scene::new(job, "in.csv", "id\n1\n");
    scene.run(&["run", "job.toml", "in.csv", "-o", "out.csv"]).expect(0);
    let report: Value = serde_json::from_str(&scene.read("out.report.json")).unwrap();
    for step in ["preprocess", "worker", "postprocess"] {
        assert_eq!(report["versions"][step], serde_json::json!([env!("CARGO_PKG_VERSION")]), "{step}");
    }
}
