//! What functions in other processes find here, where on AWS they find the services of AWS.

use std::net::{Ipv4Addr, SocketAddr};

use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use tokio_util::task::AbortOnDropHandle;

use super::Home;
use crate::exit::Wrong;
use crate::s3::{self, AccessKey};

/// Where functions ask whether another execution has ended (AWS Step Functions API Reference, "DescribeExecution").
const DESCRIBE_EXECUTION: &str = "AWSStepFunctions.DescribeExecution";

/// Serves the store of a state folder at a port of loopback, until the handle is dropped. Requests must be signed with the
/// AWS credentials of the environment, so that only those who know them can read the folder.
///
/// # Errors
/// When there are no such credentials, or the port is taken.
pub async fn serve(home: &Home, port: u16) -> Result<AbortOnDropHandle<()>, Wrong> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let (Some(id), Some(secret)) = (variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY")) else {
        return Err(Wrong::new(
            "--functions lets other processes read this run: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, to any values, \
             the same here and for the functions",
        ));
    };
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let router = s3::router(home.service.clone(), AccessKey { id, secret }).layer(middleware::from_fn(executions));
    let listener = tokio::net::TcpListener::bind(address).await;
    let listener =
        listener.map_err(|error| Wrong::new(format!("cannot serve the store at {address}: {error}; --s3-port takes another")))?;
    Ok(AbortOnDropHandle::new(tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!(%error, "the store is no longer served");
        }
    })))
}

/// Every other execution has ended: this process holds the lock of the state folder.
async fn executions(request: Request, next: Next) -> Response {
    let asked = request.headers().get("x-amz-target").is_some_and(|target| target == DESCRIBE_EXECUTION);
    if asked { axum::Json(json!({ "status": "ABORTED" })).into_response() } else { next.run(request).await }
}
