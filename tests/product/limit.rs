//! `run --limit`, `--lines` and `--sample`: some lines only, whose responses the whole run keeps.

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
    assert!(first.contains("of the whole file sends them, and keeps these"), "{first}");
    let report: serde_json::Value = serde_json::from_str(&scene.read("out.report.json")).unwrap();
    assert_eq!((&report["lines"], &report["limited"]), (&5.into(), &true.into()));

    run(&scene, &["--limit", "5"], 0);
    assert_eq!(api.count(), 5, "the same command sends nothing");
    run(&scene, &["--limit", "8"], 0);
    assert_eq!((twice(&scene), api.count()), (expected(1..=8), 8));
    let whole = run(&scene, &[], 0);
    assert_eq!((twice(&scene), api.count()), (expected(1..=20), 20));
    assert!(whole.contains("8 responses kept") && !whole.contains("of the whole file"), "{whole}");
    run(&scene, &[], 0);
    assert_eq!(api.count(), 20);
}

#[test]
fn a_limit_never_loses_the_responses_of_more_lines() {
    let api = Api::start();
    let scene = scene(&api);
    run(&scene, &["--limit", "8"], 0);
    let refused = run(&scene, &["--limit", "5"], 1);
    assert!(refused.contains("has other lines of this file"), "{refused}");
    run(&scene, &[], 0);
    let refused = run(&scene, &["--limit", "19"], 1);
    assert!(refused.contains("has other lines of this file"), "{refused}");
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
    assert!(!whole.contains("of the whole file"), "{whole}");
    run(&scene, &[], 0);
    assert_eq!((twice(&scene), api.count()), (expected(1..=20), 20));
}

#[test]
fn the_lines_that_are_asked_for_are_sent_and_kept_by_the_whole_run() {
    let api = Api::start();
    let scene = scene(&api);
    api.set_broken(true);
    let some = run(&scene, &["--lines", "17-20,3"], 2);
    assert!(some.contains("line 3:"), "a line has its number in the file: {some}");
    assert_eq!(column(&scene.read("out.csv"), "id"), ["3", "17", "18", "19", "20"]);
    let shown = scene.run(&["show", "job.toml", "in.csv", "--line", "17"]).expect(0).stdout;
    assert!(shown.contains("/ok/17"), "{shown}");
    let other = scene.run(&["show", "job.toml", "in.csv", "--line", "4"]).expect(1).stderr;
    assert!(other.contains("only a part of the lines"), "{other}");
    api.set_broken(false);
    scene.run(&["redrive", "job.toml", "in.csv", "-o", "out.csv"]).expect(0);
    assert_eq!(api.count(), 6, "a redrive of some lines sends no others");
    let refused = run(&scene, &["--lines", "18-20"], 1);
    assert!(refused.contains("has other lines of this file"), "{refused}");
    run(&scene, &["--lines", "3,16-20"], 0);
    assert_eq!(api.count(), 7);
    run(&scene, &[], 0);
    assert_eq!((twice(&scene), api.count()), (expected(1..=20), 21));
}

#[test]
fn a_larger_sample_keeps_the_responses_of_a_smaller_one() {
    let api = Api::start();
    let job = JobFile::get(api.url("/ok/{{ id }}")).column("twice", "$.twice").unlimited(api.host());
    let lines: String = (1..=400).map(|n| format!("{n}\n")).collect();
    let scene = Scene::new(job, "in.csv", format!("id\n{lines}"));
    run(&scene, &["--sample", "5%"], 0);
    let (few, first) = (api.count(), column(&scene.read("out.csv"), "id"));
    assert!((5..50).contains(&few) && first.len() == few, "{few}");
    run(&scene, &["--sample", "20%"], 0);
    let second = column(&scene.read("out.csv"), "id");
    assert!(api.count() == second.len() && first.iter().all(|id| second.contains(id)), "{second:?}");
    run(&scene, &["--sample", "5%"], 1);
    run(&scene, &[], 0);
    assert_eq!((twice(&scene), api.count()), (expected(1..=400), 400));
}

#[test]
fn a_selection_without_a_line_is_refused() {
    let api = Api::start();
    let scene = scene(&api);
    for (selection, message) in [
        (["--lines", "21-30"], "none is selected"),
        (["--lines", "0"], "is not a list of lines"),
        (["--sample", "0%"], "a sample of 0% has no line"),
        (["--sample", "half"], "share"),
    ] {
        let code = if message.contains("none") { 1 } else { 2 };
        let refused = scene.run(&[&RUN[..], &selection].concat());
        let text = refused.stdout.clone() + &refused.stderr;
        assert!(refused.code == code || refused.code == 1, "{selection:?}: {text}");
        assert!(text.contains(message), "{selection:?}: {text}");
    }
    assert_eq!(api.count(), 0);
}
