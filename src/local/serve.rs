//! Serves the store and the Step Functions API to functions in other processes. On AWS they would use the
//! services of AWS.

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use net::loopback;
use s3::AccessKey;
use states::api::{self, EndedExecutions};
use tokio_util::task::AbortOnDropHandle;

use super::StateDir;
use crate::exit::CliError;

/// Serves the store of a state folder at a loopback port until the handle is dropped. Requests must be signed
/// for the Region and with the AWS credentials of the environment, so that only processes that know them can
/// read the folder.
///
/// # Errors
/// When there are no such credentials, or the port is taken.
pub async fn serve(state: &StateDir, port: u16) -> Result<AbortOnDropHandle<()>, CliError> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let (Some(id), Some(secret)) = (variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY")) else {
        return Err(CliError::new(
            "--functions lets other processes read this run, so it needs a key: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY \
             to any values, the same ones here and for the functions",
        ));
    };
    let region = variable("AWS_REGION")
        .or_else(|| variable("AWS_DEFAULT_REGION"))
        .unwrap_or_else(|| "us-east-1".to_owned());
    let store = s3::Server::new(state.service.clone(), AccessKey { id, secret, region });
    let router = Router::new().fallback(respond).with_state(store);
    loopback::serve(port, router).await.map_err(|error| {
        CliError::new(format!("cannot serve the store: {error}; --s3-port takes another port"))
    })
}

async fn respond(State(store): State<s3::Server>, request: Request) -> Response {
    if api::is_for(request.headers()) {
        api::respond(&EndedExecutions, request).await
    } else {
        store.respond(request).await.map(Body::new)
    }
}
