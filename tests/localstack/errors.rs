//! Errors must be visible to a user who sees the bucket but not the console.

use aws_sdk_sfn::types::ExecutionStatus;
use serde_json::Value;
use testing::{Api, JobFile, Scene, column, wait_until};

use crate::stack::stack;

#[test]
#[ignore = "needs LocalStack, see README.md here"]
fn a_wrong_key_costs_a_hundred_requests() {
    let api = Api::start();
    let job = JobFile::get(api.url("/status/401?q={{ line }}")).limit("default", "rate = \"1000/s\"");
    let scene =
        Scene::named("refused", job, "in.txt", (0..400).map(|n| format!("{n}\n")).collect::<String>());
    let ended =
        stack().run(&scene, &["submit", "refused.toml", "in.txt", "--watch", "-o", "out.csv"]).expect(3);
    assert!(ended.stdout.contains("401"), "{}", ended.stdout);
    assert!(api.count() <= 100, "{} requests", api.count());
    assert_eq!(column(&scene.read("out.csv"), "error").len(), 400);
}

#[test]
#[ignore = "needs LocalStack, see README.md here"]
fn upload_that_cannot_run_gets_a_report_with_the_reason() {
    stack().put("jobs/nothing/input/a.csv", "q\n1\n");
    stack().put("jobs/broken/job.toml", "[request]\nurl = 7\n");
    stack().put("jobs/broken/input/a.csv", "q\n1\n");
    stack().put("jobs/noise/job.toml", "[request]\nurl = \"http://127.0.0.1/{{ q }}\"\n");
    stack().put("jobs/noise/input/a.csv.gz", "this is not gzip");
    for (key, report, error, words) in [
        (
            "jobs/nothing/input/a.csv",
            "jobs/nothing/report/a.csv.json",
            "Job.NotFound",
            "upload jobs/nothing/job.toml",
        ),
        ("jobs/broken/input/a.csv", "jobs/broken/report/a.csv.json", "Job.Invalid", "job.toml:2"),
        ("jobs/noise/input/a.csv.gz", "jobs/noise/report/a.csv.gz.json", "", "q"),
    ] {
        wait_until("the execution ends", || {
            let executions = stack().executions_of(key);
            !executions.is_empty()
                && executions.iter().all(|execution| *execution.status() != ExecutionStatus::Running)
        });
        let execution = &stack().executions_of(key)[0];
        assert_eq!(*execution.status(), ExecutionStatus::Failed, "{key}");
        let report: Value = serde_json::from_str(&stack().find(report).unwrap()).unwrap();
        assert_eq!(report["verdict"], "not_started");
        assert_eq!(report["error"], execution.error().unwrap());
        // The notification of a failed run quotes it.
        let cause = execution.cause().unwrap();
        assert_eq!(cause, format!("{key}: {}", report["message"].as_str().unwrap()));
        if !error.is_empty() {
            assert_eq!(execution.error(), Some(error));
        }
        assert!(report["message"].as_str().unwrap().contains(words), "{report}");
    }
}

#[test]
#[ignore = "needs LocalStack, see README.md here"]
fn folders_created_in_the_console_start_no_execution() {
    stack().put("jobs/folders/input/", "");
    // A later upload: when it has started its execution, the folder has been handled too.
    stack().put("jobs/folders/input/a.csv", "");
    wait_until("the later upload starts an execution", || {
        !stack().executions_of("jobs/folders/input/a.csv").is_empty()
    });
    assert!(stack().executions_of("\"jobs/folders/input/\"").is_empty());
}
