//! `run`, `watch`, `stop`, `redrive` and `runs` of a server, named or found by its state folder.

use reqwest::{Method, StatusCode};
use testing::{Api, JobFile, Scene, wait_until};

use crate::rest::{ended, send, start_job};
use crate::runs::{ALLOW, by_run, input, job};
use crate::server::Server;

/// A server in the folder of a scene with a job and a file.
fn server(scene: Scene) -> Server {
    scene.write("serve.toml", ALLOW);
    Server::in_folder(scene)
}

fn outputs(scene: &Scene, name: &str) -> (String, String) {
    (scene.read(&format!("{name}.csv")), scene.read(&format!("{name}.failed.csv")))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_bytes_come_from_the_command_a_named_server_a_found_one_and_rest() {
    let api = Api::start();
    let scene = Scene::new(job(&api), "in.csv", input());
    let expected = tokio::task::block_in_place(|| by_run(&scene));
    let server = server(scene);
    let scene = &server.scene;
    let url = format!("http://{}", server.client.address);
    let named = ["run", "job.toml", "in.csv", "-o", "named.csv", "--server", &url, "--state", "elsewhere"];
    let key = format!("{}:{}", server.client.id, server.client.secret);
    tokio::task::block_in_place(|| {
        scene.run_with(&named, |command| _ = command.env("THROUGHLINE_KEY", &key)).expect(2);
        let found = scene.run(&["run", "job.toml", "in.csv", "-o", "found.csv"]).expect(2);
        assert!(found.stderr.contains(&url), "{}", found.stderr);
        assert!(!scene.path("elsewhere").exists());
    });
    assert_eq!(outputs(scene, "named"), expected);
    assert_eq!(outputs(scene, "found"), expected);
    let put = send(&server, Method::PUT, "/jobs/rest", &scene.read("job.toml"), None).await;
    assert_eq!(put.status(), StatusCode::NO_CONTENT);
    let run = start_job(&server, "rest", "in.csv", &input(), None).await;
    assert_eq!(ended(&server, &run).await["status"], "succeeded");
    let fetched = async |what: &str| {
        send(&server, Method::GET, &format!("/runs/{run}/{what}"), "", None).await.text().await.unwrap()
    };
    assert_eq!((fetched("output").await, fetched("failed").await), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_of_a_server_is_listed_watched_stopped_and_redriven() {
    let api = Api::start();
    let job =
        JobFile::get(api.url("/flaky/{{ line }}")).limit(api.host(), "rate = \"unlimited\"\nin_flight = 1");
    let server = server(Scene::new(job, "in.txt", "1\n2\n3\n"));
    let scene = &server.scene;
    api.respond_only(1);
    let running = scene.start(&["run", "job.toml", "in.txt", "--json"]);
    tokio::task::block_in_place(|| {
        wait_until("two requests were sent", || api.count() == 2);
        let listed = scene.run(&["runs", "--json"]).expect(0).stdout;
        let run: serde_json::Value = serde_json::from_str(listed.lines().next().unwrap()).unwrap();
        assert_eq!(run["state"], "running", "{listed}");
        let run = run["run"].as_str().unwrap().to_owned();
        let url = format!("http://{}", server.client.address);
        scene.run(&["stop", &run, "--server", &url]).expect(0);
        api.respond_more(1);
        running.wait().expect(3);
        api.respond_all();
        scene.run(&["redrive", "job.toml", "in.txt", "-o", "out.csv"]).expect(0);
        let watched = scene.run(&["watch", &run, "--server", &url, "-o", "again.csv"]);
        watched.expect(0);
        assert_eq!(scene.read("out.csv"), scene.read("again.csv"));
    });
    assert_eq!(scene.read("out.csv").lines().count(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_server_cannot_do_is_said_before_a_request() {
    let api = Api::start();
    let job = JobFile::get(api.url("/ok/{{ line }}"))
        .request("headers = { x-key = \"{{ secret.KEY }}\" }")
        .unlimited(api.host());
    let server = server(Scene::new(job, "in.txt", "1\n"));
    let scene = &server.scene;
    tokio::task::block_in_place(|| {
        let with_key = |command: &mut std::process::Command| _ = command.env("KEY", "of-this-terminal");
        let missing = scene.run_with(&["run", "job.toml", "in.txt"], with_key).expect(1).stderr;
        assert!(missing.contains(&format!("throughline secret set {} KEY", scene.job_name())), "{missing}");
        let limited = scene.run(&["run", "job.toml", "in.txt", "--limit", "1"]).expect(1).stderr;
        assert!(limited.contains("--limit"), "{limited}");
        let nowhere = ["run", "job.toml", "in.txt", "--server", "127.0.0.1:1"];
        let nowhere = scene.run(&nowhere).expect(1).stderr;
        assert!(nowhere.contains("must begin with http://"), "{nowhere}");
        let no_key = ["runs", "--server", "http://127.0.0.1:1", "--state", "none"];
        let no_key = scene.run(&no_key).expect(1).stderr;
        assert!(no_key.contains("THROUGHLINE_KEY"), "{no_key}");
    });
    assert_eq!(api.count(), 0);
}
