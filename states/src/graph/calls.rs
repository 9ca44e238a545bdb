//! What a state does, in words.

use engine::{Pattern, Resource};
use serde_json::Value;

use super::conditions::path;

/// Names of services as their customers know them.
const SERVICES: [(&str, &str); 27] = [
    ("apigateway", "API Gateway"),
    ("athena", "Athena"),
    ("batch", "AWS Batch"),
    ("bedrock", "Bedrock"),
    ("bedrockagent", "Bedrock"),
    ("bedrockruntime", "Bedrock"),
    ("codebuild", "CodeBuild"),
    ("dynamodb", "DynamoDB"),
    ("ecs", "ECS"),
    ("eks", "EKS"),
    ("elasticmapreduce", "EMR"),
    ("emr-containers", "EMR on EKS"),
    ("emr-serverless", "EMR Serverless"),
    ("eventbridge", "EventBridge"),
    ("events", "EventBridge"),
    ("glue", "Glue"),
    ("http", "HTTP"),
    ("kinesis", "Kinesis"),
    ("lambda", "Lambda"),
    ("mediaconvert", "MediaConvert"),
    ("s3", "S3"),
    ("sagemaker", "SageMaker"),
    ("secretsmanager", "Secrets Manager"),
    ("sfn", "Step Functions"),
    ("sns", "SNS"),
    ("sqs", "SQS"),
    ("ssm", "Systems Manager"),
];

/// The fields of a call that name its target, the most telling one first.
const TARGETS: [&str; 16] = [
    "QueueUrl",
    "TopicArn",
    "TableName",
    "StateMachineArn",
    "JobName",
    "ProjectName",
    "TaskDefinition",
    "Bucket",
    "ModelId",
    "SecretId",
    "JobDefinition",
    "Cluster",
    "StreamName",
    "EventBusName",
    "Name",
    "FunctionName",
];

/// What a state does, one line each. The first is its kind.
pub(super) fn lines(state: &Value) -> Vec<String> {
    match state["Type"].as_str().unwrap_or_default() {
        "Task" => task(state),
        "Wait" => vec![format!("Wait {}", wait(state)).trim().to_owned()],
        "Fail" => {
            let error = text(state, "Error").map(|error| format!("Fail: {error}"));
            vec![error.unwrap_or_else(|| "Fail".to_owned())]
        }
        "Succeed" => vec!["Succeed".to_owned()],
        "Map" => map(state),
        "Parallel" => vec!["Parallel: all branches at once".to_owned()],
        other => vec![other.to_owned()],
    }
}

fn task(state: &Value) -> Vec<String> {
    let resource = state["Resource"].as_str().unwrap_or_default();
    let call = if state["Arguments"].is_object() { &state["Arguments"] } else { &state["Parameters"] };
    let (what, pattern) = match Resource::parse(&resource.replace("${AWS::Partition}", "aws")) {
        Some(Resource::Function(arn)) => (format!("Lambda: {}", tail(&arn)), Pattern::RequestResponse),
        Some(Resource::Activity(arn)) => (format!("Activity: {}", tail(&arn)), Pattern::RequestResponse),
        Some(Resource::Service { service, action, pattern }) => {
            (service_call(&service, &action, call), pattern)
        }
        None => (format!("Task: {}", placeholder(resource)), Pattern::RequestResponse),
    };
    let mut lines = vec![what];
    match pattern {
        Pattern::Sync | Pattern::Sync2 => lines.push("and wait until it has ended".to_owned()),
        Pattern::WaitForTaskToken => lines.push("and wait for a reply".to_owned()),
        Pattern::RequestResponse => {}
    }
    lines
}

fn service_call(service: &str, action: &str, call: &Value) -> String {
    let plain = service.strip_prefix("aws-sdk:").unwrap_or(service);
    if plain == "lambda" && action.starts_with("invoke") {
        let function =
            text(call, "FunctionName").map_or_else(String::new, |name| format!(": {}", tail(&name)));
        return format!("Lambda{function}");
    }
    if plain == "states" || plain == "sfn" && action.starts_with("start") {
        let machine =
            text(call, "StateMachineArn").map_or_else(String::new, |arn| format!(": {}", tail(&arn)));
        return format!("State machine{machine}");
    }
    if plain == "http" {
        let method = text(call, "Method").unwrap_or_default();
        let url = text(call, "ApiEndpoint").unwrap_or_default();
        return format!("HTTP: {method} {url}").trim_end().trim_end_matches(':').to_owned();
    }
    let name = SERVICES.iter().find(|(known, _)| *known == plain).map_or_else(
        || plain.chars().take(1).flat_map(char::to_uppercase).chain(plain.chars().skip(1)).collect(),
        |(_, name)| (*name).to_owned(),
    );
    // An expression says less than the state's name.
    let target =
        TARGETS.iter().find_map(|field| text(call, field)).filter(|target| !target.contains(['&', '(']));
    let target = target.map_or_else(String::new, |target| format!(" ({})", tail(&target)));
    format!("{name}: {}{target}", words(action))
}

/// The words of a name such as `sendMessage`.
fn words(name: &str) -> String {
    let mut words = String::new();
    let mut before = ' ';
    for c in name.chars() {
        if c.is_uppercase() && before.is_lowercase() {
            words.push(' ');
        }
        words.extend(c.to_lowercase());
        before = c;
    }
    words
}

/// The end of an ARN or URL that names the thing, without a version. A placeholder is its name.
fn tail(name: &str) -> String {
    if let Some((_, function)) = name.split_once(":function:") {
        return placeholder(function.split(':').next().unwrap_or_default());
    }
    if name.starts_with("${") {
        return placeholder(name);
    }
    let is_address = name.starts_with("arn:") || name.contains("://");
    let end = if is_address { name.rsplit([':', '/']).next().unwrap_or(name) } else { name };
    placeholder(if end.is_empty() { name } else { end })
}

/// A text without the signs of placeholders, and a name without what says only that it is an ARN.
fn placeholder(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, (name, after))) =
        rest.split_once("${").and_then(|(before, after)| Some((before, after.split_once('}')?)))
    {
        plain.push_str(before);
        plain.push_str(name);
        rest = after;
    }
    plain.push_str(rest);
    let plain = plain.strip_suffix(".Arn").unwrap_or(&plain);
    plain.strip_suffix("Arn").filter(|rest| !rest.is_empty()).unwrap_or(plain).to_owned()
}

/// A field as text: as it is written, or the path or expression that computes it.
fn text(fields: &Value, name: &str) -> Option<String> {
    if let Some(value) = fields.get(name) {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        return Some(match value.strip_prefix("{%").and_then(|value| value.strip_suffix("%}")) {
            Some(expression) => expression.trim().replace("$states.input.", ""),
            None => value,
        });
    }
    let computed = fields.get(format!("{name}.$")).or_else(|| fields.get(format!("{name}Path")))?;
    Some(path(computed.as_str()?))
}

fn wait(state: &Value) -> String {
    if let Some(seconds) = text(state, "Seconds") {
        return seconds.parse::<u64>().map_or_else(|_| format!("for {seconds} seconds"), duration);
    }
    text(state, "Timestamp").map_or_else(String::new, |time| format!("until {time}"))
}

fn duration(seconds: u64) -> String {
    let (count, unit) = match seconds {
        0 => (0, "second"),
        _ if seconds.is_multiple_of(86_400) => (seconds / 86_400, "day"),
        _ if seconds.is_multiple_of(3_600) => (seconds / 3_600, "hour"),
        _ if seconds.is_multiple_of(60) => (seconds / 60, "minute"),
        _ => (seconds, "second"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

fn map(state: &Value) -> Vec<String> {
    let distributed = state["ItemProcessor"]["ProcessorConfig"]["Mode"] == "DISTRIBUTED";
    let kind = if distributed { "Distributed Map" } else { "Map" };
    let reader = &state["ItemReader"];
    let source = if reader.is_object() {
        let call = if reader["Arguments"].is_object() { &reader["Arguments"] } else { &reader["Parameters"] };
        let listed = reader["Resource"].as_str().is_some_and(|resource| resource.contains("listObjects"));
        let what = if listed { "object" } else { "item of" };
        let place = text(call, if listed { "Bucket" } else { "Key" });
        place.map_or_else(
            || "item".to_owned(),
            |place| format!("{what} {}", placeholder(&place)).replace("object ", "object in "),
        )
    } else {
        match text(state, "Items") {
            Some(items) => format!("item of {items}"),
            None => "item".to_owned(),
        }
    };
    let mut lines = vec![format!("{kind}: for each {source}")];
    if let Some(most) = text(state, "MaxConcurrency").filter(|most| most != "0") {
        lines.push(if most == "1" {
            "one after the other".to_owned()
        } else {
            format!("at most {most} at once")
        });
    }
    lines
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn states_say_what_they_do() {
        for (state, expected) in [
            (json!({ "Type": "Task", "Resource": "${PayFunctionArn}" }), "Task: PayFunction"),
            (
                json!({ "Type": "Task", "Resource": "arn:aws:lambda:us-east-1:1:function:pay:live" }),
                "Lambda: pay",
            ),
            (
                json!({ "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Parameters": { "FunctionName": "${Pay.Arn}" } }),
                "Lambda: Pay",
            ),
            (
                json!({ "Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken", "Parameters": { "QueueUrl": "https://sqs.us-east-1.amazonaws.com/1/jobs" } }),
                "SQS: send message (jobs)/and wait for a reply",
            ),
            (
                json!({ "Type": "Task", "Resource": "arn:${AWS::Partition}:states:::aws-sdk:dynamodb:getItem", "Arguments": { "TableName": "{% $t %}" } }),
                "DynamoDB: get item ($t)",
            ),
            (
                json!({ "Type": "Task", "Resource": "arn:aws:states:::http:invoke", "Parameters": { "Method": "GET", "ApiEndpoint.$": "$.url" } }),
                "HTTP: GET url",
            ),
            (json!({ "Type": "Wait", "Seconds": 7200 }), "Wait 2 hours"),
            (json!({ "Type": "Wait", "TimestampPath": "$.at" }), "Wait until at"),
            (json!({ "Type": "Fail", "Error": "Bad" }), "Fail: Bad"),
            (
                json!({ "Type": "Map", "ItemsPath": "$.rows", "MaxConcurrency": 5 }),
                "Map: for each item of rows/at most 5 at once",
            ),
        ] {
            assert_eq!(lines(&state).join("/"), expected);
        }
    }
}
