//! Requests and responses as HTTP (Smithy, "AWS JSON 1.0 protocol").

use std::time::{Duration, Instant};

use axum::body::{Body, Bytes, to_bytes};
use http::{HeaderValue, Request, Response, StatusCode, header};
use serde_json::Value;
use time::OffsetDateTime;

use super::{Api, ApiError};
use crate::sigv4::{STATES, Verifier};

const PREFIX: &str = "AWSStepFunctions.";
/// The largest body, in bytes: a definition of 1 MiB with its escapes, and a little around it.
const LARGEST: usize = 4 * 1024 * 1024;
/// How long the body of a request may take.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// The operation that a request names, if it is for this API.
pub(crate) fn operation(request: &Request<Body>) -> Option<&str> {
    request.headers().get("x-amz-target")?.to_str().ok()?.strip_prefix(PREFIX)
}

/// The response to a request for this API; `None` for a request of another service.
pub(crate) async fn respond(
    api: &Api,
    verifier: &Verifier,
    request: Request<Body>,
) -> Result<Response<Body>, Request<Body>> {
    let Some(operation) = operation(&request).map(str::to_owned) else { return Err(request) };
    let begun = Instant::now();
    let result = call(api, verifier, &operation, request).await;
    api.measure(&operation, &result, begun.elapsed());
    let (status, body) = match result {
        Ok(output) => (StatusCode::OK, output),
        Err(error) => (error.status, error.to_json()),
    };
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.0"));
    let id = HeaderValue::try_from(uuid::Uuid::new_v4().to_string());
    headers.extend(id.ok().map(|id| (header::HeaderName::from_static("x-amzn-requestid"), id)));
    Ok(response)
}

async fn call(
    api: &Api,
    verifier: &Verifier,
    operation: &str,
    request: Request<Body>,
) -> Result<Value, ApiError> {
    let (head, body) = request.into_parts();
    let body = read(body).await?;
    let now = OffsetDateTime::now_utc();
    let key = verifier.verify(&head.method, &head.uri, &head.headers, &body, STATES, now)?;
    api.allow(key, operation)?;
    let malformed = |message: String| ApiError::new("SerializationException", message);
    let input = engine::json::from_slice(&body)
        .map_err(|error| malformed(format!("the body is not JSON: {error}")))?;
    match input {
        Value::Object(members) => api.call_as(key, operation, members).await,
        _ => Err(malformed("the body is not a JSON object".into())),
    }
}

/// Reads a body, which must come soon and be of a bounded size.
pub(crate) async fn read(body: Body) -> Result<Bytes, ApiError> {
    let body = tokio::time::timeout(BODY_TIMEOUT, to_bytes(body, LARGEST)).await;
    match body {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(_)) => Err(ApiError {
            status: StatusCode::PAYLOAD_TOO_LARGE,
            ..ApiError::new(
                "RequestEntityTooLargeException",
                format!("the body is not whole, or larger than {LARGEST} bytes"),
            )
        }),
        Err(_) => {
            let seconds = BODY_TIMEOUT.as_secs();
            Err(ApiError::new(
                "RequestTimeoutException",
                format!("the body took longer than {seconds} seconds"),
            ))
        }
    }
}
