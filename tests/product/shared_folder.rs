//! Several processes in one state folder: runs of different jobs at the same time, commands of one job one after
//! another, and one lane of a limit at a time.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

use testing::{Api, JobFile, Running, Scene, column, wait_until};

const LINES: usize = 600;

fn job(api: &Api, method: &str, name: &str) -> JobFile {
    JobFile::with_method(method, api.url(&format!("/ok/{name}-{{{{ id }}}}")))
        .limit(api.host(), "rate = \"unlimited\"\nin_flight = 20")
        .column("twice", "$.twice")
}

fn input() -> String {
    std::iter::once("id\n".to_owned()).chain((0..LINES).map(|n| format!("{n}\n"))).collect()
}

/// A scene with the jobs `one` and `two`.
fn scene(one: JobFile, two: JobFile) -> Scene {
    let scene = Scene::named("one", one, "in.csv", input());
    scene.write("two.toml", two.to_string());
    scene
}

fn args(name: &str) -> Vec<String> {
    ["run", &format!("{name}.toml"), "in.csv", "-o", &format!("{name}.csv")].map(str::to_owned).to_vec()
}

fn start(scene: &Scene, name: &str) -> Running {
    scene.start(&args(name).iter().map(String::as_str).collect::<Vec<_>>())
}

/// Starts a run that prints JSON to a file.
fn start_logged(scene: &Scene, name: &str, log: &str) -> Running {
    let args = args(name);
    let args: Vec<&str> = args.iter().map(String::as_str).chain(["--json"]).collect();
    scene.start_with(&args, |command| _ = command.stdout(File::create(scene.path(log)).unwrap()))
}

fn events(scene: &Scene, log: &str) -> Vec<serde_json::Value> {
    // The last line may be incomplete.
    scene.read(log).lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// The lines of a job whose responses are stored.
fn stored(scene: &Scene, job: &str) -> BTreeSet<u64> {
    let files = scene.files().into_iter().filter(|file| {
        let name = file.to_string_lossy();
        name.contains(&format!("/runs/{job}/")) && name.contains("/results/") && name.ends_with(".jsonl")
    });
    let texts = files.map(|file| std::fs::read_to_string(file).unwrap());
    texts
        .flat_map(|text| {
            let results = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
            results.map(|result| result["n"].as_u64().unwrap()).collect::<Vec<_>>()
        })
        .collect()
}

#[test]
fn two_jobs_run_at_once_and_both_continue_after_a_kill() {
    let (one, two) = (Api::start(), Api::start());
    let scene = scene(job(&one, "GET", "one"), job(&two, "POST", "two"));
    for responses in [50, 200] {
        let before = [one.count(), two.count()];
        let had = [stored(&scene, "one").len(), stored(&scene, "two").len()];
        one.respond_only(responses);
        two.respond_only(responses);
        let running = [start(&scene, "one"), start(&scene, "two")];
        wait_until("requests of both under way", || {
            one.count() > before[0] + responses && two.count() > before[1] + responses
        });
        wait_until("flushes of both", || {
            stored(&scene, "one").len() > had[0] && stored(&scene, "two").len() > had[1]
        });
        running.into_iter().for_each(Running::kill);
        one.respond_all();
        two.respond_all();
    }
    let (had, before) = (stored(&scene, "one"), one.hits());
    let [first, second] = [start(&scene, "one"), start(&scene, "two")].map(Running::wait);
    first.expect(0);
    second.expect(2);
    let ids: Vec<String> = (0..LINES).map(|n| n.to_string()).collect();
    for (name, api) in [("one", &one), ("two", &two)] {
        let output = scene.read(&format!("{name}.csv"));
        assert_eq!(column(&output, "id"), ids);
        let hits = api.hits();
        let rows = column(&output, "twice").into_iter().zip(column(&output, "error"));
        for (id, (twice, error)) in ids.iter().zip(rows) {
            let sent = hits.get(&format!("/ok/{name}-{id}")).copied().unwrap_or(0);
            match error.as_str() {
                "" => assert_eq!(twice, format!("{name}-{id}{name}-{id}")),
                error => assert_eq!((name, error), ("two", "outcome_unknown")),
            }
            assert!(name == "one" || sent <= 1, "the POST {id} was sent {sent} times");
        }
    }
    for line in had {
        let path = format!("/ok/one-{}", line - 1);
        assert_eq!(before.get(&path), one.hits().get(&path), "line {line} had a stored response");
    }
}

#[test]
fn commands_of_one_job_queue() {
    let api = Api::start();
    let scene = scene(job(&api, "POST", "one"), job(&api, "POST", "two"));
    api.respond_only(10);
    let first = start(&scene, "one");
    wait_until("requests under way", || api.count() > 10);
    let (id, command) = (first.id(), "throughline run one.toml in.csv");
    let second = start_logged(&scene, "one", "second.jsonl");
    let log = || File::create(scene.path("third.log")).unwrap();
    let args = args("one");
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let third = scene.start_with(&args, |command| _ = command.stderr(log()));
    wait_until("the second waits", || !events(&scene, "second.jsonl").is_empty());
    let event = events(&scene, "second.jsonl").remove(0);
    assert_eq!((&event["event"], &event["holder"]["job"]), (&"waiting".into(), &"one".into()));
    assert_eq!((&event["holder"]["pid"], &event["holder"]["command"]), (&id.into(), &command.into()));
    wait_until("the third waits", || scene.read("third.log").ends_with('\n'));
    let words = format!("waiting for process {id} (`{command}`, since 20");
    assert!(scene.read("third.log").starts_with(&words), "{}", scene.read("third.log"));
    // Ctrl-C ends a wait.
    let third = third.interrupt().expect(130);
    assert_eq!(third.stdout, "");
    assert!(scene.read("third.log").contains("interrupted before the first request"));
    let fourth = start_logged(&scene, "one", "fourth.jsonl");
    wait_until("the fourth waits", || !events(&scene, "fourth.jsonl").is_empty());
    fourth.interrupt().expect(130);
    let summary = events(&scene, "fourth.jsonl").pop().unwrap();
    assert_eq!(
        (&summary["verdict"], &summary["exit_code"], &summary["requests_sent"]),
        (&"interrupted".into(), &130.into(), &false.into())
    );
    api.respond_all();
    first.wait().expect(0);
    second.wait().expect(0);
    let summary = events(&scene, "second.jsonl").pop().unwrap();
    assert_eq!((&summary["ok"], &summary["requests_sent"]), (&LINES.into(), &false.into()));
    assert_eq!(api.count(), LINES);
}

/// Starts a run of another file of the job `one` for each name, while the first one has requests under way.
/// Each of them waits when the next one comes.
fn waiting_commands(scene: &Scene, names: &[&str]) -> Vec<Running> {
    let start = |name: &&str| {
        scene.write(&format!("{name}.csv"), format!("id\n{name}\n"));
        let (file, log) = (format!("{name}.csv"), format!("{name}.jsonl"));
        let running = scene.start_with(&["run", "one.toml", &file, "--json"], |command| {
            _ = command.stdout(File::create(scene.path(&log)).unwrap());
        });
        wait_until("it waits", || events(scene, &log).iter().any(|event| event["event"] == "waiting"));
        running
    };
    names.iter().map(start).collect()
}

#[test]
fn commands_of_one_job_go_on_in_the_order_in_which_they_came() {
    let api = Api::start();
    let scene = scene(job(&api, "GET", "one"), job(&api, "GET", "two"));
    api.respond_only(10);
    let first = start(&scene, "one");
    wait_until("requests under way", || api.count() > 10);
    let names = ["d", "b", "e", "killed", "c", "interrupted", "a"];
    let mut waiting = waiting_commands(&scene, &names);
    waiting.remove(5).interrupt().expect(130);
    waiting.remove(3).kill();
    api.respond_all();
    first.wait().expect(0);
    waiting.into_iter().for_each(|running| _ = running.wait().expect(0));
    let paths: Vec<String> = api.requests().iter().map(|request| request.path().to_owned()).collect();
    assert_eq!(paths[LINES..], ["d", "b", "e", "c", "a"].map(|name| format!("/ok/one-{name}")));
}

#[test]
fn command_waits_for_those_that_came_before_it_although_the_lock_is_free() {
    let api = Api::start();
    let scene = scene(job(&api, "GET", "one"), job(&api, "GET", "two"));
    start(&scene, "one").wait().expect(0);
    let is_lock = |file: &PathBuf| file.extension() == Some("lock".as_ref());
    let mut locks = scene.files().into_iter().filter(is_lock);
    let lock = locks.find(|file| file.to_string_lossy().contains("/.locks/job-")).unwrap();
    // What a process holds that waits, and has not yet seen that the lock is free.
    let place = |number: u64| lock.with_extension("queue").join(format!("{number:020}"));
    let before = File::create(place(1)).unwrap();
    before.lock().unwrap();
    scene.write("later.csv", "id\nlater\n");
    let later = scene.start(&["run", "one.toml", "later.csv"]);
    wait_until("it has the second place", || place(2).exists());
    let free = File::options().write(true).open(&lock).unwrap();
    free.try_lock().expect("the lock is free");
    assert_eq!(api.count(), LINES);
    drop((free, before));
    later.wait().expect(0);
    assert_eq!(api.count(), LINES + 1);
    assert!(!place(1).exists() && !place(2).exists());
}

#[test]
fn killed_command_lets_the_next_one_of_its_job_go_on() {
    let api = Api::start();
    let scene = scene(job(&api, "GET", "one"), job(&api, "GET", "two"));
    api.respond_only(10);
    let first = start(&scene, "one");
    wait_until("requests under way", || api.count() > 10);
    let second = start_logged(&scene, "one", "second.jsonl");
    wait_until("the second waits", || !events(&scene, "second.jsonl").is_empty());
    first.kill();
    api.respond_all();
    second.wait().expect(0);
    assert_eq!(column(&scene.read("one.csv"), "id").len(), LINES);
}

#[test]
fn lanes_of_one_limit_take_turns_and_other_lanes_do_not_wait() {
    let (shared, other) = (Api::start(), Api::start());
    let limit = |job: JobFile| job.limit(shared.host(), "rate = \"200/s\"\nin_flight = 20");
    let two = JobFile::get("{{ url }}").unlimited(other.host());
    let scene = scene(
        limit(JobFile::get(shared.url("/ok/one-{{ id }}")).unlimited("unused.example.com")),
        limit(two),
    );
    let apis = [&shared, &other];
    let lines = (0..100).map(|n| format!("{n},{}\n", apis[n % 2].url(&format!("/ok/two-{n}"))));
    scene.write("in.csv", format!("id,url\n{}", lines.collect::<String>()));
    shared.respond_only(30);
    let first = start(&scene, "one");
    wait_until("requests under way", || shared.count() > 30);
    let second = start_logged(&scene, "two", "second.jsonl");
    let lane = || {
        let last = events(&scene, "second.jsonl").pop()?;
        let lanes = last["lanes"].as_array()?.clone();
        lanes.into_iter().find(|lane| lane["waits_for"].is_object())
    };
    wait_until("a lane that waits", || lane().is_some());
    assert_eq!(lane().unwrap()["waits_for"], serde_json::json!({ "job": "one", "limit": shared.host() }));
    wait_until("all requests of the other lane", || other.count() == 50);
    shared.respond_all();
    first.wait().expect(0);
    second.wait().expect(0);
    let paths: Vec<bool> =
        shared.requests().iter().map(|request| request.path().starts_with("/ok/one-")).collect();
    assert!(paths.is_sorted_by(|a, b| a >= b), "the two jobs sent at the same time");
    assert_eq!((paths.len(), paths.iter().filter(|one| **one).count()), (150, 100));
}

/// Starts both jobs: the first has requests under way, and the second waits for the limit.
fn one_holds_the_limit(api: &Api, scene: &Scene) -> (Running, Running) {
    api.respond_only(30);
    let first = start(scene, "one");
    wait_until("requests under way", || api.count() > 30);
    let second = start_logged(scene, "two", "second.jsonl");
    wait_until("a lane that waits", || {
        events(scene, "second.jsonl").iter().any(|event| event["lanes"][0]["waits_for"]["job"] == "one")
    });
    (first, second)
}

#[test]
fn killed_run_leaves_its_limit_to_other_jobs() {
    let api = Api::start();
    let scene = scene(job(&api, "GET", "one"), job(&api, "GET", "two"));
    let (first, second) = one_holds_the_limit(&api, &scene);
    first.kill();
    api.respond_all();
    second.wait().expect(0);
    assert_eq!(column(&scene.read("two.csv"), "id").len(), LINES);
    let ran = start(&scene, "one").wait().expect(0);
    assert_eq!(ran.stderr, "");
}

#[test]
fn run_that_waits_for_a_limit_can_be_interrupted() {
    let api = Api::start();
    let scene = scene(job(&api, "POST", "one"), job(&api, "POST", "two"));
    let (first, second) = one_holds_the_limit(&api, &scene);
    second.interrupt().expect(130);
    api.respond_all();
    first.wait().expect(0);
    start(&scene, "two").wait().expect(0);
    assert_eq!(api.count(), 2 * LINES);
}

#[test]
fn folder_that_a_process_has_for_itself_is_busy() {
    let api = Api::start();
    let scene = scene(job(&api, "GET", "one"), job(&api, "GET", "two"));
    start(&scene, "one").wait().expect(0);
    let mut lock = File::options().write(true).open(scene.path(".throughline/.lock")).unwrap();
    lock.lock().unwrap();
    lock.write_all(b"{\"pid\": 4711, \"command\": \"throughline run a b\", \"since\": \"2026\"}").unwrap();
    let ran = start(&scene, "two").wait().expect(4);
    for part in ["in use by process 4711", "`throughline run a b`, since 2026", "--state"] {
        assert!(ran.stderr.contains(part), "{part}\n{}", ran.stderr);
    }
    start_logged(&scene, "two", "two.jsonl").wait().expect(4);
    let error = events(&scene, "two.jsonl").pop().unwrap();
    assert_eq!(
        (&error["event"], &error["exit_code"], &error["requests_sent"], &error["holder"]["pid"]),
        (&"error".into(), &4.into(), &false.into(), &4711.into())
    );
    let machine = serde_json::json!({ "StartAt": "Put", "States": { "Put": {
        "Type": "Task", "Resource": "arn:aws:states:::aws-sdk:s3:putObject", "End": true,
        "Parameters": { "Bucket": "throughline", "Key": "k.txt", "Body": "1" },
    } } });
    scene.write("put.json", machine.to_string());
    let busy = scene.run(&["states", "run", "put.json", "-i", "{}"]).expect(4);
    assert!(busy.stderr.contains("--store") && !busy.stderr.contains("--state"), "{}", busy.stderr);
    drop(lock);
    start(&scene, "two").wait().expect(0);
    assert_eq!(api.count(), 2 * LINES);
}
