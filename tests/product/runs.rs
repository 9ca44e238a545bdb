//! `throughline runs` lists the runs of a state folder.

use serde_json::Value;
use testing::{Api, JobFile, Scene, wait_until};

fn runs(scene: &Scene, args: &[&str]) -> Vec<Value> {
    let args = [&["runs", "--json"], args].concat();
    let listed = scene.run(&args).expect(0).stdout;
    listed.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn runs_are_listed_with_their_state() {
    let api = Api::start();
    let job =
        JobFile::get(api.url("/{{ line | safe }}")).limit("default", "rate = \"unlimited\"\nin_flight = 4");
    let scene = Scene::named("geo", &job, "good.txt", "ok/1\nok/2\n");
    scene.write("urls.toml", job.to_string());
    scene.write("mixed.txt", "ok/3\nstatus/404\n");
    scene.write("long.txt", (0..400).map(|n| format!("ok/{n}\n")).collect::<String>());
    let none = scene.run(&["runs"]).expect(1);
    assert!(none.stderr.contains("there is no state folder .throughline"), "{}", none.stderr);

    scene.run(&["run", "geo.toml", "good.txt"]).expect(0);
    scene.run(&["run", "urls.toml", "mixed.txt"]).expect(2);
    api.respond_only(40);
    let running = scene.start(&["run", "geo.toml", "long.txt"]);
    wait_until("forty responses", || api.count() > 44);
    let going = runs(&scene, &["geo"]);
    assert_eq!(
        (&going[0]["file"], &going[0]["state"]),
        (&"long.txt".into(), &"running".into()),
        "{going:#?}"
    );
    running.interrupt().expect(130);

    let all = runs(&scene, &[]);
    let states: Vec<_> = all
        .iter()
        .map(|run| {
            let text = |field: &str| run[field].as_str().unwrap();
            (
                text("run").split_once('/').unwrap().0,
                text("file"),
                text("state"),
                run["lines"].as_u64().unwrap(),
            )
        })
        .collect();
    let expected = [
        ("geo", "long.txt", "interrupted", 400),
        ("urls", "mixed.txt", "some_failed", 2),
        ("geo", "good.txt", "succeeded", 2),
    ];
    assert_eq!(states, expected);
    assert_eq!((&all[1]["ok"], &all[1]["failed"]), (&1.into(), &1.into()));
    assert_eq!(runs(&scene, &["urls"]).len(), 1);

    let table = scene.run(&["runs"]).expect(0).stdout;
    let lines: Vec<_> = table.lines().collect();
    assert!(lines[0].starts_with("RUN ") && lines[0].ends_with("STATE"), "{table}");
    assert!(lines[2].contains("mixed.txt") && lines[2].ends_with("some lines failed"), "{table}");
}
