//! A deployment changes nothing for runs that are going.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use aws_sdk_sfn::types::ExecutionStatus;
use testing::{Api, JobFile, Scene, column, wait_until};

use crate::stack::{Stack, functions};

#[test]
#[ignore = "needs LocalStack, see README.md here"]
fn run_that_is_going_ends_with_the_functions_that_it_began_with() {
    let api = Api::start();
    let input = (1..=60).fold("url\n".to_owned(), |text, n| text + &api.url(&format!("/ok/{n}")) + "\n");
    let job = JobFile::get("{{ url }}").column("twice", "$.twice");
    let job = job.limit("default", "rate = \"100/s\"\nin_flight = 5");
    let scene = Scene::named("deployed", job, "in.csv", input);
    let stack = Stack::deploy(&functions());
    api.respond_only(20);
    let run = stack.submit(&scene, "deployed.toml", "in.csv");
    wait_until("some responses", || api.count() > 20);

    let broken = tempfile::tempdir().unwrap();
    for step in ["preprocess", "worker", "postprocess"] {
        let bootstrap = broken.path().join(step).join("bootstrap");
        fs::create_dir(bootstrap.parent().unwrap()).unwrap();
        fs::write(&bootstrap, "#!/bin/sh\nexit 1\n").unwrap();
        fs::set_permissions(&bootstrap, fs::Permissions::from_mode(0o755)).unwrap();
    }
    stack.update(broken.path());

    // The rest of the run is sent, and its output is merged, by functions of the first deployment.
    api.respond_all();
    stack.run(&scene, &["watch", &run, "-o", "out.csv"]).expect(0);
    let twice = column(&scene.read("out.csv"), "twice");
    assert!((1..=60).all(|n| twice[n - 1] == format!("{n}{n}")), "{twice:?}");

    let report: serde_json::Value = serde_json::from_str(&scene.read("out.report.json")).unwrap();
    for step in ["preprocess", "worker", "postprocess"] {
        let versions = report["versions"][step].as_array().unwrap();
        assert!(
            versions.len() == 1 && versions[0].as_str().unwrap().ends_with("+1"),
            "{}",
            report["versions"]
        );
    }

    // The next run has those of the second.
    stack.put("jobs/deployed/input/later.csv", "url\nhttp://127.0.0.1:9/\n");
    wait_until("the later run ends", || {
        let executions = stack.executions_of("jobs/deployed/input/later.csv");
        executions.iter().any(|execution| *execution.status() == ExecutionStatus::Failed)
    });
    let later = &stack.executions_of("jobs/deployed/input/later.csv")[0];
    assert_eq!(later.error(), Some("Runtime.ExitError"), "{later:?}");
}
