//! Several commands at the same time in one folder.

use std::sync::Barrier;

use serde_json::json;
use testing::{Api, JobFile, Scene, wait_until};

use super::{run, scene, task};

fn put(key: &str) -> serde_json::Value {
    let parameters = json!({ "Bucket": "throughline", "Key": key, "Body.$": "$.body" });
    task("arn:aws:states:::aws-sdk:s3:putObject", &parameters)
}

#[test]
fn any_number_of_states_commands_run_side_by_side() {
    let wait = json!({ "StartAt": "A", "States": { "A": { "Type": "Wait", "Seconds": 1, "End": true } } });
    let scene = scene(&wait);
    scene.write("put.json", put("k.txt").to_string());
    let barrier = Barrier::new(6);
    std::thread::scope(|threads| {
        for number in 0..6 {
            let (scene, barrier) = (&scene, &barrier);
            threads.spawn(move || {
                barrier.wait();
                let body = format!("{{\"body\": \"{number}\"}}");
                match number % 3 {
                    0 => scene.run(&["states", "run", "machine.json"]),
                    1 => scene.run(&["states", "run", "put.json", "-i", &body]),
                    _ => scene.run(&["states", "test", "put.json", "--state", "Do", "-i", &body]),
                }
                .expect(0);
            });
        }
    });
    assert!(["1", "2", "4", "5"].contains(&scene.read(".throughline/k.txt").as_str()));
}

#[test]
fn store_is_opened_only_by_what_uses_it() {
    let pass = json!({ "StartAt": "A", "States": { "A": { "Type": "Pass", "End": true } } });
    let scene = scene(&pass);
    run(&scene, &[], 0);
    scene.run(&["states", "test", "machine.json", "--state", "A"]).expect(0);
    assert!(!scene.exists(".throughline"));
    // A mocked task needs no store.
    scene.write("machine.json", put("k.txt").to_string());
    let mocks = json!({
        "StateMachines": { "m": { "TestCases": { "c": { "Do": "R" } } } },
        "MockedResponses": { "R": { "0": { "Return": {} } } }
    });
    scene.write("mocks.json", mocks.to_string());
    run(&scene, &["--mocks", "mocks.json", "-i", "{\"body\": \"1\"}"], 0);
    assert!(!scene.exists(".throughline"));
}

#[test]
fn states_waits_for_no_run() {
    let api = Api::start();
    let scene = Scene::new(JobFile::get(api.url("/ok/{{ id }}")).unlimited(api.host()), "in.csv", "id\n1\n");
    scene.write("put.json", put("k.txt").to_string());
    api.respond_only(0);
    let running = scene.start(&["run", "job.toml", "in.csv", "-o", "out.csv"]);
    wait_until("a request", || api.count() > 0);
    scene.run(&["states", "run", "put.json", "-i", "{\"body\": \"1\"}"]).expect(0);
    api.respond_all();
    running.wait().expect(0);
}

#[test]
fn messages_about_the_store_name_its_option() {
    let scene = scene(&put("k.txt"));
    std::os::unix::fs::symlink("elsewhere", scene.path(".throughline")).unwrap();
    std::fs::create_dir(scene.path("elsewhere")).unwrap();
    let wrong = scene.run(&["states", "run", "machine.json", "-i", "{\"body\": \"1\"}"]).expect(1);
    assert!(wrong.stderr.contains("--store") && !wrong.stderr.contains("--state"), "{}", wrong.stderr);
}
