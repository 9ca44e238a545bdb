//! Translates Lambda's event to a step's request, and the step's result to that of the function.

use std::pin::Pin;
use std::time::{Duration, SystemTime};

use job::StepError;
use job::run::{CALL_TIME, messages, working_time};
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::logs;

/// One call of a function.
#[derive(Debug, Clone)]
pub struct Call {
    /// The time until Lambda kills the function.
    pub left: Duration,
    /// Cancelled when there is just enough time left to write a checkpoint.
    pub pause: CancellationToken,
}

/// Handles calls with `step` until the environment is shut down.
///
/// # Errors
/// When the runtime API cannot be reached.
pub async fn serve<Request, Response>(
    step: impl AsyncFn(Request, Call) -> Result<Response, StepError>,
) -> Result<(), lambda_runtime::Error>
where
    Request: DeserializeOwned,
    Response: Serialize,
{
    logs::start();
    let step = &step;
    let handle = service_fn(async move |event: LambdaEvent<Value>| {
        let left = time_of_call(event.context.deadline, SystemTime::now());
        let call = Call { left, pause: CancellationToken::new() };
        let pause = call.pause.clone();
        let _timer = AbortOnDropHandle::new(tokio::spawn(async move {
            tokio::time::sleep(working_time(left)).await;
            pause.cancel();
        }));
        let response = match messages::request(event.payload) {
            Ok(request) => boxed(step(request, call)).await,
            Err(error) => {
                error.log();
                Err(error)
            }
        };
        response
            .map(|response| serde_json::to_value(response).expect("a response is always JSON"))
            .map_err(Failure)
    });
    lambda_runtime::run(handle).await
}

/// Boxes a step's future, because its type together with the runtime's is too deep for the compiler.
fn boxed<'a, T>(future: impl Future<Output = T> + 'a) -> Pin<Box<dyn Future<Output = T> + 'a>> {
    Box::pin(future)
}

/// The time that a call has. An emulator may send no deadline of this kind: then it is the longest that Lambda
/// gives.
fn time_of_call(deadline: u64, now: SystemTime) -> Duration {
    let left = time_left(deadline, now);
    if left.is_zero() { CALL_TIME } else { left }
}

/// The time from `now` to `deadline`, which is in milliseconds since 1970.
fn time_left(deadline: u64, now: SystemTime) -> Duration {
    (SystemTime::UNIX_EPOCH + Duration::from_millis(deadline)).duration_since(now).unwrap_or_default()
}

/// A step's error as an error of the function. `Retry` and `Catch` match on its `errorType`, in which the
/// runtime would otherwise put the name of a Rust type.
#[derive(Debug)]
struct Failure(StepError);

impl From<Failure> for Diagnostic {
    fn from(Failure(error): Failure) -> Self {
        Self { error_type: error.name.as_str().to_owned(), error_message: error.message }
    }
}

#[cfg(test)]
mod tests {
    use job::ErrorName;

    use super::*;

    #[test]
    fn an_error_keeps_its_stable_name() {
        let diagnostic =
            Diagnostic::from(Failure(StepError::new(ErrorName::JobNotFound, "there is no job file")));
        assert_eq!(diagnostic.error_type, "Job.NotFound");
        assert_eq!(diagnostic.error_message, "there is no job file");
    }

    #[test]
    fn time_left_ends_at_the_deadline() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_millis(10_000);
        assert_eq!(time_left(12_500, now), Duration::from_millis(2500));
        assert_eq!(time_left(9_000, now), Duration::ZERO);
        assert_eq!(time_of_call(9_000, now), CALL_TIME);
    }

    #[test]
    fn a_malformed_request_is_an_invalid_event() {
        let error = messages::request::<messages::WorkRequest>(serde_json::json!({ "run": 1 }))
            .expect_err("no request");
        assert_eq!(error.name, ErrorName::EventInvalid);
    }
}
