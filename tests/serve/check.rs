//! `serve check`, and what a start refuses before it touches anything.

use testing::Scene;

use crate::server::Server;

fn scene(settings: &str) -> Scene {
    let scene = Scene::new("", "in.txt", "");
    scene.write("serve.toml", settings);
    scene
}

const CHECK: [&str; 8] =
    ["serve", "check", "--config", "serve.toml", "--api", "127.0.0.1:0", "--console", "127.0.0.1:0"];

#[test]
fn a_server_that_would_start_is_said_to_and_nothing_is_touched() {
    let scene = scene("runs = 2\n[limits.\"api.example.com\"]\nrate = \"200/s\"\n");
    let before = scene.files();
    let said = scene.run(&CHECK).expect(0).stdout;
    assert_eq!(said.lines().filter(|line| line.starts_with("ok: ")).count(), 5, "{said}");
    assert!(said.contains("does not exist yet"), "{said}");
    assert_eq!(scene.files(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_is_wrong_is_said_at_once() {
    let server = Server::start();
    let api = server.client.address.to_string();
    server.scene.write(
        "wrong.toml",
        "[[watch]]\nfolder = \"nowhere\"\njob = \"a\"\n[notify]\nurl = \"example.com\"\n",
    );
    let check = ["serve", "check", "--config", "wrong.toml", "--api", &api, "--console", "127.0.0.1:0"];
    let said = tokio::task::block_in_place(|| server.scene.run(&check).expect(1).stdout);
    for wrong in
        ["[notify] url must be", "a server uses the state folder", "the AWS APIs cannot listen", &api]
    {
        assert!(said.contains(wrong), "{wrong}: {said}");
    }
    assert_eq!(said.lines().filter(|line| line.starts_with("wrong: ")).count(), 3, "{said}");
}

#[test]
fn a_broken_file_a_wrong_ceiling_and_a_folder_of_a_later_version_are_one_sentence_each() {
    let scene = scene("[limits.\"api.example.com\"]\nrate = \"fast\"\n");
    let said = scene.run(&CHECK).expect(1).stdout;
    assert!(said.contains("wrong: [limits.\"api.example.com\"]: \"fast\" is not a rate"), "{said}");
    scene.write("serve.toml", "runs = \n");
    let broken = scene.run(&CHECK).expect(1).stderr;
    assert!(broken.contains("serve.toml") && broken.contains("line 1"), "{broken}");
    scene.write("serve.toml", "");
    std::fs::create_dir_all(scene.path(".throughline/.serve")).unwrap();
    scene.write(".throughline/.serve/format", "99\n");
    let before = scene.files();
    let said = scene.run(&CHECK).expect(1).stdout;
    assert!(said.contains("it has format 99"), "{said}");
    assert_eq!(scene.files(), before);
    let start = scene.run(&["serve", "--api", "127.0.0.1:0", "--console", "127.0.0.1:0"]).expect(1).stderr;
    assert!(start.contains("it has format 99"), "{start}");
    assert!(!scene.exists(".throughline/.serve/store"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_in_json_has_the_runs() {
    let scene = scene("allow = [\"127.0.0.1\"]\n");
    let server = Server::in_folder_with(scene, &["--log", "json"], &[]);
    let run = crate::rest::start_job(&server, "none", "in.txt", "1\n", None).await;
    crate::rest::ended(&server, &run).await;
    server.running.signal("TERM");
    let log = tokio::task::block_in_place(|| server.running.wait().expect(0).stderr);
    let entries = log.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let entries: Vec<_> = entries.filter(|entry| entry["run"] == run.as_str()).collect();
    let said: Vec<_> = entries.iter().filter_map(|entry| entry["message"].as_str()).collect();
    assert_eq!(said, ["a run goes", "a run has ended"], "{log}");
    assert_eq!(entries[1]["status"], "FAILED");
}
