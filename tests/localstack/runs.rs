//! Runs that succeed in spite of repeated events, kills, stops and redrives.

use aws_sdk_sfn::types::ExecutionStatus;
use serde_json::Value;
use testing::{Api, JobFile, Scene, column, wait_until};

use crate::stack::stack;

/// A job with a unique name, so that tests do not wait for each other's lease.
fn scene(name: &str, job: JobFile, input: &str) -> Scene {
    Scene::named(name, job, "in.csv", input)
}

fn paths(api: &Api, count: usize, path: impl Fn(usize) -> String) -> String {
    (1..=count).fold("url\n".to_owned(), |text, n| text + &api.url(&path(n)) + "\n")
}

fn any_url() -> JobFile {
    JobFile::get("{{ url }}").column("twice", "$.twice")
}

#[test]
#[ignore = "needs LocalStack, see README.md here"]
fn output_equals_that_of_one_machine() {
    let (one, two) = (Api::start(), Api::start());
    let input = (1..=300).fold("name,url\n".to_owned(), |text, n| {
        let url = match n % 10 {
            3 => one.url("/status/404"),
            5 => "not a url".to_owned(),
            n if n % 2 == 0 => two.url(&format!("/ok/{n}")),
            n => one.url(&format!("/ok/{n}")),
        };
        text + &format!("\"line {n}, so\",{url}\n")
    });
    let job = any_url().limit(one.host(), "rate = \"200/s\"").limit("default", "rate = \"100/s\"");
    let scene = scene("same", job, &input);
    let local = scene.run(&["run", "same.toml", "in.csv", "-o", "local.csv"]).expect(2);
    let stack =
        stack().run(&scene, &["submit", "same.toml", "in.csv", "--watch", "-o", "stack.csv"]).expect(2);
    assert_eq!(scene.read("stack.csv"), scene.read("local.csv"), "{}", stack.stdout);
    assert_eq!(scene.read("stack.failed.csv"), scene.read("local.failed.csv"), "{}", local.stdout);
    let report: Value = serde_json::from_str(&scene.read("stack.report.json")).unwrap();
    assert_eq!(
        (&report["home"], &report["lines"], &report["failed"]),
        (&"aws".into(), &300.into(), &60.into())
    );
    assert!(column(&scene.read("stack.csv"), "twice").iter().any(|value| !value.is_empty()));
}

#[test]
#[ignore = "needs LocalStack, see README.md here"]
fn event_that_is_delivered_twice_is_one_run() {
    let api = Api::start();
    let scene = scene("twice", any_url(), &paths(&api, 20, |n| format!("/ok/{n}")));
    let run = stack().submit(&scene, "twice.toml", "in.csv");
    stack().run(&scene, &["watch", &run]).expect(0);
    let first = stack().describe(&stack().execution(&run).unwrap());
    let again =
        stack().states.start_execution().state_machine_arn(&stack().machine).input(first.input().unwrap());
    let again = stack().runtime.block_on(again.send()).unwrap();
    wait_until("the second execution ends", || {
        *stack().describe(again.execution_arn()).status() != ExecutionStatus::Running
    });
    let second = stack().describe(again.execution_arn());
    assert_eq!(*second.status(), ExecutionStatus::Succeeded);
    let output: Value = serde_json::from_str(second.output().unwrap()).unwrap();
    assert_eq!(
        (&output["status"], &output["execution"]),
        (&"elsewhere".into(), &first.execution_arn().into())
    );
    assert_eq!(api.count(), 20);
}

#[test]
#[ignore = "needs LocalStack, see README.md here"]
fn two_files_of_a_job_run_one_after_the_other() {
    let api = Api::start();
    let scene = scene("turns", any_url(), &paths(&api, 10, |n| format!("/ok/a{n}")));
    scene.write("later.csv", paths(&api, 10, |n| format!("/ok/b{n}")));
    api.respond_only(0);
    let first = stack().submit(&scene, "turns.toml", "in.csv");
    wait_until("the first run sends", || api.count() > 0);
    let second = stack().submit(&scene, "turns.toml", "later.csv");
    wait_until("the second run is claimed", || stack().execution(&second).is_some());
    assert!(api.hits().keys().all(|path| path.starts_with("/ok/a")), "{:?}", api.hits());
    assert_eq!(stack().find(&format!("runs/{second}/plan.json")), None, "it has not been split");
    api.respond_all();
    stack().run(&scene, &["watch", &first]).expect(0);
    stack().run(&scene, &["watch", &second, "-o", "b.csv"]).expect(0);
    assert_eq!(column(&scene.read("b.csv"), "twice")[9], "b10b10");
}

#[test]
#[ignore = "needs LocalStack, see README.md here"]
fn files_of_a_job_run_in_the_order_of_their_uploads() {
    let api = Api::start();
    let scene = scene("order", any_url(), &paths(&api, 10, |n| format!("/ok/a{n}")));
    api.respond_only(0);
    let mut runs = vec![stack().submit(&scene, "order.toml", "in.csv")];
    wait_until("the first run sends", || api.count() > 0);
    for (n, name) in ["b", "c", "d"].into_iter().enumerate() {
        scene.write(&format!("{name}.csv"), paths(&api, 10, |n| format!("/ok/{name}{n}")));
        runs.push(stack().submit(&scene, "order.toml", &format!("{name}.csv")));
        wait_until("it is in the queue", || stack().keys("turns/order/queue/").len() == n + 1);
    }
    api.respond_all();
    runs.iter().for_each(|run| _ = stack().run(&scene, &["watch", run]).expect(0));
    let requests = api.requests();
    let mut order: Vec<&str> = requests.iter().map(|request| &request.path()[4..5]).collect();
    order.dedup();
    assert_eq!(order, ["a", "b", "c", "d"]);
    assert_eq!(stack().keys("turns/order"), Vec::<String>::new());
}

#[test]
#[ignore = "needs LocalStack, see README.md here"]
fn jobs_with_the_same_limit_take_turns() {
    let api = Api::start();
    let limited = || any_url().limit(api.host(), "rate = \"unlimited\"\nin_flight = 5");
    let one = scene("limit-one", limited(), &paths(&api, 30, |n| format!("/ok/a{n}")));
    let two = scene("limit-two", limited(), &paths(&api, 30, |n| format!("/ok/b{n}")));
    api.respond_only(5);
    let first = stack().submit(&one, "limit-one.toml", "in.csv");
    wait_until("the first job sends", || api.count() > 5);
    let second = stack().submit(&two, "limit-two.toml", "in.csv");
    wait_until("the second job waits", || !stack().keys(&job::keys::limit_queue(&api.host())).is_empty());
    assert!(api.hits().keys().all(|path| path.starts_with("/ok/a")), "{:?}", api.hits());
    let log = two.path("watch.jsonl");
    let watching = stack().spawn_with(&two, &["watch", &second, "-o", "out.csv", "--json"], |command| {
        command.stdout(std::fs::File::create(&log).unwrap());
    });
    let waits = format!(r#""waits_for":{{"job":"limit-one","limit":"{}"}}"#, api.host());
    wait_until("the second says what it waits for", || two.read("watch.jsonl").contains(&waits));
    api.respond_all();
    stack().run(&one, &["watch", &first]).expect(0);
    watching.wait().expect(0);
    let paths: Vec<bool> = api.requests().iter().map(|request| request.path().starts_with("/ok/a")).collect();
    assert!(paths.is_sorted_by(|a, b| a >= b), "the two jobs sent at the same time");
    assert_eq!(column(&two.read("out.csv"), "twice").len(), 30);
    assert_eq!(stack().find(&job::keys::limit_lease(&api.host())), None);
}

#[test]
#[ignore = "needs LocalStack, see README.md here"]
fn redrive_sends_only_failed_lines() {
    let api = Api::start();
    let kind = |n: usize| if n.is_multiple_of(4) { format!("/flaky/{n}") } else { format!("/ok/{n}") };
    let scene = scene("again", any_url(), &paths(&api, 40, kind));
    api.set_broken(true);
    let run = stack().submit(&scene, "again.toml", "in.csv");
    stack().run(&scene, &["watch", &run]).expect(2);
    api.set_broken(false);
    let before = api.hits();
    stack().run(&scene, &["redrive", &run, "-o", "out.csv"]).expect(0);
    let hits = api.hits();
    assert!(
        hits.iter().all(|(path, count)| *count == before[path] + usize::from(path.starts_with("/flaky"))),
        "{hits:?}"
    );
    let twice = column(&scene.read("out.csv"), "twice");
    assert!((1..=40).all(|n| twice[n - 1] == format!("{n}{n}")), "{twice:?}");
    // Nothing is left to do: no execution, no request.
    stack().run(&scene, &["redrive", &run]).expect(0);
    assert_eq!(api.hits(), hits);
}

#[test]
#[ignore = "needs LocalStack, see README.md here"]
fn killed_worker_loses_no_line() {
    let api = Api::start();
    let scene = scene(
        "killed",
        any_url().limit("default", "rate = \"100/s\"\nin_flight = 5"),
        &paths(&api, 60, |n| format!("/ok/{n}")),
    );
    api.respond_only(20);
    let run = stack().submit(&scene, "killed.toml", "in.csv");
    wait_until("some responses", || api.count() > 20);
    // Its connections tell which process it is: this test's server talks to no other worker.
    let worker = worker_of(&api);
    assert!(
        std::process::Command::new("kill").args(["-KILL", &worker.to_string()]).status().unwrap().success()
    );
    api.respond_all();
    stack().run(&scene, &["watch", &run, "-o", "out.csv"]).expect(0);
    let twice = column(&scene.read("out.csv"), "twice");
    assert!((1..=60).all(|n| twice[n - 1] == format!("{n}{n}")), "{twice:?}");
}

#[test]
#[ignore = "needs LocalStack, see README.md here"]
fn stop_keeps_stored_responses() {
    let api = Api::start();
    let scene = scene(
        "stopped",
        any_url().limit("default", "rate = \"100/s\"\nin_flight = 5"),
        &paths(&api, 60, |n| format!("/ok/{n}")),
    );
    api.respond_only(20);
    let run = stack().submit(&scene, "stopped.toml", "in.csv");
    wait_until("some responses", || api.count() > 20);
    stack().run(&scene, &["stop", &run]).expect(0);
    let watching = stack().spawn(&scene, &["watch", &run, "-o", "out.csv", "--json"]);
    wait_until("the worker has written what it had", || {
        !stack().keys(&format!("runs/{run}/results/")).is_empty()
    });
    api.respond_all();
    let ended = watching.wait().expect(3);
    assert!(ended.stdout.contains("somebody ran `throughline stop`"), "{}", ended.stdout);
    assert!(ended.stdout.contains("\"batches\":{\"total\":1,"), "{}", ended.stdout);
    let errors = column(&scene.read("out.csv"), "error");
    let succeeded = errors.iter().filter(|error| error.is_empty()).count();
    assert!((20..60).contains(&succeeded), "{errors:?}");
    assert!(errors.iter().all(|error| error.is_empty() || error == "stopped"), "{errors:?}");
    // What is left can still be done.
    stack().run(&scene, &["redrive", &run, "-o", "out.csv"]).expect(0);
}

/// The process at the other end of a connection to this server (proc_net_tcp(5)).
fn worker_of(api: &Api) -> u32 {
    let port = format!(":{:04X}", api.port());
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let inodes: Vec<String> = table
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|fields| fields[2].ends_with(&port) && fields[3] == "01")
        .map(|fields| format!("socket:[{}]", fields[9]))
        .collect();
    let us = std::process::id();
    let processes = std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.parse::<u32>().ok());
    let holds = |process: &u32| {
        let Ok(files) = std::fs::read_dir(format!("/proc/{process}/fd")) else { return false };
        files.flatten().any(|file| {
            std::fs::read_link(file.path())
                .is_ok_and(|target| inodes.iter().any(|inode| target.to_string_lossy() == *inode))
        })
    };
    processes.filter(|process| *process != us).find(holds).expect("a worker is connected")
}
