//! The disk of a server is full: it ends with a sentence, and all that it has answered with success is there.

use serde_json::json;
use testing::Scene;

use crate::server::Client;

const KEYS: &str = "[[key]]\nid = \"ADMIN\"\nsecret = \"0123456789abcdef\"\nrole = \"admin\"\n";

#[cfg(target_os = "linux")]
#[tokio::test]
async fn nothing_that_was_answered_is_lost_on_a_full_disk() {
    let scene = Scene::new("", "in.txt", "");
    scene.write("keys.toml", KEYS);
    let serve = format!(
        "'{}' serve --state state --api 127.0.0.1:0 --console 127.0.0.1:0",
        env!("CARGO_BIN_EXE_throughline")
    );
    let script = format!(
        "mkdir state; mount -t tmpfs -o size=24m,mode=700 none state || {{ echo 'not mounted'; exit 77; }}; mkdir -m 700 state/.serve; \
         cp keys.toml state/.serve/; chmod 600 state/.serve/keys.toml; {serve}; echo \"ended: $?\"; \
         mount -o remount,size=1g,mode=700 state; exec {serve}"
    );
    let mut running =
        scene.start_as("unshare", &["--map-root-user", "--mount", "--kill-child", "sh", "-c", &script]);
    let line = running.next_line();
    let Some(client) = client_of(&line) else {
        let ended = running.wait();
        assert!(ended.stdout.contains("not mounted") || ended.stderr.contains("unshare"), "{}", ended.stderr);
        println!("nothing may be mounted here: {}", ended.stderr);
        return;
    };
    let definition = json!({"StartAt": "P", "States": {"P": {"Type": "Pass", "End": true}}}).to_string();
    let machine = json!({"name": "m", "definition": definition, "roleArn": "arn:aws:iam::0:role/r"});
    let machine = client.ok("CreateStateMachine", machine).await["stateMachineArn"].clone();
    let pad = "x".repeat(100_000);
    let mut answered = Vec::new();
    for i in 0..2_000 {
        let input = json!({"stateMachineArn": machine, "name": format!("n{i}"), "input": json!({"pad": pad}).to_string()});
        match client.try_call("StartExecution", &input).await {
            Some((200, started)) => answered.push(started["executionArn"].as_str().unwrap().to_owned()),
            Some((status, _)) => {
                assert!(status >= 500, "{status}");
                break;
            }
            None => break,
        }
    }
    assert!(answered.len() > 20 && answered.len() < 2_000, "{}", answered.len());
    let (mut ended, mut again) = (None, None);
    while again.is_none() {
        let line = running.next_line();
        assert!(!line.is_empty(), "the second server does not start: {}", running.wait().stderr);
        if let Some(code) = line.strip_prefix("ended: ") {
            ended = Some(code.trim().to_owned());
        }
        again = client_of(&line).filter(|_| ended.is_some());
    }
    assert_ne!(ended.as_deref(), Some("0"));
    let client = again.unwrap();
    for arn in answered {
        let shown =
            client.until("it has ended", "DescribeExecution", json!({"executionArn": arn}), |shown| {
                shown["status"] == "SUCCEEDED"
            });
        shown.await;
    }
    running.kill();
}

fn client_of(line: &str) -> Option<Client> {
    let address = line.split("http://").nth(1)?.split(',').next()?.parse().ok()?;
    line.starts_with("Serving").then(|| Client::new(address, "ADMIN", "0123456789abcdef"))
}
