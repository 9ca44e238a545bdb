//! Schedules start what is due, once for each due time.

use serde_json::{Value, json};
use testing::{Api, JobFile, Scene};

use crate::runs::ALLOW;
use crate::server::Server;

#[tokio::test]
async fn a_schedule_runs_a_job_and_a_machine_once_for_each_due_time_also_over_a_kill() {
    let api = Api::start();
    let scene = Scene::new("", "in.txt", "");
    // A rate is due first a minute after its beginning: the beginning of the present minute.
    let job =
        "[[schedule]]\nname = \"often\"\njob = \"places\"\nfile = \"all.txt\"\ncron = \"rate(1 minute)\"\n";
    let machine = "[[schedule]]\nname = \"etl\"\nmachine = \"m\"\ncron = \"0/1 * * * ? *\"\ninput = { at = \"<aws.scheduler.scheduled-time>\" }\n";
    let schedules = format!("{ALLOW}{job}{machine}");
    scene.write("serve.toml", ALLOW);
    let server = Server::in_folder(scene);
    let arn =
        server.machine("m", json!({"StartAt": "P", "States": {"P": {"Type": "Pass", "End": true}}})).await;
    let job = JobFile::get(api.url("/ok/{{ line }}")).unlimited(api.host());
    server.upload("jobs/places/job.toml", job.to_string()).await;
    std::fs::create_dir_all(server.scene.path(".throughline/jobs/places/input")).unwrap();
    server.scene.write(".throughline/jobs/places/input/all.txt", "1\n2\n");
    server.scene.write("serve.toml", schedules);
    let server = server.killed_and_started_again();
    let mut runs = Vec::new();
    let begun = std::time::Instant::now();
    while runs.is_empty() {
        runs = server.runs().await;
        assert!(begun.elapsed() < 3 * testing::DEADLINE, "nothing was started");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let name = runs.last().unwrap()["name"].as_str().unwrap().to_owned();
    assert!(name.starts_with("sched-often-20") && name.ends_with('Z'), "{name}");
    assert_eq!(server.report("places", "all.txt").await["ok"], 2);
    let server = server.killed_and_started_again();
    let named = |runs: &[Value]| runs.iter().filter(|run| run["name"] == name.as_str()).count();
    assert_eq!(named(&server.runs().await), 1);
    let list = json!({"stateMachineArn": arn, "statusFilter": "SUCCEEDED"});
    let some = |listed: &Value| !listed["executions"].as_array().unwrap().is_empty();
    let listed = server.client.until("the machine has run", "ListExecutions", list, some).await;
    let execution = listed["executions"].as_array().unwrap().last().unwrap();
    let shown = server.ok("DescribeExecution", json!({"executionArn": execution["executionArn"]})).await;
    let input: Value = serde_json::from_str(shown["input"].as_str().unwrap()).unwrap();
    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
    let due = digits(input["at"].as_str().unwrap());
    assert_eq!(digits(execution["name"].as_str().unwrap()), due[..12], "{execution}");
}
