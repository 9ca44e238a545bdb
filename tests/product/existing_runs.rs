//! Working with a run: `status`, `export`, `stop`, `clean`, `keep`, `--quiet` and `--log`.

use serde_json::Value;
use testing::{Api, JobFile, Running, Scene, column, records, wait_until};

const LINES: usize = 200;

/// Two hundred lines of an API that responds to the first forty only, until it is told otherwise.
fn scene(api: &Api) -> Scene {
    let job = JobFile::get(api.url("/{{ kind }}/{{ id }}"))
        .column("twice", "$.twice")
        .limit(api.host(), "rate = \"unlimited\"\nin_flight = 4");
    let lines: String =
        (1..=LINES).map(|n| format!("{},{n}\n", if n == 3 { "none" } else { "ok" })).collect();
    Scene::named("geo", job, "in.csv", format!("kind,id\n{lines}"))
}

const RUN: [&str; 5] = ["run", "geo.toml", "in.csv", "-o", "out.csv"];

/// A run that waits for responses after forty of them.
fn going(api: &Api, scene: &Scene) -> Running {
    api.respond_only(40);
    let running = scene.start(&RUN);
    wait_until("forty responses and more requests", || api.count() > 43);
    wait_until("results of forty lines", || {
        let now = status(scene, &["geo.toml", "in.csv"]);
        now["ok"].as_u64().unwrap() + now["failed"].as_u64().unwrap() >= 40
    });
    running
}

fn status(scene: &Scene, of: &[&str]) -> Value {
    let status = scene.run(&[&["status", "--json"], of].concat()).expect(0).stdout;
    serde_json::from_str(&status).unwrap()
}

#[test]
fn status_and_export_show_a_run_that_goes_on() {
    let api = Api::start();
    let scene = scene(&api);
    let none = scene.run(&["status", "geo.toml", "in.csv"]).expect(1).stderr;
    assert!(none.contains("have not been run on this machine yet"), "{none}");
    let running = going(&api, &scene);
    let now = status(&scene, &["geo.toml", "in.csv"]);
    assert_eq!((&now["state"], &now["lines"]), (&"running".into(), &LINES.into()));
    assert_eq!(now["lanes"][0]["lines"], LINES);
    let id = now["run"].as_str().unwrap();
    assert_eq!(status(&scene, &[id])["run"], id, "a run is also known by its id");

    let exported = scene.run(&["export", "geo.toml", "in.csv", "-o", "now.csv"]).expect(0).stdout;
    let now = scene.read("now.csv");
    assert_eq!(records(&now).len(), LINES + 1, "every line has its row");
    let errors = column(&now, "error");
    let left = errors.iter().filter(|error| *error == "not_processed").count();
    assert!(left > 100 && exported.contains(&format!("{left} not processed yet")), "{left}: {exported}");
    for (error, twice) in errors.iter().zip(column(&now, "twice")) {
        assert_eq!(error.is_empty(), !twice.is_empty(), "{now}");
    }
    let stdout = scene.run(&["export", id, "-o", "-"]).expect(0).stdout;
    assert_eq!(records(&stdout).len(), LINES + 1);
    let refused = scene.run(&["export", id, "-o", "now.jsonl"]).expect(1).stderr;
    assert!(refused.contains("the output of this run is csv"), "{refused}");
    let refused = scene.run(&["export", "geo.toml", "in.csv", "-o", "in.csv"]).expect(1).stderr;
    assert!(refused.contains("the input"), "{refused}");

    api.respond_all();
    running.wait().expect(2);
    scene.run(&["export", id, "-o", "end.csv"]).expect(0);
    assert_eq!(scene.read("end.csv"), scene.read("out.csv"), "the end of the run is not disturbed");
    assert_eq!(status(&scene, &[id])["state"], "some_failed");
    let words = scene.run(&["status", "geo.toml", "in.csv"]).expect(0).stdout;
    assert!(words.contains("199 of 200 succeeded, 1 failed"), "{words}");
}

#[test]
fn export_of_a_run_that_has_succeeded_is_its_output() {
    let api = Api::start();
    let scene = scene(&api);
    scene.write("in.csv", "kind,id\nok,1\nok,2\n");
    scene.run(&RUN).expect(0);
    scene.run(&["export", "geo.toml", "in.csv", "-o", "again.csv"]).expect(0);
    assert_eq!(scene.read("again.csv"), scene.read("out.csv"));
}

#[test]
fn stop_ends_a_run_from_another_terminal_and_keeps_its_responses() {
    let api = Api::start();
    let scene = scene(&api);
    let running = going(&api, &scene);
    let stopped = scene.run(&["stop", "geo.toml", "in.csv"]).expect(0).stdout;
    assert!(stopped.contains("is stopping"), "{stopped}");
    api.respond_more(4);
    running.wait().expect(3);
    let output = scene.read("out.csv");
    assert_eq!(records(&output).len(), LINES + 1);
    assert!(column(&output, "error").iter().filter(|error| *error == "stopped").count() > 100, "{output}");
    let again = scene.run(&["stop", "geo.toml", "in.csv"]).expect(1).stderr;
    assert!(again.contains("has already ended"), "{again}");
    api.respond_all();
    let before = api.count();
    scene.run(&["redrive", "geo.toml", "in.csv", "-o", "out.csv"]).expect(2);
    assert!(api.count() - before <= LINES - 40 + 1, "the responses were kept: {}", api.count() - before);
    assert_eq!(column(&scene.read("out.csv"), "error").iter().filter(|error| !error.is_empty()).count(), 1);
}

#[test]
fn clean_removes_a_run_and_nothing_else() {
    let api = Api::start();
    let scene = scene(&api);
    let running = going(&api, &scene);
    let busy = scene.run(&["clean", "geo.toml", "in.csv"]).expect(4).stderr;
    assert!(busy.contains("is going on: end it first"), "{busy}");
    api.respond_all();
    running.wait().expect(2);
    scene.write("other.csv", "kind,id\nok,7\n");
    scene.run(&["run", "geo.toml", "other.csv"]).expect(0);

    let id = status(&scene, &["geo.toml", "in.csv"])["run"].as_str().unwrap().to_owned();
    let (_, run) = id.split_once('/').unwrap();
    scene.run(&["clean", "geo.toml", "in.csv"]).expect(0);
    let left: Vec<_> = scene.files().into_iter().map(|path| path.display().to_string()).collect();
    assert!(left.iter().all(|path| !path.contains(run)), "{left:#?}");
    assert!(!left.iter().any(|path| path.ends_with("output/in.csv") || path.ends_with("report/in.csv.json")));
    assert!(left.iter().any(|path| path.ends_with("output/other.csv")), "{left:#?}");
    assert!(scene.exists("out.csv"), "a file of the user stays");
    scene.run(&["status", "geo.toml", "other.csv"]).expect(0);
    let gone = scene.run(&["clean", &id]).expect(1).stderr;
    assert!(gone.contains("there is no run"), "{gone}");
    let before = api.count();
    scene.run(&RUN).expect(2);
    assert_eq!(api.count() - before, LINES, "nothing of it was kept");
}

#[test]
fn old_runs_are_removed_by_age_or_by_what_the_job_keeps() {
    let api = Api::start();
    let scene = scene(&api);
    scene.write("in.csv", "kind,id\nok,1\n");
    scene.write("next.csv", "kind,id\nok,2\n");
    scene.run(&RUN).expect(0);
    let none = scene.run(&["clean", "--older", "1d"]).expect(0).stdout;
    assert!(none.contains("nothing to remove"), "{none}");
    let runs = |scene: &Scene| scene.run(&["runs", "--json"]).expect(0).stdout.lines().count();
    assert_eq!(runs(&scene), 1);
    let keeping = scene.read("geo.toml") + "[run]\nkeep = \"1ms\"\n";
    scene.write("keeping.toml", keeping.clone());
    scene.run(&["run", "keeping.toml", "in.csv"]).expect(0);
    scene.run(&["run", "keeping.toml", "next.csv"]).expect(0);
    let listed = scene.run(&["runs"]).expect(0).stdout;
    assert!(listed.contains("geo/") && listed.matches("keeping/").count() == 1, "{listed}");
    assert!(listed.contains("next.csv"), "a run does not remove itself: {listed}");
    scene.run(&["clean", "geo", "--older", "1ms"]).expect(0);
    assert_eq!(runs(&scene), 1);
    scene.write("keeping.toml", keeping.replace("1ms", "soon"));
    let refused = scene.run(&["run", "keeping.toml", "in.csv"]).expect(1).stderr;
    assert!(refused.contains("keeping.toml:") && refused.contains("is not a duration"), "{refused}");
}

#[test]
fn a_quiet_run_says_nothing_unless_a_line_failed_and_its_log_has_no_values() {
    let api = Api::start();
    let scene = scene(&api);
    scene.write("in.csv", "kind,id\nok,1\nok,2\n");
    let quiet = [&RUN[..], &["--quiet", "--log", "run.log"]].concat();
    let said = scene.run(&quiet).expect(0);
    assert_eq!((said.stdout.as_str(), said.stderr.as_str()), ("", ""));
    scene.write("in.csv", "kind,id\nok,1\nnone,secretvalue\n");
    let said = scene.run(&[&quiet[..], &["--continue"]].concat()).expect(2);
    assert!(said.stdout.contains("http_404"), "{}", said.stdout);

    let log = scene.read("run.log");
    let events: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let summaries: Vec<&Value> = events.iter().filter(|event| event["event"] == "summary").collect();
    assert_eq!((&summaries[0]["ok"], &summaries[1]["failed"]), (&2.into(), &1.into()), "it is appended to");
    assert_eq!(summaries[1]["errors"][0]["code"], "http_404");
    assert!(events.iter().all(|event| event["at"].as_str().unwrap().ends_with('Z')), "{log}");
    assert!(!log.contains("secretvalue"), "{log}");
    let refused = scene.run(&[&RUN[..], &["--log", "nowhere/run.log"]].concat()).expect(1).stderr;
    assert!(refused.contains("cannot write the log nowhere/run.log"), "{refused}");
}
