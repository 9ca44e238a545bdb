//! The embedded S3 for other processes on this machine.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};

use super::{Service, signature};

/// The pair that requests must be signed with: everyone on the machine can reach loopback.
#[derive(Clone)]
pub struct AccessKey {
    /// The id, which is no secret.
    pub id: String,
    /// The secret.
    pub secret: String,
    /// The Region that requests are signed for.
    pub region: String,
}

/// The service as a router, for requests that are signed with this key.
pub fn router(service: Service, key: AccessKey) -> Router {
    let mut builder = S3ServiceBuilder::new(service);
    builder.set_auth(SimpleAuth::from_single(key.id, key.secret));
    let (service, region) = (builder.build(), Arc::<str>::from(key.region));
    Router::new().fallback(move |request: Request| answer(service.clone(), region.clone(), request))
}

async fn answer(service: S3Service, region: Arc<str>, request: Request) -> Response {
    if let Err(refused) = signature::check(&request, &region) {
        return refused.into_response();
    }
    match service.call(request.map(s3s::Body::http_body_unsync)).await {
        Ok(response) => response.map(Body::new).into_response(),
        Err(error) => {
            tracing::warn!(?error, "a request to the embedded S3 could not be answered");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
