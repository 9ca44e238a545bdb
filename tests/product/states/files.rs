//! Files with definitions: placeholders, YAML, and templates of CloudFormation, SAM and CDK.

use serde_json::{Value, json};
use testing::Scene;

use super::{Services, run, scene, task};

fn empty() -> Scene {
    Scene::new("", "none", "")
}

fn json_of(scene: &Scene, args: &[&str], code: i32) -> Value {
    serde_json::from_str(&scene.run(args).expect(code).stdout).unwrap()
}

/// A machine with a placeholder of each kind.
fn placeholders() -> Value {
    json!({ "StartAt": "Call", "States": {
        "Call": {
            "Type": "Task", "Resource": "${FunctionArn}", "TimeoutSeconds": "${Timeout}", "HeartbeatSeconds": 30,
            "Retry": [{ "ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "MaxAttempts": "${Attempts}" }], "Next": "Send"
        },
        "Send": {
            "Type": "Task", "Resource": "arn:${AWS::Partition}:states:::sqs:sendMessage",
            "Parameters": { "QueueUrl": "${QueueUrl}", "MessageBody": "costs ${price}" }, "End": true
        }
    }})
}

#[test]
fn placeholders_are_validated_and_drawn_without_values() {
    let scene = scene(&placeholders());
    let valid = json_of(&scene, &["states", "validate", "machine.json", "--json"], 0);
    assert_eq!(
        (&valid["result"], &valid["placeholders"]),
        (&json!("OK"), &json!(["FunctionArn", "Timeout", "Attempts", "QueueUrl"]))
    );
    let shown = scene.run(&["states", "validate", "machine.json"]).expect(0).stdout;
    assert!(shown.contains("note: no value for ${FunctionArn}") && shown.contains("is valid"), "{shown}");
    let svg = scene.run(&["states", "graph", "machine.json"]).expect(0).stdout;
    assert!(svg.contains(">Task: Function<") && svg.contains("(QueueUrl)"), "{svg}");
    // A value that is wrong is reported.
    let wrong = scene.run(&["states", "validate", "machine.json", "--set", "FunctionArn=no"]).expect(1);
    assert!(wrong.stdout.contains("/States/Call/Resource"), "{}", wrong.stdout);
    // A placeholder for a number need not be quoted.
    let text = placeholders().to_string().replace("\"${Timeout}\"", "${Timeout}");
    scene.write("machine.json", text);
    scene.run(&["states", "validate", "machine.json"]).expect(0);
    scene.run(&["states", "graph", "machine.json"]).expect(0);
}

#[test]
fn tasks_with_placeholders_run_when_they_are_mocked_or_have_values() {
    let services = Services::start();
    let scene = scene(&placeholders());
    let wrong = scene.run(&["states", "run", "machine.json"]).expect(1);
    for part in ["Call: ", "--set FunctionArn=VALUE", "--mocks", "Send: ", "${QueueUrl}"] {
        assert!(wrong.stderr.contains(part), "{part}: {}", wrong.stderr);
    }
    let mocks = json!({
        "StateMachines": { "m": { "TestCases": { "all": { "Call": "R", "Send": "R" }, "one": { "Send": "R" } } } },
        "MockedResponses": { "R": { "0": { "Return": { "ok": true } } } }
    });
    scene.write("mocks.json", mocks.to_string());
    let mocks = ["--mocks", "mocks.json", "--case"];
    assert_eq!(run(&scene, &[&mocks[..], &["m#all"]].concat(), 0)["output"], json!({ "ok": true }));
    let arn = "arn:aws:lambda:us-east-1:123456789012:function:echo";
    let url = services.server.url("");
    let set = format!("FunctionArn={arn}");
    let one = [&mocks[..], &["m#one", "--functions", &url]].concat();
    run(&scene, &[&one[..], &["--set", &set, "--set", "Timeout=60"]].concat(), 0);
    scene.write("values.json", json!({ "FunctionArn": arn, "Timeout": 60, "Attempts": 2 }).to_string());
    run(&scene, &[&one[..], &["--values", "values.json"]].concat(), 0);
    scene.write("values.yaml", format!("FunctionArn: {arn}\n"));
    run(&scene, &[&one[..], &["--values", "values.yaml"]].concat(), 0);
    scene
        .write("values.json", json!([{ "ParameterKey": "FunctionArn", "ParameterValue": "no" }]).to_string());
    run(&scene, &[&one[..], &["--values", "values.json", "--set", &set]].concat(), 0);
    let map = json!({ "StartAt": "Rows", "States": { "Rows": {
        "Type": "Map", "End": true,
        "ItemReader": { "Resource": "arn:aws:states:::s3:getObject", "ReaderConfig": { "InputType": "JSON" }, "Parameters": { "Bucket": "${Bucket}", "Key": "k" } },
        "ItemProcessor": { "ProcessorConfig": { "Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS" }, "StartAt": "A", "States": { "A": { "Type": "Pass", "End": true } } }
    } } });
    scene.write("map.json", map.to_string());
    let wrong = scene.run(&["states", "run", "map.json"]).expect(1);
    assert!(wrong.stderr.contains("Rows: no value for ${Bucket}"), "{}", wrong.stderr);
    let wrong = scene.run(&["states", "run", "machine.json", "--set", "x"]).expect(1);
    assert!(wrong.stderr.contains("NAME=VALUE"), "{}", wrong.stderr);
}

#[test]
fn yaml_definitions_are_read() {
    let scene = empty();
    for name in ["machine.asl.yaml", "machine.yml"] {
        scene.write(
            name,
            "# Says hello.\nQueryLanguage: JSONata\nStartAt: Say\nStates:\n  Say:\n    Type: Pass\n    Output: \"{% 'Hello ' & $states.input.name %}\"\n    Next: End\n  End:\n    Type: Succeed\n",
        );
        scene.run(&["states", "validate", name]).expect(0);
        let ended = json_of(&scene, &["states", "run", name, "-i", "{\"name\": \"you\"}", "--json"], 0);
        assert_eq!(ended["output"], "Hello you");
        let tested = json_of(
            &scene,
            &["states", "test", name, "--state", "Say", "-i", "{\"name\": \"x\"}", "--json"],
            0,
        );
        assert_eq!(tested["output"], "\"Hello x\"");
        scene.run(&["states", "graph", name]).expect(0);
    }
    scene
        .write("wrong.yaml", "StartAt: A\nStates:\n  A:\n    Type: Pass\n    Next: B\n  C:\n    Type: Nap\n");
    let wrong = scene.run(&["states", "validate", "wrong.yaml"]).expect(1).stdout;
    assert!(
        wrong.contains("wrong.yaml:5:5: error: /States/A/Next") && wrong.contains("wrong.yaml:7:5: "),
        "{wrong}"
    );
    let wrong = scene.run(&["states", "run", "wrong.yaml"]).expect(1).stderr;
    assert!(wrong.contains("line 5, column 5"), "{wrong}");
    scene.write("wrong.yaml", "StartAt: [\n");
    assert!(scene.run(&["states", "validate", "wrong.yaml"]).expect(1).stderr.contains("line"));
}

const SAM: &str = r#"
Transform: AWS::Serverless-2016-10-31
Parameters:
  Env: { Type: String, Default: dev }
Resources:
  Worker: { Type: AWS::Serverless::Function }
  Orders:
    Type: AWS::Serverless::StateMachine
    Properties:
      Type: EXPRESS
      DefinitionUri: orders.asl.yaml
      DefinitionSubstitutions:
        WorkerArn: !GetAtt Worker.Arn
        Stage: !Ref Env
  Inline:
    Type: AWS::Serverless::StateMachine
    Properties:
      Definition:
        StartAt: Call
        States:
          Call:
            Type: Task
            Resource: !Sub "${Worker.Arn}:${Env}"
            End: true
  Text:
    Type: AWS::StepFunctions::StateMachine
    Properties:
      DefinitionString: !Sub |
        {"StartAt": "Say", "States": {
          "Say": {"Type": "Pass", "Result": "${Env} in ${AWS::Region}", "End": true}
        }}
"#;

#[test]
fn state_machines_of_a_template_are_named_and_picked_out() {
    let scene = empty();
    scene.write("template.yaml", SAM);
    scene.write(
        "orders.asl.yaml",
        "StartAt: Call\nStates:\n  Call:\n    Type: Task\n    Resource: ${WorkerArn}\n    Next: Say\n  Say:\n    Type: Pass\n    Result: ${Stage}\n    End: true\n",
    );
    let valid = json_of(&scene, &["states", "validate", "template.yaml", "--json"], 0);
    assert_eq!(valid["result"], "OK");
    let machines = valid["machines"].as_object().unwrap();
    assert_eq!(machines.keys().collect::<Vec<_>>(), ["Orders", "Inline", "Text"]);
    assert_eq!(machines["Orders"]["placeholders"], json!(["Worker.Arn"]));
    let shown = scene.run(&["states", "validate", "template.yaml"]).expect(0).stdout;
    assert!(shown.contains("template.yaml#Orders is valid"), "{shown}");
    // One of several is chosen by its logical ID.
    let choose = scene.run(&["states", "run", "template.yaml"]).expect(1).stderr;
    assert!(choose.contains("template.yaml#Text"), "{choose}");
    let ended = json_of(&scene, &["states", "run", "template.yaml#Text", "--json"], 0);
    assert_eq!(ended["output"], "dev in us-east-1");
    let ended = json_of(&scene, &["states", "run", "template.yaml#Text", "--json", "--set", "Env=prod"], 0);
    assert_eq!(ended["output"], "prod in us-east-1");
    let unknown = scene.run(&["states", "graph", "template.yaml#None"]).expect(1).stderr;
    assert!(unknown.contains("Orders, Inline, Text"), "{unknown}");
    scene.run(&["states", "graph", "template.yaml#Inline"]).expect(0);
    let services = Services::start();
    let arn = "Worker.Arn=arn:aws:lambda:us-east-1:123456789012:function:echo";
    let url = services.server.url("");
    let run = ["states", "run", "template.yaml#Orders", "--json", "--set", arn, "--functions", &url];
    assert_eq!(json_of(&scene, &run, 0)["output"], "dev");
    // The type of the template: an Express machine cannot wait for a token.
    let wrong = task(
        "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
        &json!({ "QueueUrl": "q", "MessageBody.$": "$$.Task.Token" }),
    );
    scene.write("orders.asl.yaml", wrong.to_string());
    let shown = scene.run(&["states", "validate", "template.yaml#Orders"]).expect(1).stdout;
    assert!(shown.starts_with("orders.asl.yaml:1:"), "{shown}");
    // Problems are reported at their place in the template.
    scene.write("template.yaml", SAM.replace("            End: true\n", "            Next: None\n"));
    let shown = scene.run(&["states", "validate", "template.yaml#Inline"]).expect(1).stdout;
    assert!(shown.contains("template.yaml:24:13: error: /States/Call/Next"), "{shown}");
}

#[test]
fn template_of_cdk_is_read() {
    let scene = empty();
    let definition = json!({ "Fn::Join": ["", [
        "{\"StartAt\":\"Call\",\"States\":{\"Call\":{\"Type\":\"Task\",\"Resource\":\"arn:",
        { "Ref": "AWS::Partition" },
        ":states:::lambda:invoke\",\"Parameters\":{\"FunctionName\":\"",
        { "Fn::GetAtt": ["Worker12", "Arn"] },
        "\",\"Payload.$\":\"$\"},\"End\":true}}}"
    ]] });
    let template = json!({ "Resources": { "Machine34": { "Type": "AWS::StepFunctions::StateMachine", "Properties": { "DefinitionString": definition } } } });
    scene.write("App.template.json", template.to_string());
    let valid = json_of(&scene, &["states", "validate", "App.template.json", "--json"], 0);
    assert_eq!((&valid["result"], &valid["placeholders"]), (&json!("OK"), &json!(["Worker12.Arn"])));
    // The only machine need not be named.
    scene.run(&["states", "graph", "App.template.json"]).expect(0);
    let child = super::task(
        "arn:aws:states:::states:startExecution.sync:2",
        &json!({ "StateMachineArn": "arn:aws:states:us-east-1:123456789012:stateMachine:child" }),
    );
    scene.write("machine.json", child.to_string());
    let missing = run(&scene, &["--machine", "child=App.template.json#Machine34"], 3);
    assert!(missing["cause"].as_str().unwrap().contains("Worker12.Arn"), "{missing}");
    scene.write("none.json", json!({ "Resources": {} }).to_string());
    assert!(scene.run(&["states", "validate", "none.json"]).expect(1).stderr.contains("no state machine"));
    let s3 = json!({ "Resources": { "M": { "Type": "AWS::StepFunctions::StateMachine", "Properties": { "DefinitionS3Location": {} } } } });
    scene.write("s3.json", s3.to_string());
    assert!(scene.run(&["states", "validate", "s3.json"]).expect(1).stderr.contains("DefinitionUri"));
}
