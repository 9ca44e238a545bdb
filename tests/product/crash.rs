//! Runs that are killed or interrupted and continued: no line is lost, no stored response is requested again.

use std::collections::{BTreeSet, HashMap};

use testing::{Api, JobFile, Scene, column, wait_until};

const LINES: usize = 1_500;

fn job(api: &Api, method: &str) -> JobFile {
    JobFile::with_method(method, api.url("/ok/{{ id }}"))
        .limit(api.host(), "rate = \"unlimited\"\nin_flight = 20")
        .column("twice", "$.twice")
}

fn input() -> String {
    std::iter::once("id\n".to_owned()).chain((0..LINES).map(|n| format!("{n}\n"))).collect()
}

const RUN: [&str; 5] = ["run", "job.toml", "in.csv", "-o", "out.csv"];

/// The ids of the lines whose responses are stored.
fn stored(scene: &Scene) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    for file in scene.files() {
        let name = file.to_string_lossy().into_owned();
        if !name.contains("/results/") || !name.ends_with(".jsonl") {
            continue;
        }
        for line in std::fs::read_to_string(&file).unwrap().lines() {
            let result: serde_json::Value = serde_json::from_str(line).unwrap();
            ids.insert((result["n"].as_u64().unwrap() - 1).to_string());
        }
    }
    ids
}

fn hits_of(hits: &HashMap<String, usize>, id: &str) -> usize {
    hits.get(&format!("/ok/{id}")).copied().unwrap_or(0)
}

#[test]
fn killed_run_continues_without_repeating_stored_lines() {
    let api = Api::start();
    let whole = Scene::new(job(&api, "GET"), "in.csv", input());
    whole.run(&RUN).expect(0);
    let expected = whole.read("out.csv");

    let scene = Scene::new(job(&api, "GET"), "in.csv", input());
    for responses in [0, 1, 300, 700] {
        let before = api.count();
        let had = stored(&scene);
        api.respond_only(responses);
        let running = scene.start(&RUN);
        // This number of responses is sent and further requests hang. Wait for both, and for a flush of the
        // responses.
        wait_until("requests under way", || api.count() > before + responses);
        if responses > 1 {
            wait_until("a flush", || stored(&scene).len() > had.len());
        }
        running.kill();
        api.respond_all();
    }
    let (had, before) = (stored(&scene), api.hits());
    assert!(had.len() >= 2, "{}", had.len());
    scene.run(&RUN).expect(0);
    assert_eq!(scene.read("out.csv"), expected);
    let after = api.hits();
    for id in &had {
        assert_eq!(
            hits_of(&before, id),
            hits_of(&after, id),
            "line {id} had a stored response and was sent again"
        );
    }
    // Once finished, the same command makes no request and writes its output again.
    let total = api.count();
    std::fs::remove_file(scene.path("out.csv")).unwrap();
    let ran = scene.run(&RUN).expect(0);
    assert!(ran.stdout.contains("no request was made"), "{}", ran.stdout);
    assert_eq!((scene.read("out.csv"), api.count()), (expected, total));
}

#[test]
fn a_post_is_never_sent_twice() {
    let api = Api::start();
    let scene = Scene::new(job(&api, "POST"), "in.csv", input());
    for responses in [0, 40, 400] {
        let before = api.count();
        api.respond_only(responses);
        let running = scene.start(&RUN);
        wait_until("requests under way", || api.count() > before + responses);
        running.kill();
        api.respond_all();
    }
    scene.run(&RUN).expect(2);
    assert!(api.hits().values().all(|hits| *hits == 1), "a POST was sent twice");
    let output = scene.read("out.csv");
    let (ids, errors) = (column(&output, "id"), column(&output, "error"));
    assert_eq!(ids, (0..LINES).map(|n| n.to_string()).collect::<Vec<_>>());
    let hits = api.hits();
    for (id, error) in ids.iter().zip(&errors) {
        match error.as_str() {
            "" => assert_eq!(hits_of(&hits, id), 1, "line {id} succeeded without a request"),
            "outcome_unknown" => {}
            other => panic!("line {id}: {other}"),
        }
    }
    assert!(errors.iter().any(|error| error == "outcome_unknown"));
}

#[test]
fn ctrl_c_stops_cleanly_and_the_same_command_continues() {
    stops_cleanly_and_continues("INT");
}

#[test]
fn a_closed_terminal_stops_cleanly_and_the_same_command_continues() {
    stops_cleanly_and_continues("HUP");
}

#[test]
fn a_run_under_nohup_outlives_its_terminal() {
    let api = Api::start();
    let scene = Scene::new(job(&api, "POST"), "in.csv", input());
    api.respond_only(100);
    let running = scene.start_as("nohup", &[&[env!("CARGO_BIN_EXE_throughline")], &RUN[..]].concat());
    wait_until("requests under way", || api.count() > 100);
    running.signal("HUP");
    api.respond_all();
    running.wait().expect(0);
}

fn stops_cleanly_and_continues(signal: &str) {
    let api = Api::start();
    let scene = Scene::new(job(&api, "POST"), "in.csv", input());
    api.respond_only(500);
    let running = scene.start(&RUN);
    wait_until("requests under way", || api.count() > 500);
    api.respond_only(100_000);
    running.signal(signal);
    let ran = running.wait();
    api.respond_all();
    assert_eq!(ran.code, 130, "{}", ran.stderr);
    assert!(ran.stderr.contains("the same command continues"), "{}", ran.stderr);
    assert!(!scene.exists("out.csv"));
    // Some requests had no response when the run was stopped: their outcome is unknown.
    let ran = scene.run(&RUN);
    assert!(matches!(ran.code, 0 | 2), "{}", ran.stderr);
    assert!(api.hits().values().all(|hits| *hits == 1), "a POST was sent twice");
    assert_eq!(column(&scene.read("out.csv"), "id").len(), LINES);
}

#[test]
fn continued_run_shows_earlier_progress_at_once() {
    let api = Api::start();
    let scene = Scene::new(job(&api, "GET"), "in.csv", input());
    api.respond_only(500);
    let running = scene.start(&RUN);
    wait_until("a flush", || stored(&scene).len() >= 20);
    running.kill();
    let had = stored(&scene).len() as u64;
    let before = api.count();
    api.respond_only(0);
    let running = scene.start(&[&RUN[..], &["--json"]].concat());
    wait_until("requests under way", || api.count() > before);
    let ran = running.interrupt();
    assert_eq!(ran.code, 130, "{}", ran.stderr);
    let events: Vec<serde_json::Value> =
        ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let first = &events[0];
    assert_eq!(
        (&first["event"], &first["phase"], &first["done_before"]),
        (&"progress".into(), &"sending".into(), &had.into()),
        "{first}"
    );
    assert_eq!(
        (&first["total"]["lines"], &first["lanes"][0]["lines"]),
        (&LINES.into(), &LINES.into()),
        "{first}"
    );
    let last = events.last().unwrap();
    assert_eq!((&last["verdict"], &last["lines"]), (&"interrupted".into(), &LINES.into()), "{last}");
    assert!(last["done"].as_u64().unwrap() >= had, "{last}");
    api.respond_all();
    scene.run(&RUN).expect(0);
}

#[test]
fn incomplete_journal_is_created_again() {
    let api = Api::start();
    let scene = || {
        let scene = Scene::new("", "in.csv", "id\n1\n");
        scene.write("places.toml", job(&api, "GET").to_string());
        scene
    };
    let args = ["run", "places.toml", "in.csv"];
    let (first, second) = (scene(), scene());
    first.run(&args).expect(0);
    let latest = first.read(".throughline/runs/places/latest/in.csv.json");
    let latest: serde_json::Value = serde_json::from_str(&latest).unwrap();
    let run = latest["run"].as_str().unwrap();
    std::fs::create_dir_all(second.path(".throughline/.journal")).unwrap();
    second.write(&format!(".throughline/.journal/{run}-0000.new"), [0; 4096]);
    second.run(&args).expect(0);
    let left: Vec<_> =
        second.files().into_iter().filter(|file| file.to_string_lossy().contains(".journal")).collect();
    assert_eq!(left, [] as [std::path::PathBuf; 0]);
}

#[test]
fn fresh_discards_earlier_results() {
    let api = Api::start();
    let scene = Scene::new(job(&api, "GET"), "in.csv", "id\n1\n2\n");
    scene.run(&RUN).expect(0);
    scene.run(&RUN).expect(0);
    assert_eq!(api.count(), 2);
    scene.run(&[&RUN[..], &["--fresh"]].concat()).expect(0);
    assert_eq!(api.count(), 4);
    scene.run(&RUN).expect(0);
    assert_eq!(api.count(), 4, "the fresh run is the one that is remembered");
}
