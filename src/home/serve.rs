//! What functions in other processes find here, where on AWS they find the services of AWS.

use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use tokio_util::task::AbortOnDropHandle;

use super::Home;
use crate::exit::Wrong;
use crate::loopback;
use crate::s3::{self, AccessKey};

/// Where functions ask whether another execution has ended (AWS Step Functions API Reference, "DescribeExecution").
const DESCRIBE_EXECUTION: &str = "AWSStepFunctions.DescribeExecution";

/// Serves the store of a state folder at a port of loopback, until the handle is dropped. Requests must be signed with the
/// AWS credentials of the environment, and for its Region, so that only those who know them can read the folder.
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
    let region = variable("AWS_REGION")
        .or_else(|| variable("AWS_DEFAULT_REGION"))
        .unwrap_or_else(|| "us-east-1".to_owned());
    let router = s3::router(home.service.clone(), AccessKey { id, secret, region })
        .layer(middleware::from_fn(executions));
    loopback::serve(port, router)
        .await
        .map_err(|error| Wrong::new(format!("cannot serve the store: {error}; --s3-port takes another port")))
}

/// Every other execution has ended: this process holds the lock of the state folder.
async fn executions(request: Request, next: Next) -> Response {
    let asked = request.headers().get("x-amz-target").is_some_and(|target| target == DESCRIBE_EXECUTION);
    if asked { axum::Json(json!({ "status": "ABORTED" })).into_response() } else { next.run(request).await }
}
