//! Serves the embedded S3 to other processes on this machine.

use std::sync::Arc;

use http::{Request, Response, StatusCode};
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::validation::NameValidation;

use crate::refused::Refused;
use crate::{Service, signature};

/// The key that requests must be signed with, because every process on the machine can reach loopback.
#[derive(Clone)]
pub struct AccessKey {
    /// The id, which is not a secret.
    pub id: String,
    /// The secret.
    pub secret: String,
    /// The Region that requests are signed for.
    pub region: String,
}

/// The names of buckets are checked by the store, which says what is wrong as S3 does.
struct AnyName;

impl NameValidation for AnyName {
    fn validate_bucket_name(&self, name: &str) -> bool {
        !name.is_empty()
    }
}

/// Handles HTTP requests that are signed with a key. Clones share the service.
#[derive(Clone)]
pub struct Server {
    service: S3Service,
    region: Arc<str>,
}

impl Server {
    /// A server of this service.
    pub fn new(service: Service, key: AccessKey) -> Self {
        Self::of_keys(service, key.region.clone(), [key])
    }

    /// A server of this service for requests that are signed with any of several keys, for one Region.
    pub fn of_keys(service: Service, region: String, keys: impl IntoIterator<Item = AccessKey>) -> Self {
        let mut auth = SimpleAuth::new();
        for key in keys {
            auth.register(key.id, key.secret.into());
        }
        let mut builder = S3ServiceBuilder::new(service);
        builder.set_auth(auth);
        builder.set_validation(AnyName);
        Self { service: builder.build(), region: region.into() }
    }

    /// The response to a request. A request without a valid signature is refused.
    pub async fn respond<B>(&self, request: Request<B>) -> Response<s3s::Body>
    where
        B: http_body::Body<Data = bytes::Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
        Box<dyn std::error::Error + Send + Sync>: From<B::Error>,
    {
        let checked =
            signature::check(&request, &self.region).and_then(|()| check_bucket(request.uri().path()));
        if let Err(refused) = checked {
            return refused.into_response();
        }
        match self.service.call(request.map(s3s::Body::http_body_unsync)).await {
            Ok(response) => response,
            Err(error) => {
                tracing::warn!(?error, "the embedded S3 could not respond to a request");
                let mut response = Response::new(s3s::Body::empty());
                *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
                response
            }
        }
    }
}

/// Refuses a name that no bucket can have. The protocol's library does so too, without a message.
fn check_bucket(path: &str) -> Result<(), Refused> {
    let bucket = path.split('/').nth(1).unwrap_or_default();
    if bucket.is_empty() || s3s::path::check_bucket_name(bucket) {
        return Ok(());
    }
    let message = format!(
        "no bucket can have the name {bucket:?}: a name has 3 to 63 lower-case letters, digits, dots and hyphens, and begins and ends with a letter or a digit"
    );
    Err(Refused(StatusCode::BAD_REQUEST, "InvalidBucketName", message))
}
