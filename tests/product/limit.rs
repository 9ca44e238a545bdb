//! `run --limit`: the first lines only, whose responses the whole run keeps.

use testing::{Api, JobFile, Scene, column};

const RUN: [&str; 5] = ["run", "job.toml", "in.csv", "-o", "out.csv"];

fn scene(api: &Api) -> Scene {
    let job = JobFile::get(api.url("/{{ kind }}/{{ id }}")).column("twice", "$.twice").unlimited(api.host());
    let lines: String = (1..=20).map(|n| format!("{},{n}\n", if n == 3 { "flaky" } else { "ok" })).collect();
    Scene::new(job, "in.csv", format!("kind,id\n{lines}"))
}

fn run(scene: &Scene, more: &[&str], code: i32) -> String {
    let output = scene.run(&[&RUN[..], more].concat()).expect(code);
    output.stdout + &output.stderr
}

fn twice(scene: &Scene) -> Vec<String> {
    column(&scene.read("out.csv"), "twice")
}

fn expected(lines: std::ops::RangeInclusive<usize>) -> Vec<String> {
    lines.map(|n| format!("{n}{n}")).collect()
}

#[test]
fn the_whole_run_keeps_the_responses_of_the_first_lines() {
    let api = Api::start();
    let scene = scene(&api);
    let first = run(&scene, &["--limit", "5"], 0);
    assert_eq!((twice(&scene), api.count()), (expected(1..=5), 5));
    assert!(first.contains("without --limit sends them, and keeps these"), "{first}");
    let report: serde_json::Value = serde_json::from_str(&scene.read("out.report.json")).unwrap();
    assert_eq!((&report["lines"], &report["limited"]), (&5.into(), &true.into()));

    run(&scene, &["--limit", "5"], 0);
    assert_eq!(api.count(), 5, "the same command sends nothing");
    run(&scene, &["--limit", "8"], 0);
    assert_eq!((twice(&scene), api.count()), (expected(1..=8), 8));
    let whole = run(&scene, &[], 0);
    assert_eq!((twice(&scene), api.count()), (expected(1..=20), 20));
    assert!(whole.contains("8 responses kept") && !whole.contains("--limit"), "{whole}");
    run(&scene, &[], 0);
    assert_eq!(api.count(), 20);
}

#[test]
fn a_limit_never_loses_the_responses_of_more_lines() {
    let api = Api::start();
    let scene = scene(&api);
    run(&scene, &["--limit", "8"], 0);
    let refused = run(&scene, &["--limit", "5"], 1);
    assert!(refused.contains("has more lines of this file (3)"), "{refused}");
    run(&scene, &[], 0);
    let refused = run(&scene, &["--limit", "19"], 1);
    assert!(refused.contains("has more lines of this file (1)"), "{refused}");
    run(&scene, &[], 0);
    assert_eq!((twice(&scene), api.count()), (expected(1..=20), 20));
    run(&scene, &["--limit", "5", "--fresh"], 0);
    assert_eq!((twice(&scene), api.count()), (expected(1..=5), 25));
}

#[test]
fn a_redrive_of_the_first_lines_sends_no_others() {
    let api = Api::start();
    let scene = scene(&api);
    api.set_broken(true);
    run(&scene, &["--limit", "5"], 2);
    api.set_broken(false);
    scene.run(&["redrive", "job.toml", "in.csv", "-o", "out.csv"]).expect(0);
    assert_eq!((twice(&scene), api.count()), (expected(1..=5), 6));
    run(&scene, &[], 0);
    assert_eq!((twice(&scene), api.count()), (expected(1..=20), 21));
}

#[test]
fn the_first_lines_continue_with_a_mended_job() {
    let api = Api::start();
    let scene = scene(&api);
    api.set_broken(true);
    run(&scene, &["--limit", "5"], 2);
    let mended = scene.read("job.toml").replace("/{{ kind }}/", "/{{ kind if kind != 'flaky' else 'ok' }}/");
    scene.write("job.toml", mended);
    run(&scene, &[], 0);
    assert_eq!((twice(&scene), api.count()), (expected(1..=20), 21));
}

#[test]
fn a_limit_beyond_the_end_of_the_file_is_the_whole_file() {
    let api = Api::start();
    let scene = scene(&api);
    let whole = run(&scene, &["--limit", "20"], 0);
    assert!(!whole.contains("without --limit"), "{whole}");
    run(&scene, &[], 0);
    assert_eq!((twice(&scene), api.count()), (expected(1..=20), 20));
}
