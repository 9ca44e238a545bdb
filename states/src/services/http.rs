//! `http:invoke` (AWS Step Functions Developer Guide, "Call HTTPS APIs in Step Functions workflows"). The
//! credentials of a connection are on AWS, so the request is sent without them.

mod form;

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use engine::{Resource, TaskCall, TaskError};
use net::guard::{AddressDenied, Guard};
use reqwest::header::HeaderMap;
use serde_json::{Map, Value, json};

use super::{Service, Support};
use crate::Host;
use crate::error::task_error;

const FORM: &str = "application/x-www-form-urlencoded";

/// The last request and its response, with the names of TestState's `InspectionData`. Headers that the client
/// adds by itself, such as `host`, are not included. Clones share it.
#[derive(Clone, Default)]
pub struct Exchange(Arc<Mutex<Map<String, Value>>>);

impl Exchange {
    /// `request` and `response`, if there were any.
    pub fn shown(&self) -> Map<String, Value> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_request(&self, request: Value) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) =
            Map::from_iter([("request".to_owned(), request)]);
    }

    fn set_response(&self, response: Value) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert("response".to_owned(), response);
    }
}

/// HTTP tasks: the client, and the addresses that it may reach. Clones share both.
#[derive(Clone)]
pub struct Http {
    guard: Guard,
    client: reqwest::Client,
    exchange: Exchange,
}

impl Http {
    /// HTTP tasks that may reach public addresses and those in `allow`.
    pub fn new(allow: &[String]) -> Self {
        let guard = Guard::new(allow);
        let client =
            super::http_client_builder().dns_resolver(guard.clone()).build().expect("the settings are sound");
        Self { guard, client, exchange: Exchange::default() }
    }

    /// The last request and its response.
    pub fn exchange(&self) -> &Exchange {
        &self.exchange
    }

    /// Makes the request. A redirect is not followed: the task fails with its status.
    async fn invoke(&self, parameters: &Value) -> Result<Value, TaskError> {
        let request = self.request(parameters)?;
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
        self.exchange.set_request(sent);
        let response = self.client.execute(request).await.map_err(send_error)?;
        let status = response.status();
        let unsupported = unsupported(response.headers());
        let words = status.canonical_reason().unwrap_or_default();
        let shown = in_brackets(response.headers());
        let mut headers = Map::new();
        for (name, value) in response.headers() {
            let values = headers.entry(name.as_str()).or_insert_with(|| json!([]));
            if let Value::Array(values) = values {
                values.push(String::from_utf8_lossy(value.as_bytes()).into());
            }
        }
        let body = super::body(response, "http").await?;
        let text = std::str::from_utf8(&body).is_ok();
        let body = String::from_utf8_lossy(&body).into_owned();
        let shown_response = json!({ "protocol": protocol, "statusCode": status.as_str(), "statusMessage": words, "headers": shown, "body": body });
        self.exchange.set_response(shown_response);
        if !status.is_success() {
            return Err(task_error(&format!("States.Http.StatusCode.{}", status.as_u16()), &body));
        }
        if let Some(kind) = unsupported {
            return Err(invalid(&format!(
                "the response has the content type {kind}, which an HTTP Task cannot read"
            )));
        }
        if !text {
            return Err(invalid("the response body is not text, so an HTTP Task cannot read it"));
        }
        let body = engine::json::from_str(&body).unwrap_or(Value::String(body));
        Ok(
            json!({ "Headers": headers, "ResponseBody": body, "StatusCode": status.as_u16(), "StatusText": words }),
        )
    }

    fn request(&self, parameters: &Value) -> Result<reqwest::Request, TaskError> {
        let text = |name: &str| parameters.get(name).and_then(Value::as_str);
        let endpoint = text("ApiEndpoint").ok_or_else(|| invalid("ApiEndpoint is missing"))?;
        let method = text("Method").ok_or_else(|| invalid("Method is missing"))?;
        if !METHODS.contains(&method) {
            return Err(invalid(&format!(
                "{method:?} is not a method of an HTTP Task; methods: {}",
                METHODS.join(", ")
            )));
        }
        let method =
            method.parse::<reqwest::Method>().map_err(|_| invalid(&format!("{method:?} is not a method")))?;
        let mut url =
            reqwest::Url::parse(endpoint).map_err(|error| invalid(&format!("{endpoint:?}: {error}")))?;
        self.guard.check(&url).map_err(|denied| address_denied(denied.host()))?;
        if let Some(Value::Object(query)) = parameters.get("QueryParameters") {
            for (name, value) in query {
                for value in several(value) {
                    url.query_pairs_mut().append_pair(name, &plain(value));
                }
            }
        }
        let mut request = self.client.request(method, url);
        let mut kind = None;
        if let Some(Value::Object(headers)) = parameters.get("Headers") {
            for (name, value) in headers {
                let lower = name.to_ascii_lowercase();
                if RESERVED.contains(&lower.as_str())
                    || RESERVED_PREFIXES.iter().any(|prefix| lower.starts_with(prefix))
                {
                    return Err(invalid(&format!(
                        "the header {name} is reserved: an HTTP Task cannot send it"
                    )));
                }
                let value = several(value).iter().map(plain).collect::<Vec<_>>().join(", ");
                if lower == "content-type" {
                    kind = Some(value.clone());
                }
                request = request.header(name, value);
            }
        }
        for (name, value) in DEFAULT_HEADERS {
            let given = parameters["Headers"].as_object();
            if !given.is_some_and(|given| given.keys().any(|given| given.eq_ignore_ascii_case(name))) {
                request = request.header(name, value);
            }
        }
        let transform = &parameters["Transform"];
        let encoding = transform["RequestBodyEncoding"].as_str();
        if let Some(encoding) = encoding.filter(|encoding| !["NONE", "URL_ENCODED"].contains(encoding)) {
            return Err(invalid(&format!(
                "{encoding:?} is not a RequestBodyEncoding; encodings: NONE, URL_ENCODED"
            )));
        }
        let form = encoding == Some("URL_ENCODED")
            || encoding.is_none() && kind.as_ref().is_some_and(|kind| kind.starts_with(FORM));
        let arrays = transform["RequestEncodingOptions"]["ArrayFormat"].as_str().unwrap_or("INDICES");
        let (body, default) = match parameters.get("RequestBody") {
            None => return request.build().map_err(|error| invalid(&job::in_words(&error))),
            Some(Value::Object(fields)) if form => (form::encode(fields, arrays)?, FORM),
            Some(Value::String(text)) => (text.clone(), "text/plain"),
            Some(body) => (body.to_string(), "application/json"),
        };
        if kind.is_none() {
            request = request.header("content-type", default);
        }
        request.body(body).build().map_err(|error| invalid(&job::in_words(&error)))
    }
}

#[async_trait]
impl Service for Http {
    fn support(&self, _state: &str, resource: &Resource) -> Support {
        if resource.is("http", "invoke") { Support::Yes } else { Support::No }
    }

    async fn call(&self, _host: &Host, call: &TaskCall) -> Result<Value, TaskError> {
        self.invoke(&call.parameters).await
    }
}

const METHODS: [&str; 7] = ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"];

/// Headers that an HTTP Task cannot send (the guide named above, "HTTP Task fields").
const RESERVED: [&str; 31] = [
    "a-im",
    "accept-charset",
    "accept-datetime",
    "accept-encoding",
    "cache-control",
    "connection",
    "content-encoding",
    "content-length",
    "content-md5",
    "date",
    "expect",
    "forwarded",
    "from",
    "host",
    "http2-settings",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "max-forwards",
    "origin",
    "pragma",
    "proxy-authorization",
    "referer",
    "server",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
];
const RESERVED_PREFIXES: [&str; 4] = ["x-forwarded", "x-amz", "x-amzn", "warning"];

/// Headers that an HTTP Task sends unless the definition has them. The range keeps a response within the largest
/// data of a state.
const DEFAULT_HEADERS: [(&str, &str); 2] =
    [("user-agent", "Amazon|StepFunctions|HttpInvoke|us-east-1"), ("range", "bytes=0-262144")];

/// The content type of a response, if an HTTP Task does not read it (the guide named above, "Unsupported HTTP
/// Task responses").
fn unsupported(headers: &HeaderMap) -> Option<String> {
    let kind = headers.get("content-type")?.to_str().ok()?;
    let plain = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let media = ["image/", "video/", "audio/"].iter().any(|media| plain.starts_with(media));
    (media || plain == "application/octet-stream").then_some(plain)
}

fn invalid(what: &str) -> TaskError {
    task_error("States.Runtime", what)
}

fn address_denied(host: &str) -> TaskError {
    let cause =
        format!("{host} is a private, local or reserved address; --allow {host} lets the machine reach it");
    task_error("States.Http.Socket", &cause)
}

fn send_error(error: reqwest::Error) -> TaskError {
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        if let Some(denied) = cause.downcast_ref::<AddressDenied>() {
            return address_denied(denied.host());
        }
        source = cause.source();
    }
    task_error("States.Http.Socket", &job::in_words(&error))
}

fn in_brackets(headers: &HeaderMap) -> String {
    let shown: Vec<String> = headers
        .iter()
        .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())))
        .collect();
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
