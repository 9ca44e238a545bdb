//! Results that have changed in the store are never in an output.

use std::fs;
use std::path::PathBuf;

use testing::{Api, JobFile, Scene, column, wait_until};

const RUN: [&str; 5] = ["run", "job.toml", "in.csv", "-o", "out.csv"];
const REDRIVE: [&str; 5] = ["redrive", "job.toml", "in.csv", "-o", "out.csv"];

/// Lines 1 to 9 of which the fifth fails, so that the results stay.
fn scene(api: &Api) -> Scene {
    let host = api.host();
    let job = JobFile::get(api.url("/{{ kind }}/{{ id }}")).column("twice", "$.twice").unlimited(host);
    let lines = (1..=9).fold("kind,id\n".to_owned(), |text, n| {
        format!("{text}{},{n}\n", if n == 5 { "flaky" } else { "ok" })
    });
    Scene::new(job, "in.csv", lines)
}

fn segments(scene: &Scene) -> Vec<PathBuf> {
    let mut segments = scene.files();
    segments.retain(|path| {
        path.to_string_lossy().contains("/results/")
            && path.extension().is_some_and(|ending| ending == "jsonl")
    });
    segments
}

/// The segment with the result of line 3, and its content.
fn third(scene: &Scene) -> (PathBuf, String) {
    let read = |path: PathBuf| fs::read_to_string(&path).map(|text| (path, text)).unwrap();
    segments(scene).into_iter().map(read).find(|(_, text)| text.contains("\"33\"")).unwrap()
}

#[test]
fn changed_results_are_never_in_the_output() {
    type Change = fn(&str) -> String;
    let changes: [(&str, Change); 4] = [
        ("a value", |text| text.replace("\"33\"", "\"34\"")),
        ("a line that is gone", |text| {
            text.lines().filter(|line| !line.contains("\"33\"")).map(|line| format!("{line}\n")).collect()
        }),
        ("a line too many", |text| format!("{}\n{text}", text.lines().next().unwrap())),
        ("cut at a line", |text| format!("{}\n", text.lines().next().unwrap())),
    ];
    for (what, change) in changes {
        let api = Api::start();
        let scene = scene(&api);
        api.set_broken(true);
        scene.run(&RUN).expect(2);
        let before = scene.read("out.csv");
        api.set_broken(false);
        let (path, text) = third(&scene);
        fs::write(&path, change(&text)).unwrap();
        let ran = scene.run(&REDRIVE).expect(3);
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        assert!(ran.stderr.contains("Run.Damaged") && ran.stderr.contains(&name), "{what}: {}", ran.stderr);
        assert_eq!(scene.read("out.csv"), before, "{what}");
        // With the original segment the run continues.
        fs::write(&path, text).unwrap();
        scene.run(&REDRIVE).expect(0);
        assert_eq!(
            column(&scene.read("out.csv"), "twice"),
            (1..=9).map(|n| format!("{n}{n}")).collect::<Vec<_>>(),
            "{what}"
        );
    }
}

#[test]
fn continued_run_uses_no_changed_result() {
    let api = Api::start();
    let scene = scene(&api);
    api.respond_only(6);
    let running = scene.start(&RUN);
    // Any line may get its response first.
    let with_success = |path: PathBuf| {
        fs::read_to_string(&path).ok().filter(|text| text.contains("\"v\":[\"")).map(|text| (path, text))
    };
    wait_until("a result", || segments(&scene).into_iter().any(|path| with_success(path).is_some()));
    running.kill();
    api.respond_all();
    let (path, text) = segments(&scene).into_iter().find_map(with_success).unwrap();
    fs::write(&path, text.replacen("\"v\":[\"", "\"v\":[\"0", 1)).unwrap();
    let ran = scene.run(&RUN).expect(3);
    assert!(ran.stderr.contains("Run.Damaged"), "{} {}", ran.stdout, ran.stderr);
    assert!(!scene.exists("out.csv"));
    // Without the segment its lines are sent again.
    fs::remove_file(&path).unwrap();
    scene.run(&RUN).expect(0);
    assert_eq!(
        column(&scene.read("out.csv"), "twice"),
        (1..=9).map(|n| format!("{n}{n}")).collect::<Vec<_>>()
    );
}
