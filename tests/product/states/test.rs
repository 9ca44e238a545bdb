//! `states test` of one state.

use serde_json::{Value, json};

use super::{Services, scene, task};

#[test]
fn states_test_shows_every_intermediate_value() {
    let mut definition =
        task("arn:aws:states:::lambda:invoke", &json!({ "FunctionName": "f", "Payload.$": "$.order" }));
    let state = &mut definition["States"]["Do"];
    state["ResultSelector"] = json!({ "id.$": "$.Payload.id" });
    state["ResultPath"] = "$.done".into();
    state["Retry"] = json!([{ "ErrorEquals": ["Busy"], "MaxAttempts": 1 }]);
    state["Catch"] = json!([{ "ErrorEquals": ["Bad"], "Next": "Sorry" }]);
    definition["States"]["Sorry"] = json!({ "Type": "Succeed" });
    let scene = scene(&definition);
    let test = |args: &[&str], code: i32| -> Value {
        let input = "{\"order\": {\"n\": 1}}";
        let ran = scene
            .run(
                &[&["states", "test", "machine.json", "--state", "Do", "--input", input, "--json"], args]
                    .concat(),
            )
            .expect(code);
        serde_json::from_str(&ran.stdout).unwrap()
    };
    let good = test(&["--result", "{\"Payload\": {\"id\": 7}}"], 0);
    assert_eq!(
        (&good["status"], &good["output"]),
        (&json!("SUCCEEDED"), &json!("{\"order\":{\"n\":1},\"done\":{\"id\":7}}"))
    );
    let seen = &good["inspectionData"];
    assert_eq!(seen["afterParameters"], "{\"FunctionName\":\"f\",\"Payload\":{\"n\":1}}");
    assert_eq!(seen["afterResultSelector"], "{\"id\":7}");
    assert_eq!(test(&["--error", "Busy"], 3)["status"], "RETRIABLE");
    assert_eq!(test(&["--error", "Busy", "--retries", "1"], 3)["status"], "FAILED");
    let caught = test(&["--error", "Bad", "--cause", "so", "--level", "info"], 0);
    assert_eq!((&caught["status"], &caught["nextState"]), (&json!("CAUGHT_ERROR"), &json!("Sorry")));
    assert!(caught.get("inspectionData").is_none());
    // Without a mock the function is called.
    let services = Services::start();
    scene.write(
        "one.json",
        json!({ "Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:echo", "End": true }).to_string(),
    );
    let ran = scene
        .run(&[
            "states",
            "test",
            "one.json",
            "--input",
            "{\"a\": 1}",
            "--functions",
            &services.server.url(""),
        ])
        .expect(0);
    assert!(ran.stdout.contains("SUCCEEDED") && ran.stdout.contains("{\"a\":1}"), "{}", ran.stdout);
    let wrong = scene.run(&["states", "test", "machine.json", "--state", "None"]).expect(1);
    assert!(wrong.stderr.contains("State not found"), "{}", wrong.stderr);
}
