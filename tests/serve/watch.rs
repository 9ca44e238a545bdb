//! Files that are dropped into a watched folder run, once each, and their outputs come back.

use serde_json::Value;
use testing::{Api, JobFile, Scene, wait_until};

use crate::runs::ALLOW;
use crate::server::Server;

async fn watching(api: &Api, after: &str) -> Server {
    let scene = Scene::new("", "other.txt", "");
    std::fs::create_dir(scene.path("drop")).unwrap();
    let watch = "[[watch]]\nfolder = \"drop\"\njob = \"places\"\npattern = \"*.txt\"\nsettle = \"0s\"\n";
    scene.write("serve.toml", format!("{ALLOW}{watch}after = \"{after}\"\n"));
    let server = Server::in_folder(scene);
    let job = JobFile::get(api.url("/ok/{{ line }}")).unlimited(api.host());
    server.upload("jobs/places/job.toml", job.to_string()).await;
    server
}

/// Waits for the report that comes back for a file.
fn report(scene: &Scene, file: &str) -> Value {
    let path = format!("drop/out/{file}.report.json");
    tokio::task::block_in_place(|| wait_until("the report comes back", || scene.exists(&path)));
    serde_json::from_str(&scene.read(&path)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_in_a_watched_folder_runs_once_also_after_a_kill_and_again_when_it_changes() {
    let api = Api::start();
    let server = watching(&api, "keep").await;
    for (name, content) in
        [("a.txt", "1\n2\n"), (".hidden.txt", "3\n"), ("b.txt.part", "4\n"), ("c.csv", "5\n")]
    {
        server.scene.write(&format!("drop/{name}"), content);
    }
    assert_eq!(report(&server.scene, "a.txt")["ok"], 2);
    assert!(server.scene.read("drop/out/a.csv").starts_with("line,response"));
    let server = server.killed_and_started_again();
    server.scene.write("drop/z.txt", "9\n");
    assert_eq!(report(&server.scene, "z.txt")["ok"], 1);
    assert_eq!(server.runs().await.len(), 2, "the file that stays does not run again");
    server.scene.write("drop/a.txt", "1\n2\n6\n");
    let again = || {
        serde_json::from_str::<Value>(&server.scene.read("drop/out/a.txt.report.json")).unwrap()["lines"] == 3
    };
    tokio::task::block_in_place(|| wait_until("the file that changed runs again", again));
    assert_eq!(server.runs().await.len(), 3);
    assert!(api.hits().keys().all(|path| !["/ok/3", "/ok/4", "/ok/5"].contains(&path.as_str())));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_taken_is_moved_or_deleted() {
    let api = Api::start();
    for (after, done) in [("move", true), ("delete", false)] {
        let server = watching(&api, after).await;
        server.scene.write("drop/a.txt", "1\n");
        assert_eq!(report(&server.scene, "a.txt")["ok"], 1, "{after}");
        tokio::task::block_in_place(|| wait_until("it is gone", || !server.scene.exists("drop/a.txt")));
        assert_eq!(server.scene.exists("drop/done/a.txt"), done);
    }
}
