//! The permissions of a role, between the SDK's client and the store: a call that the role may not make is
//! refused as S3 refuses it, and every grant remembers whether a call has used it.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};

use aws_sdk_s3::config::http::{HttpRequest, HttpResponse};
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::{HttpClient, RuntimeComponents, SharedHttpClient};
use aws_sdk_s3::primitives::SdkBody;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::http::StatusCode;

use crate::faults::{Operation, key};

/// What a role may do with the objects of these patterns. In a pattern `*` matches any text.
#[derive(Debug, Clone, Default)]
pub struct Access {
    /// Read.
    pub read: Vec<String>,
    /// Write in one request.
    pub write: Vec<String>,
    /// Write in one request or in parts.
    pub upload: Vec<String>,
    /// Delete.
    pub remove: Vec<String>,
    /// List, and be told that a key does not exist.
    pub list: Vec<String>,
}

/// The grants of one role. Clones share what has happened.
#[derive(Clone)]
pub struct Grants(Arc<Shared>);

struct Shared {
    access: Access,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    /// Grants that a call has used.
    used: BTreeSet<String>,
    /// Calls that were refused.
    refused: Vec<String>,
}

impl fmt::Debug for Grants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Grants {:?}", self.0.access)
    }
}

impl Grants {
    /// The grants of a role.
    pub fn new(access: Access) -> Self {
        Self(Arc::new(Shared { access, seen: Mutex::default() }))
    }

    /// A client with this configuration that has these grants and no other.
    pub fn client(&self, config: &aws_sdk_s3::Config) -> aws_sdk_s3::Client {
        let guarded = Guarded { inner: config.http_client().unwrap(), grants: self.clone() };
        let config = config.to_builder().http_client(guarded).retry_config(RetryConfig::disabled());
        aws_sdk_s3::Client::from_conf(config.build())
    }

    /// The calls that were refused.
    pub fn refused(&self) -> Vec<String> {
        self.seen().refused.clone()
    }

    /// The grants that no call has used, each as its kind and its pattern.
    pub fn unused(&self) -> BTreeSet<String> {
        let Access { read, write, upload, remove, list } = &self.0.access;
        let kinds =
            [("read", read), ("write", write), ("upload", upload), ("remove", remove), ("list", list)];
        let all = kinds.iter().flat_map(|(kind, all)| all.iter().map(move |of| format!("{kind} {of}")));
        let used = &self.seen().used;
        all.filter(|grant| !used.contains(grant)).collect()
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.seen.lock().unwrap()
    }

    /// Whether one of these kinds of grants has a pattern for the key.
    fn may(&self, kinds: &[(&str, &Vec<String>)], key: &str) -> bool {
        let patterns = kinds.iter().flat_map(|(kind, patterns)| patterns.iter().map(move |of| (*kind, of)));
        let fit: Vec<String> = patterns
            .filter(|(_, pattern)| fits(pattern, key))
            .map(|(kind, pattern)| format!("{kind} {pattern}"))
            .collect();
        let may = !fit.is_empty();
        self.seen().used.extend(fit);
        may
    }

    fn allows(&self, operation: Operation, key: &str) -> bool {
        let Access { read, write, upload, remove, list } = &self.0.access;
        match operation {
            Operation::Get | Operation::Head => self.may(&[("read", read)], key),
            Operation::List => self.may(&[("list", list)], key),
            Operation::Put => self.may(&[("write", write), ("upload", upload)], key),
            // A condition needs the permission to read too (S3 User Guide, "Conditional writes").
            Operation::PutIf => self.may(&[("write", write)], key) && self.may(&[("read", read)], key),
            Operation::Create | Operation::Part | Operation::Complete | Operation::Abort => {
                self.may(&[("upload", upload)], key)
            }
            Operation::Delete => self.may(&[("remove", remove)], key),
        }
    }
}

/// Whether an IAM pattern fits (IAM User Guide, "StringLike").
fn fits(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((before, after)) => text.strip_prefix(before).is_some_and(|rest| {
            (0..=rest.len()).any(|at| rest.is_char_boundary(at) && fits(after, &rest[at..]))
        }),
    }
}

#[derive(Debug, Clone)]
struct Guarded {
    inner: SharedHttpClient,
    grants: Grants,
}

impl HttpClient for Guarded {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, components);
        SharedHttpConnector::new(Connector { inner, grants: self.grants.clone() })
    }
}

#[derive(Debug, Clone)]
struct Connector {
    inner: SharedHttpConnector,
    grants: Grants,
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (inner, grants) = (self.inner.clone(), self.grants.clone());
        HttpConnectorFuture::new(async move {
            let operation = Operation::of(&request);
            for key in keys(operation, &request) {
                if !grants.allows(operation, &key) {
                    grants.seen().refused.push(format!("{operation:?} {key}"));
                    return Ok(denied());
                }
            }
            let key = key(&request);
            let response = inner.call(request).await?;
            // Only who may list a key is told that it does not exist (S3 API Reference, "GetObject").
            let missing = matches!(operation, Operation::Get | Operation::Head)
                && response.status().as_u16() == 404
                && !grants.may(&[("list", &grants.0.access.list)], &key);
            if missing {
                grants.seen().refused.push(format!("{operation:?} {key}, which does not exist"));
                return Ok(denied());
            }
            Ok(response)
        })
    }
}

/// The keys that a request is about: of a listing its prefix.
fn keys(operation: Operation, request: &HttpRequest) -> Vec<String> {
    let query = request.uri().split_once('?').map_or("", |(_, query)| query);
    let parameter = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    let decoded = |text: &str| text.replace("%2F", "/").replace("%3D", "=").replace("%20", " ");
    match operation {
        Operation::List => vec![decoded(parameter("prefix").unwrap_or_default())],
        Operation::Delete if request.method() == "POST" => {
            let body = String::from_utf8(request.body().bytes().unwrap().to_vec()).unwrap();
            let keys =
                body.split("<Key>").skip(1).map(|rest| rest.split("</Key>").next().unwrap().to_owned());
            keys.collect()
        }
        _ => vec![decoded(&key(request))],
    }
}

fn denied() -> HttpResponse {
    let body =
        "<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>";
    HttpResponse::new(StatusCode::try_from(403).unwrap(), SdkBody::from(body))
}
