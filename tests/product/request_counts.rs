//! The report counts as many requests as the server received.

use serde_json::Value;
use testing::{Api, JobFile, Scene, closed_port, wait_until};

fn report(scene: &Scene) -> Value {
    serde_json::from_str(&scene.read("out.report.json")).unwrap()
}

#[test]
fn every_request_that_went_out_counts_once() {
    let api = Api::start();
    let job = JobFile::get("{{ line }}")
        .tables("[retry]\nattempts = 2")
        .limit("default", "rate = \"unlimited\"\nin_flight = 8");
    let mut urls = vec![
        // Failing, and redirected: each request counts.
        api.url("/status/503"),
        api.url("/status/404"),
        api.url("/loop/1"),
        api.url("/to/~ok~1"),
        // Nothing goes out.
        format!("http://{}/", closed_port()),
        "http://10.1.2.3/".to_owned(),
        "http://169.254.169.254/".to_owned(),
        "no URL".to_owned(),
    ];
    urls.extend((0..300).map(|n| api.url(&format!("/ok/{n}"))));
    // Last, since it slows the others down.
    urls.push(api.url("/status/429"));
    let scene = Scene::new(job, "urls.txt", urls.join("\n") + "\n");
    let args = ["run", "job.toml", "urls.txt", "-o", "out.csv"];
    // Interrupted, and continued.
    api.respond_only(40);
    let running = scene.start(&args);
    wait_until("forty responses", || api.hits().keys().filter(|path| path.starts_with("/ok/")).count() > 45);
    running.interrupt().expect(130);
    api.respond_all();
    scene.run(&args).expect(2);
    let report = report(&scene);
    assert_eq!(report["requests"].as_u64().unwrap(), api.count() as u64);
    let lanes: u64 =
        report["lanes"].as_array().unwrap().iter().map(|lane| lane["requests"].as_u64().unwrap()).sum();
    assert_eq!(lanes, api.count() as u64);
    assert!(report["throttled"].as_u64().unwrap() >= 8);
    for class in ["ok", "429", "4xx", "5xx", "other"] {
        assert!(report["latency_by_class"][class]["max"].is_u64(), "{class}: {report:#}");
    }
    let errors = report["errors"].as_array().unwrap();
    let refused = errors.iter().find(|error| error["code"] == "connect").unwrap();
    assert_eq!((&refused["cause"], &refused["count"]), (&"refused".into(), &1.into()));
}

#[test]
fn limit_that_matches_no_line_is_reported() {
    let api = Api::start();
    let job = JobFile::get(api.url("/ok/{{ line }}"))
        .limit(format!("127.0.1.1:{}", api.port()), "rate = \"1/min\"");
    let scene = Scene::new(job, "lines.txt", "a\n");
    let words = format!("fits no line: did you mean \"{}\"?", api.host());
    let checked = scene.run(&["check", "job.toml", "lines.txt"]).expect(0);
    assert!(
        checked.stdout.contains(&words) || checked.stderr.contains(&words),
        "{}{}",
        checked.stdout,
        checked.stderr
    );
    let ran = scene.run(&["run", "job.toml", "lines.txt", "-o", "out.csv"]).expect(0);
    assert!(ran.stdout.contains(&words) || ran.stderr.contains(&words), "{}{}", ran.stdout, ran.stderr);
}
