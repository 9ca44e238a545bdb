//! The function `preprocess`: builds its clients once, then answers calls.

use std::sync::Arc;
use std::time::Duration;

use preprocess::{Context, StepFunctions, preprocess};
use tokio_util::sync::CancellationToken;

/// A worker that nobody waits for any more ends its batch of about a minute, and writes what it has.
const SETTLE: Duration = Duration::from_secs(120);
const TURN_WAIT: Duration = Duration::from_secs(15);

#[tokio::main]
async fn main() -> Result<(), lambda::Error> {
    let aws = lambda::aws().await;
    let context = Context {
        s3: lambda::s3(&aws),
        executions: Arc::new(StepFunctions::new(&aws)),
        progress: Arc::new(|_, _| {}),
        now: lambda::now,
        turn_wait: TURN_WAIT,
        settle: SETTLE,
        stop: CancellationToken::new(),
    };
    lambda::serve(async |request, _| preprocess(&context, request).await).await
}
