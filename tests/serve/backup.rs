//! A backup while the server runs, and a server in the copy.

use serde_json::{Value, json};

use crate::server::Server;

#[tokio::test]
async fn a_server_in_the_copy_has_what_there_was_when_it_began() {
    let server = Server::start();
    let pass = json!({"StartAt": "P", "States": {"P": {"Type": "Pass", "Result": 1, "End": true}}});
    let machine = server.machine("m", pass).await;
    let s3 = server.client.s3();
    let put = |key: &str| {
        let put = s3.put_object().bucket("throughline").key(key).metadata("k", "v");
        put.body(key.as_bytes().to_vec().into()).send()
    };
    let before = put("kept/a.txt").await.unwrap();
    let first = server.ok("StartExecution", json!({"stateMachineArn": machine, "name": "first"})).await;
    server.ended(first["executionArn"].as_str().unwrap()).await;

    let folder = server.scene.path("copies");
    std::fs::create_dir(&folder).unwrap();
    let folder = folder.canonicalize().unwrap().join("monday");
    let path = format!("/api/v1/backup?folder={}", folder.display());
    let made: Value = serde_json::from_str(&server.post(&path).await).unwrap();
    assert_eq!(made["folder"], folder.display().to_string(), "{made}");
    put("kept/b.txt").await.unwrap();
    put("kept/a.txt").await.unwrap();
    server.ok("StartExecution", json!({"stateMachineArn": machine, "name": "second"})).await;
    for (wrong, said) in [
        (folder.display().to_string(), "it exists"),
        ("copies/tuesday".to_owned(), "absolute path"),
        (server.scene.path(".throughline/x").canonicalize_parent(), "in the state folder"),
    ] {
        let refused = server.post(&format!("/api/v1/backup?folder={wrong}")).await;
        assert!(refused.contains(said), "{refused}");
    }

    let copy = Server::in_folder_with(server.killed(), &["--state", "copies/monday"], &[]);
    let client = &copy.client;
    let listed = client.ok("ListExecutions", json!({"stateMachineArn": machine})).await;
    let names: Vec<&Value> =
        listed["executions"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
    assert_eq!(names, ["first"]);
    assert_eq!(copy.events(first["executionArn"].as_str().unwrap()).await.len(), 4);
    let found = client.s3().list_objects_v2().bucket("throughline").prefix("kept/").send().await.unwrap();
    let keys: Vec<_> = found.contents().iter().map(|object| object.key().unwrap()).collect();
    assert_eq!(keys, ["kept/a.txt"]);
    let head = client.s3().head_object().bucket("throughline").key("kept/a.txt").send().await.unwrap();
    assert_eq!(head.e_tag(), before.e_tag());
    assert_eq!(head.metadata().unwrap().get("k").map(String::as_str), Some("v"));
    client.ok("StartExecution", json!({"stateMachineArn": machine, "name": "second"})).await;
}

trait Parent {
    fn canonicalize_parent(&self) -> String;
}

impl Parent for std::path::PathBuf {
    /// The path without links, of a file that need not exist.
    fn canonicalize_parent(&self) -> String {
        let folder = self.parent().unwrap().canonicalize().unwrap();
        folder.join(self.file_name().unwrap()).display().to_string()
    }
}
