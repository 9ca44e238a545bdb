//! EventBridge Scheduler's API, with requests as AWS's SDKs sign them.

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use serde_json::{Value, json};

use crate::server::{Client, Server};

/// Sends a signed request. Returns the status, the name of the error and the body.
async fn call(client: &Client, method: &str, path: &str, body: Value) -> (u16, String, Value) {
    let url = format!("http://{}{path}", client.address);
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let mut request = http::Request::builder().method(method).uri(&url).body(()).unwrap();
    let host = client.address.to_string();
    request.headers_mut().insert("host", host.parse().unwrap());
    let identity = Credentials::new(&client.id, &client.secret, None, None, "tests").into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region("us-east-1")
        .name("scheduler")
        .time(std::time::SystemTime::now())
        .settings(SigningSettings::default())
        .build()
        .unwrap()
        .into();
    let headers = [("host", host.as_str())].into_iter();
    let signable = SignableRequest::new(method, &url, headers, SignableBody::Bytes(body.as_bytes())).unwrap();
    let (instructions, _) = sign(signable, &params).unwrap().into_parts();
    instructions.apply_to_request_http1x(&mut request);
    let mut sent = reqwest::Client::new().request(method.parse().unwrap(), &url).body(body);
    for (name, value) in request.headers() {
        sent = sent.header(name, value);
    }
    let response = sent.send().await.unwrap();
    let status = response.status().as_u16();
    let error = response.headers().get("x-amzn-errortype").map(|name| name.to_str().unwrap().to_owned());
    let body = response.text().await.unwrap();
    (status, error.unwrap_or_default(), serde_json::from_str(&body).unwrap())
}

fn schedule(expression: &str, machine: &str) -> Value {
    json!({
        "ScheduleExpression": expression,
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "Target": {
            "Arn": machine,
            "RoleArn": "arn:aws:iam::000000000000:role/any",
            "Input": "{\"at\": \"<aws.scheduler.scheduled-time>\", \"from\": \"<aws.scheduler.schedule-arn>\"}",
        },
    })
}

async fn machine(server: &Server) -> String {
    server.machine("m", json!({"StartAt": "A", "States": {"A": {"Type": "Pass", "End": true}}})).await
}

#[tokio::test]
async fn a_schedule_that_is_made_by_the_api_starts_an_execution_once_also_over_a_kill() {
    let server = Server::start();
    let machine = machine(&server).await;
    // A rate begins with the start date.
    let start = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() + 3;
    let mut body = schedule("rate(30 days)", &machine);
    body["StartDate"] = json!(start);
    body["ClientToken"] = json!("token");
    let (status, _, made) = call(&server.client, "POST", "/schedules/monthly", body.clone()).await;
    let arn = "arn:aws:scheduler:us-east-1:000000000000:schedule/default/monthly";
    assert_eq!((status, &made), (200, &json!({"ScheduleArn": arn})));
    let (status, _, again) = call(&server.client, "POST", "/schedules/monthly", body.clone()).await;
    assert_eq!((status, again), (200, made), "the same token is the same call");
    let input = json!({"stateMachineArn": machine});
    let one = |shown: &Value| shown["executions"].as_array().unwrap().len() == 1;
    let listed = server.client.until("it is due", "ListExecutions", input.clone(), one).await;
    let execution = &listed["executions"][0];
    let name = execution["name"].as_str().unwrap();
    assert!(name.starts_with("sched-monthly-"), "{name}");
    let started = server.ended(execution["executionArn"].as_str().unwrap()).await;
    let given: Value = serde_json::from_str(started["input"].as_str().unwrap()).unwrap();
    assert_eq!(given["from"], arn);
    assert!(given["at"].as_str().unwrap().ends_with('Z'), "{given}");

    let server = server.killed_and_started_again();
    let (status, _, shown) = call(&server.client, "GET", "/schedules/monthly", Value::Null).await;
    assert_eq!(status, 200);
    assert_eq!(
        json!([shown["Name"], shown["GroupName"], shown["State"], shown["ActionAfterCompletion"]]),
        json!(["monthly", "default", "ENABLED", "NONE"])
    );
    assert_eq!(shown["ScheduleExpressionTimezone"], "UTC");
    assert_eq!(shown["Target"]["RetryPolicy"]["MaximumEventAgeInSeconds"], 86400);
    assert!(shown["CreationDate"].is_number() && shown.get("ClientToken").is_none(), "{shown}");
    assert!(one(&server.ok("ListExecutions", input).await), "once for a due time");
}

#[tokio::test]
async fn a_schedule_of_one_time_is_deleted_after_it() {
    let server = Server::start();
    let machine = machine(&server).await;
    let soon = time::OffsetDateTime::now_utc() + time::Duration::seconds(2);
    let soon =
        soon.replace_nanosecond(0).unwrap().format(&time::format_description::well_known::Rfc3339).unwrap();
    let mut body = schedule(&format!("at({})", soon.trim_end_matches('Z')), &machine);
    body["ActionAfterCompletion"] = json!("DELETE");
    assert_eq!(call(&server.client, "POST", "/schedules/once", body).await.0, 200);
    let input = json!({"stateMachineArn": machine});
    let one = |shown: &Value| !shown["executions"].as_array().unwrap().is_empty();
    server.client.until("it is due", "ListExecutions", input, one).await;
    let (status, error, gone) = call(&server.client, "GET", "/schedules/once", Value::Null).await;
    assert_eq!((status, error.as_str()), (404, "ResourceNotFoundException"));
    assert_eq!(gone["Message"], "Schedule once does not exist.");
}

#[tokio::test]
async fn schedules_and_groups_are_listed_changed_and_deleted() {
    let server = Server::start();
    let (machine, client) = (machine(&server).await, &server.client);
    let body = schedule("cron(0 6 1 * ? *)", &machine);
    assert_eq!(
        call(client, "POST", "/schedule-groups/eu", json!({"Tags": [{"Key": "a", "Value": "b"}]})).await.0,
        200
    );
    for (name, group) in [("a1", "eu"), ("a2", "eu"), ("b1", "eu"), ("a1", "default")] {
        let mut body = body.clone();
        body["GroupName"] = json!(group);
        assert_eq!(call(client, "POST", &format!("/schedules/{name}"), body).await.0, 200);
    }
    let (_, _, page) =
        call(client, "GET", "/schedules?ScheduleGroup=eu&NamePrefix=a&MaxResults=1", Value::Null).await;
    assert_eq!(page["Schedules"][0]["Name"], "a1");
    let next = page["NextToken"].as_str().unwrap().replace('/', "%2F");
    let path = format!("/schedules?MaxResults=1&NamePrefix=a&NextToken={next}&ScheduleGroup=eu");
    let (_, _, page) = call(client, "GET", &path, Value::Null).await;
    assert_eq!(json!([page["Schedules"][0]["Name"], page["NextToken"]]), json!(["a2", null]), "{page}");

    let mut disabled = body.clone();
    disabled["State"] = json!("DISABLED");
    disabled["GroupName"] = json!("eu");
    disabled["Description"] = json!("not now");
    assert_eq!(call(client, "PUT", "/schedules/a1", disabled.clone()).await.0, 200);
    let (_, _, shown) = call(client, "GET", "/schedules/a1?groupName=eu", Value::Null).await;
    assert_eq!(json!([shown["State"], shown["Description"]]), json!(["DISABLED", "not now"]));
    let mut replaced = body.clone();
    replaced["GroupName"] = json!("eu");
    assert_eq!(call(client, "PUT", "/schedules/a1", replaced).await.0, 200);
    let (_, _, shown) = call(client, "GET", "/schedules/a1?groupName=eu", Value::Null).await;
    assert_eq!(
        json!([shown["State"], shown.get("Description")]),
        json!(["ENABLED", null]),
        "an update replaces all"
    );

    let arn = "arn%3Aaws%3Ascheduler%3Aus-east-1%3A000000000000%3Aschedule-group%2Feu";
    let (status, _, tags) = call(client, "GET", &format!("/tags/{arn}"), Value::Null).await;
    assert_eq!((status, tags), (200, json!({"Tags": [{"Key": "a", "Value": "b"}]})));
    assert_eq!(call(client, "DELETE", "/schedules/b1?groupName=eu", Value::Null).await.0, 200);
    assert_eq!(call(client, "DELETE", "/schedule-groups/eu", Value::Null).await.0, 200);
    let (_, _, left) = call(client, "GET", "/schedules", Value::Null).await;
    assert_eq!(left["Schedules"].as_array().unwrap().len(), 1, "{left}");
    let (_, _, groups) = call(client, "GET", "/schedule-groups", Value::Null).await;
    assert_eq!(groups["ScheduleGroups"][0]["Name"], "default");
    assert_eq!(groups["ScheduleGroups"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn what_is_wrong_or_not_there_is_refused_by_its_name() {
    let server = Server::start();
    let (machine, client) = (machine(&server).await, &server.client);
    let body = schedule("rate(1 day)", &machine);
    assert_eq!(call(client, "POST", "/schedules/one", body.clone()).await.0, 200);
    let with = |pointer: &str, value: Value| {
        let mut body = body.clone();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        body.pointer_mut(parent).unwrap()[name] = value;
        body
    };
    for (path, body, status, said) in [
        ("/schedules/one", body.clone(), 409, "Schedule one already exists."),
        ("/schedules/a%20b", body.clone(), 400, "pattern: ^[0-9a-zA-Z-_.]+$"),
        (
            "/schedules/x",
            with("/ScheduleExpression", json!("cron(0 6 * * * *)")),
            400,
            "Invalid Schedule Expression",
        ),
        (
            "/schedules/x",
            with("/ScheduleExpression", json!("0 6 1 * ? *")),
            400,
            "Invalid Schedule Expression",
        ),
        ("/schedules/x", with("/ScheduleExpressionTimezone", json!("Moon")), 400, "timezone Moon"),
        ("/schedules/x", with("/GroupName", json!("none")), 404, "Schedule group none does not exist."),
        ("/schedules/x", with("/KmsKeyArn", json!("k")), 400, "KmsKeyArn"),
        ("/schedules/x", with("/Target/DeadLetterConfig", json!({})), 400, "DeadLetterConfig"),
        ("/schedules/x", with("/Target/Arn", json!("arn:aws:sqs:us-east-1:0:q")), 400, "no state machine"),
        (
            "/schedules/x",
            with("/FlexibleTimeWindow", json!({"Mode": "FLEXIBLE"})),
            400,
            "MaximumWindowInMinutes",
        ),
        ("/schedules/x", json!({}), 400, "ScheduleExpression"),
        ("/nothing/x", json!({}), 400, "no operation"),
    ] {
        let (found, _, error) = call(client, "POST", path, body).await;
        let message = error["Message"].as_str().unwrap().to_owned();
        assert!(found == status && message.contains(said), "{path}: {found} {message}");
    }
    let forged = client.with_key(&client.id, "0123456789abcdef0123");
    assert_eq!(call(&forged, "GET", "/schedules", Value::Null).await.1, "InvalidSignatureException");
    server.scene.write(
        ".throughline/.serve/keys.toml",
        format!(
            "[[key]]\nid = \"{}\"\nsecret = \"{}\"\nrole = \"admin\"\n[[key]]\nid = \"VIEW\"\nsecret = \"0123456789abcdef\"\nrole = \"viewer\"\n",
            client.id, client.secret
        ),
    );
    let server = server.killed_and_started_again();
    let viewer = server.client.with_key("VIEW", "0123456789abcdef");
    assert_eq!(call(&viewer, "GET", "/schedules/one", Value::Null).await.0, 200);
    let (status, error, _) = call(&viewer, "DELETE", "/schedules/one", Value::Null).await;
    assert_eq!((status, error.as_str()), (403, "AccessDeniedException"));
}
