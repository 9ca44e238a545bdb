//! `http:invoke` (AWS Step Functions Developer Guide, "Call HTTPS APIs in Step Functions workflows"). A connection's
//! credentials are in AWS: here the request goes out without them.

use std::sync::{Arc, Mutex, PoisonError};

use engine::TaskError;
use reqwest::header::HeaderMap;
use serde_json::{Map, Value, json};

const FORM: &str = "application/x-www-form-urlencoded";

/// The last request as it was made (what the client adds by itself, such as `host`, is not in it) and its answer, by the
/// names of TestState's `InspectionData`.
#[derive(Clone, Default)]
pub struct Wire(Arc<Mutex<Map<String, Value>>>);

impl Wire {
    /// `request` and `response`, as far as there were such.
    pub fn seen(&self) -> Map<String, Value> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn sends(&self, request: Value) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Map::from_iter([("request".to_owned(), request)]);
    }

    fn gets(&self, response: Value) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert("response".to_owned(), response);
    }
}

/// Makes the request.
pub(super) async fn invoke(parameters: &Value, wire: &Wire) -> Result<Value, TaskError> {
    let wrong = |what: &str| super::error("States.Http.Runtime", what);
    let text = |name: &str| parameters.get(name).and_then(Value::as_str);
    let endpoint = text("ApiEndpoint").ok_or_else(|| wrong("ApiEndpoint is missing"))?;
    let method = text("Method").unwrap_or("GET");
    let method = method.parse::<reqwest::Method>().map_err(|_| wrong(&format!("{method:?} is no method")))?;
    let mut url = reqwest::Url::parse(endpoint).map_err(|error| wrong(&format!("{endpoint:?}: {error}")))?;
    if let Some(Value::Object(query)) = parameters.get("QueryParameters") {
        for (name, value) in query {
            for value in several(value) {
                url.query_pairs_mut().append_pair(name, &plain(value));
            }
        }
    }
    let mut request = super::client().request(method, url);
    let mut form = false;
    if let Some(Value::Object(headers)) = parameters.get("Headers") {
        for (name, value) in headers {
            form |= name.eq_ignore_ascii_case("content-type") && plain(value).starts_with(FORM);
            request = request.header(name, plain(value));
        }
    }
    request = match parameters.get("RequestBody") {
        None => request,
        Some(Value::Object(fields)) if form => request.body(encode(fields)),
        Some(Value::String(text)) => request.body(text.clone()),
        Some(body) => request.header("content-type", "application/json").body(body.to_string()),
    };
    let request = request.build().map_err(|error| wrong(&job::in_words(&error)))?;
    let protocol = request.url().scheme().to_owned();
    let mut sent = json!({
        "protocol": protocol,
        "method": request.method().as_str(),
        "url": request.url().as_str(),
        "headers": in_brackets(request.headers()),
    });
    if let Some(body) = request.body().and_then(reqwest::Body::as_bytes) {
        sent["body"] = String::from_utf8_lossy(body).into();
    }
    wire.sends(sent);
    let answer = super::client().execute(request).await.map_err(|error| super::error("States.Http.Socket", &job::in_words(&error)))?;
    let status = answer.status();
    let words = status.canonical_reason().unwrap_or_default();
    let shown = in_brackets(answer.headers());
    let mut headers = Map::new();
    for (name, value) in answer.headers() {
        let values = headers.entry(name.as_str()).or_insert_with(|| json!([]));
        if let Value::Array(values) = values {
            values.push(String::from_utf8_lossy(value.as_bytes()).into());
        }
    }
    let body = answer.text().await.map_err(|error| super::error("States.Http.Socket", &job::in_words(&error)))?;
    let answered = json!({ "protocol": protocol, "statusCode": status.as_str(), "statusMessage": words, "headers": shown, "body": body });
    wire.gets(answered);
    if !status.is_success() {
        return Err(super::error(&format!("States.Http.StatusCode.{}", status.as_u16()), &body));
    }
    let body = serde_json::from_str(&body).unwrap_or(Value::String(body));
    Ok(json!({ "Headers": headers, "ResponseBody": body, "StatusCode": status.as_u16(), "StatusText": words }))
}

fn in_brackets(headers: &HeaderMap) -> String {
    let shown: Vec<String> = headers.iter().map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes()))).collect();
    format!("[{}]", shown.join(", "))
}

fn several(value: &Value) -> &[Value] {
    match value {
        Value::Array(values) => values,
        value => std::slice::from_ref(value),
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn encode(fields: &Map<String, Value>) -> String {
    let mut url = reqwest::Url::parse("http://form").expect("it is a URL");
    url.query_pairs_mut().extend_pairs(fields.iter().map(|(name, value)| (name, plain(value))));
    url.query().unwrap_or_default().to_owned()
}
