//! A redrive sends only failed lines.

use testing::{Api, JobFile, Scene, column};

fn scene(api: &Api) -> Scene {
    let job = JobFile::get(api.url("/{{ kind }}/{{ id }}")).unlimited(api.host()).column("twice", "$.twice");
    let input: String = std::iter::once("kind,id\n".to_owned())
        .chain((0..400).map(|n| format!("{},{n}\n", if n % 4 == 0 { "flaky" } else { "ok" })))
        .collect();
    Scene::new(job, "in.csv", input)
}

#[test]
fn only_failed_lines_are_sent_again_and_the_output_is_complete() {
    let api = Api::start();
    let scene = scene(&api);
    let args = |command| [command, "job.toml", "in.csv", "-o", "out.csv"];
    api.set_broken(true);
    let ran = scene.run(&args("run")).expect(2);
    assert!(ran.stdout.contains("http_404"), "{}", ran.stdout);
    assert_eq!(scene.read("out.failed.csv").lines().count(), 101);
    assert_eq!(api.count(), 400);
    scene.run(&args("redrive")).expect(2);
    assert_eq!(api.count(), 500, "a redrive that fails again can be redriven again");
    api.set_broken(false);
    scene.run(&args("redrive")).expect(0);
    assert_eq!(api.count(), 600);
    let output = scene.read("out.csv");
    assert_eq!(column(&output, "id"), (0..400).map(|n| n.to_string()).collect::<Vec<_>>());
    assert!(column(&output, "error").iter().all(String::is_empty));
    assert!(column(&output, "twice").iter().zip(0..).all(|(twice, n)| *twice == format!("{n}{n}")));
    assert!(!scene.exists("out.failed.csv"), "nothing failed");
    scene.run(&args("redrive")).expect(0);
    scene.run(&args("run")).expect(0);
    assert_eq!(api.count(), 600, "there was nothing left to send");
}

#[test]
fn failed_file_can_be_an_input() {
    let api = Api::start();
    let scene = scene(&api);
    api.set_broken(true);
    scene.run(&["run", "job.toml", "in.csv", "-o", "out.csv"]).expect(2);
    api.set_broken(false);
    scene.run(&["run", "job.toml", "out.failed.csv", "-o", "again.csv"]).expect(0);
    let again = scene.read("again.csv");
    assert_eq!(column(&again, "id"), (0..400).step_by(4).map(|n| n.to_string()).collect::<Vec<_>>());
}
