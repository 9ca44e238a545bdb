//! Requests and responses as HTTP (Smithy, "AWS restJson1 protocol").

use std::borrow::Cow;

use axum::body::Body;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use percent_encoding::percent_decode_str;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use time::OffsetDateTime;

use super::Scheduler;
use super::groups::DEFAULT;
use crate::api::{self, ApiError};
use crate::audit::Audit;
use crate::keys::{Key, Role};
use crate::sigv4::{SCHEDULER, Verifier};

/// The query of a request.
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    fn of(text: &str) -> Self {
        let decoded =
            |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        Self(
            pairs
                .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
                .map(|(a, b)| (decoded(a), decoded(b)))
                .collect(),
        )
    }

    pub(super) fn get<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        self.all(name).next()
    }

    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn number(&self, name: &str) -> Result<Option<usize>, ApiError> {
        let number = self.get(name).map(str::parse).transpose();
        number.map_err(|_| ApiError::validation(format!("{name} must be a number.")))
    }
}

/// The response to a request that is signed for this service.
pub(crate) async fn respond(
    scheduler: &Scheduler,
    verifier: &Verifier,
    audit: &Audit,
    request: Request<Body>,
) -> Response<Body> {
    let (status, error, body) = match call(scheduler, verifier, audit, request).await {
        Ok(output) => (StatusCode::OK, None, output),
        Err(error) => (error.status, Some(error.code), json!({ "Message": error.message })),
    };
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let error =
        error.map(|error| (HeaderName::from_static("x-amzn-errortype"), HeaderValue::from_static(error)));
    headers.extend(error);
    let id = HeaderValue::try_from(uuid::Uuid::new_v4().to_string());
    headers.extend(id.ok().map(|id| (HeaderName::from_static("x-amzn-requestid"), id)));
    response
}

async fn call(
    scheduler: &Scheduler,
    verifier: &Verifier,
    audit: &Audit,
    request: Request<Body>,
) -> Result<Value, ApiError> {
    let (head, body) = request.into_parts();
    let body = api::read(body).await?;
    let now = OffsetDateTime::now_utc();
    let key = verifier.verify(&head.method, &head.uri, &head.headers, &body, SCHEDULER, now)?;
    let path: Vec<Cow<'_, str>> = head.uri.path().trim_start_matches('/').split('/').map(decoded).collect();
    let path: Vec<&str> = path.iter().map(AsRef::as_ref).collect();
    let operation = operation(&head.method, &path)?;
    allow(key, operation)?;
    let query = Query::of(head.uri.query().unwrap_or_default());
    let done = answer(scheduler, operation, path.get(1).copied().unwrap_or_default(), &query, &body).await;
    let mut members = Map::new();
    members.insert("name".into(), path.get(1).copied().unwrap_or_default().into());
    let error = done.as_ref().map_or_else(|error| error.code, |_| "");
    audit.record(&key.id, operation, &members, error).await?;
    done
}

fn decoded(text: &str) -> Cow<'_, str> {
    percent_decode_str(text).decode_utf8_lossy()
}

fn operation(method: &Method, path: &[&str]) -> Result<&'static str, ApiError> {
    Ok(match (method.as_str(), path) {
        ("POST", ["schedules", _]) => "CreateSchedule",
        ("GET", ["schedules", _]) => "GetSchedule",
        ("PUT", ["schedules", _]) => "UpdateSchedule",
        ("DELETE", ["schedules", _]) => "DeleteSchedule",
        ("GET", ["schedules"]) => "ListSchedules",
        ("POST", ["schedule-groups", _]) => "CreateScheduleGroup",
        ("GET", ["schedule-groups", _]) => "GetScheduleGroup",
        ("DELETE", ["schedule-groups", _]) => "DeleteScheduleGroup",
        ("GET", ["schedule-groups"]) => "ListScheduleGroups",
        ("POST", ["tags", _]) => "TagResource",
        ("DELETE", ["tags", _]) => "UntagResource",
        ("GET", ["tags", _]) => "ListTagsForResource",
        _ => {
            let message = format!("EventBridge Scheduler has no operation {method} /{}", path.join("/"));
            return Err(ApiError::new("UnknownOperationException", message));
        }
    })
}

/// Reading needs the role `viewer`, a change `admin`.
fn allow(key: &Key, operation: &str) -> Result<(), ApiError> {
    let reads = operation.starts_with("Get") || operation.starts_with("List");
    if key.role.may(if reads { Role::Viewer } else { Role::Admin }) {
        return Ok(());
    }
    let message = format!(
        "the key {} has the role {:?}, which is not authorized to perform: scheduler:{operation}",
        key.id,
        key.role.name()
    );
    Err(ApiError { status: StatusCode::FORBIDDEN, ..ApiError::new("AccessDeniedException", message) })
}

async fn answer(
    scheduler: &Scheduler,
    operation: &str,
    name: &str,
    query: &Query,
    body: &[u8],
) -> Result<Value, ApiError> {
    let group = query.get("groupName").unwrap_or(DEFAULT);
    match operation {
        "CreateSchedule" => scheduler.create(name, members(body)?).await,
        "GetSchedule" => scheduler.get(group, name),
        "UpdateSchedule" => scheduler.update(name, members(body)?).await,
        "DeleteSchedule" => scheduler.delete(group, name).await,
        "ListSchedules" => scheduler.list(query),
        "CreateScheduleGroup" => scheduler.create_group(name, members(body)?).await,
        "GetScheduleGroup" => scheduler.get_group(name),
        "DeleteScheduleGroup" => scheduler.delete_group(name).await,
        "ListScheduleGroups" => scheduler.list_groups(query),
        "TagResource" => scheduler.tag(name, members(body)?).await,
        "UntagResource" => scheduler.untag(name, query).await,
        _ => scheduler.tags(name),
    }
}

/// The members of a body. One that this server does not have is refused by its name.
fn members<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    let body = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(body).map_err(|error| {
        ApiError::validation(format!("a member is wrong, missing or not supported by this server: {error}"))
    })
}
