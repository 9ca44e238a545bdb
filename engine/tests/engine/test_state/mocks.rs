//! Mocks of Tasks, Maps and Parallels.

use serde_json::{Value, json};

use super::{alone, merged, mock, task};

#[test]
fn mocked_map_shows_its_numbers() {
    let processor =
        |mode: Value| merged(mode, json!({"StartAt": "I", "States": {"I": {"Type": "Pass", "End": true}}}));
    let distributed = json!({"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}});
    let map = json!({
        "Type": "Map", "ItemsPath": "$.items", "MaxConcurrency": 2, "ToleratedFailurePercentage": 40,
        "ItemProcessor": processor(distributed), "End": true
    });
    let failed = |count: u64| json!({"input": "{\"items\": [1, 2]}", "stateConfiguration": {"mapIterationFailureCount": count}});
    let expected = json!({
        "input": {"items": [1, 2]}, "afterInputPath": {"items": [1, 2]}, "afterItemsPath": [1, 2], "maxConcurrency": 2,
        "toleratedFailurePercentage": 40.0, "afterResultSelector": [3, 4], "afterResultPath": [3, 4]
    });
    let done = alone(map.clone(), merged(failed(0), mock(json!([3, 4]))));
    assert_eq!((&done["output"], &done["inspectionData"]), (&json!([3, 4]), &expected));
    let over = alone(map.clone(), merged(failed(1), mock(json!([3, 4]))));
    assert_eq!(over["error"], "States.ExceedToleratedFailureThreshold");
    let no_items = alone(map, mock(json!([])));
    assert_eq!(no_items["error"], "States.Runtime");
}

#[test]
fn mocked_parallel_has_a_result_per_branch() {
    let branch = json!({"StartAt": "I", "States": {"I": {"Type": "Pass", "End": true}}});
    let state = json!({"Type": "Parallel", "Branches": [branch], "ResultPath": "$.r", "End": true});
    assert_eq!(alone(state, mock(json!([1])))["output"], json!({"r": [1]}));
}

#[test]
fn impossible_mocks_are_refused() {
    let branch = json!({"StartAt": "I", "States": {"I": {"Type": "Pass", "End": true}}});
    let parallel = json!({"Type": "Parallel", "Branches": [branch], "End": true});
    let map = json!({"Type": "Map", "ItemProcessor": branch, "End": true});
    for (state, request, message) in [
        (
            json!({"Type": "Pass", "End": true}),
            mock(json!(1)),
            "State type 'Pass' is not supported when a mock is specified",
        ),
        (task(json!({})), json!({"mock": {"result": "{"}}), "Mocked result must be valid JSON"),
        (
            task(json!({})),
            merged(mock(json!(1)), json!({"revealSecrets": true})),
            "TestState does not support RevealSecrets when a mock is specified.",
        ),
        (parallel.clone(), mock(json!({})), "Mocked result must be an array."),
        (
            parallel,
            mock(json!([1, 2])),
            "Mocked result must contain the same number of items as number of Parallel branches.",
        ),
        (map.clone(), mock(json!(1)), "Mocked result must be an array."),
        (
            map,
            json!({"stateConfiguration": {"mapIterationFailureCount": 1}}),
            "TestState does not support MapIterationFailureCount when a mock is not specified.",
        ),
    ] {
        assert_eq!(alone(state, request), json!(["ValidationException", message]));
    }
    let both = json!({"mock": {"result": "1", "errorOutput": {"error": "E"}}});
    let message = "A test mock should have only one of the following fields: [result, errorOutput].";
    assert_eq!(alone(task(json!({})), both), json!(["ValidationException", message]));
}

#[test]
fn mocked_result_is_checked_against_the_service() {
    let state = |resource: &str| task(json!({"Resource": format!("arn:aws:states:::{resource}")}));
    let said = |resource: &str, result: Value, mode: &str| {
        let request = json!({"mock": {"result": result.to_string(), "fieldValidationMode": mode}});
        let answer = alone(state(resource), request);
        answer[1]
            .as_str()
            .map(|message| message.trim_start_matches("Mock result schema validation error: ").to_owned())
    };
    let missing = Some("Required field 'ExecutionArn' is missing".to_owned());
    assert_eq!(said("states:startExecution", json!({}), "STRICT"), missing);
    assert_eq!(said("states:startExecution", json!({}), "PRESENT"), None);
    assert_eq!(
        said("states:startExecution", json!({"StartDate": 1}), "PRESENT").unwrap(),
        "Field 'StartDate' must be a string"
    );
    assert_eq!(said("states:startExecution", json!({"StartDate": 1}), "NONE"), None);
    assert_eq!(said("states:startExecution.sync:2", json!({}), "STRICT"), None);
    assert_eq!(said("lambda:invoke", json!({"more": 1, "Payload": [1]}), "STRICT"), None);
    assert_eq!(
        said("aws-sdk:s3:getObject", json!({"StorageClass": "Shelf"}), "STRICT").unwrap(),
        "Field 'StorageClass' is not an expected value"
    );
    assert_eq!(
        said("events:putEvents", json!({"Entries": [{"EventId": 1}]}), "STRICT").unwrap(),
        "Field 'EventId' must be a string"
    );
    let memory = |size: u64| {
        said("aws-sdk:lambda:getFunction", json!({"Configuration": {"MemorySize": size}}), "STRICT")
    };
    assert_eq!(memory(1).unwrap(), "Field 'MemorySize' is less than the minimum value");
    assert_eq!(memory(20_000).unwrap(), "Field 'MemorySize' exceeds the maximum value");
    assert_eq!(memory(512), None);
}
