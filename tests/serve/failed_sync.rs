//! The disk says that a write did not reach it: the server ends, because it cannot know any more what is on disk, and the
//! next one has all that was answered with success.

use serde_json::json;
use testing::Scene;

use crate::server::{Client, Server};

const KEYS: &str = "[[key]]\nid = \"ADMIN\"\nsecret = \"0123456789abcdef\"\nrole = \"admin\"\n";

/// strace injects the errors; without it nothing is tested.
fn is_strace_there() -> bool {
    let there = std::process::Command::new("strace").args(["-o", "/dev/null", "true"]).status();
    there.is_ok_and(|status| status.success())
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn nothing_that_was_answered_is_lost_when_a_sync_fails() {
    if !is_strace_there() {
        println!("SKIPPED: strace is not installed, or must not trace");
        return;
    }
    // Of the calls of one thread: before, at and after the creation of the machine.
    for when in [12, 20, 45] {
        let scene = Scene::new("", "in.txt", "");
        std::fs::create_dir_all(scene.path(".throughline/.serve")).unwrap();
        scene.write(".throughline/.serve/keys.toml", KEYS);
        scene.write("serve.toml", "");
        let inject = format!("inject=fdatasync,fsync:error=EIO:when={when}+");
        let program = testing::binary();
        let mut running = scene.start_as(
            "strace",
            &[
                "-f",
                "-o",
                "/dev/null",
                "-e",
                "trace=fdatasync,fsync",
                "-e",
                &inject,
                program.to_str().unwrap(),
                "serve",
                "--api",
                "127.0.0.1:0",
                "--console",
                "127.0.0.1:0",
            ],
        );
        let line = running.next_line();
        let address = line.split("http://").nth(1).and_then(|rest| rest.split(',').next());
        let mut answered = Vec::new();
        if let Some(address) = address {
            let client = Client::new(address.parse().unwrap(), "ADMIN", "0123456789abcdef");
            let definition = json!({"StartAt": "P", "States": {"P": {"Type": "Pass", "End": true}}});
            let machine = json!({"name": "m", "definition": definition.to_string(), "roleArn": "arn:aws:iam::0:role/r"});
            if let Some((200, made)) = client.try_call("CreateStateMachine", &machine).await {
                for i in 0..300 {
                    let input = json!({"stateMachineArn": made["stateMachineArn"], "name": format!("n{i}")});
                    match client.try_call("StartExecution", &input).await {
                        Some((200, started)) => answered.push(started["executionArn"].clone()),
                        _ => break,
                    }
                }
            }
        }
        let ended = running.wait();
        assert_ne!(ended.code, 0, "{when}");
        assert!(ended.stderr.contains("Input/output error"), "{when}: {}", ended.stderr);
        assert!(answered.len() < 300, "{when}");
        let server = Server::in_folder(scene);
        for arn in &answered {
            assert_eq!(server.ended(arn.as_str().unwrap()).await["status"], "SUCCEEDED", "{when}");
        }
        server.ok("ListStateMachines", json!({})).await;
    }
}
