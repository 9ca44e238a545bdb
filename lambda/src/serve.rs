//! From Lambda's event to a step's request, and from its outcome to what Lambda and Step Functions understand.

use std::pin::Pin;
use std::time::{Duration, SystemTime};

use job::StepError;
use job::run::messages;
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
    /// How long it may still take before Lambda kills it.
    pub left: Duration,
    /// Cancelled when there is just time left to lay aside what was done.
    pub pause: CancellationToken,
}

/// Time to write a checkpoint: a few hundred megabytes, when many lanes are open.
const MARGIN: Duration = Duration::from_secs(60);

/// Answers calls with `step` until the environment is shut down.
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
        let left = left(event.context.deadline, SystemTime::now());
        let call = Call { left, pause: CancellationToken::new() };
        let pause = call.pause.clone();
        let _timer = AbortOnDropHandle::new(tokio::spawn(async move {
            tokio::time::sleep(working_time(left)).await;
            pause.cancel();
        }));
        let answer = match messages::request(event.payload) {
            Ok(request) => boxed(step(request, call)).await,
            Err(error) => {
                error.log();
                Err(error)
            }
        };
        answer
            .map(|response| serde_json::to_value(response).expect("a response is always JSON"))
            .map_err(Failure)
    });
    lambda_runtime::run(handle).await
}

/// The type of a step's future is too deep for the compiler to go through together with the runtime's.
fn boxed<'a, T>(future: impl Future<Output = T> + 'a) -> Pin<Box<dyn Future<Output = T> + 'a>> {
    Box::pin(future)
}

/// `deadline` in milliseconds since 1970.
fn left(deadline: u64, now: SystemTime) -> Duration {
    (SystemTime::UNIX_EPOCH + Duration::from_millis(deadline)).duration_since(now).unwrap_or_default()
}

/// What is left, without the time that a checkpoint takes.
fn working_time(left: Duration) -> Duration {
    left - MARGIN.min(left / 4)
}

/// A step's error on its way to Lambda: `errorType` is what `Retry` and `Catch` match on. By itself the runtime would
/// put the name of a Rust type there.
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
    fn a_call_has_the_time_until_its_deadline() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_millis(10_000);
        assert_eq!(left(12_500, now), Duration::from_millis(2500));
        assert_eq!(left(9_000, now), Duration::ZERO);
    }

    #[test]
    fn a_checkpoint_has_its_time() {
        assert_eq!(working_time(Duration::from_secs(900)), Duration::from_secs(840));
        assert_eq!(working_time(Duration::from_secs(8)), Duration::from_secs(6));
    }

    #[test]
    fn what_is_no_request_is_an_event_that_is_invalid() {
        let error = messages::request::<messages::WorkRequest>(serde_json::json!({ "run": 1 }))
            .expect_err("no request");
        assert_eq!(error.name, ErrorName::EventInvalid);
    }
}
