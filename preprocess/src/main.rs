//! The function `preprocess`: builds its clients once, then serves calls.

use std::sync::Arc;

use job::Environment;
use job::run::{PreprocessRequest, PreprocessResponse};
use preprocess::{Context, HeldSplits, preprocess};
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> Result<(), lambda::Error> {
    let aws = lambda::aws().await;
    let context = Context {
        s3: lambda::s3(&aws),
        executions: Arc::new(lambda::StepFunctions::new(&aws)),
        progress: Arc::new(|_, _| {}),
        now: Arc::new(lambda::now),
        lease_wait: lambda::LEASE_WAIT,
        environment: Environment::Aws,
        interactive: false,
        check: None,
        held: HeldSplits::default(),
        stop: CancellationToken::new(),
        pause: CancellationToken::new(),
    };
    lambda::serve(async |request: PreprocessRequest, call| {
        let key = request.event.detail.object.key.clone();
        let response = preprocess(&Context { pause: call.pause, ..context.clone() }, request).await;
        if let Ok(PreprocessResponse::Leased { run, .. }) = &response {
            lambda::emit_waiting(&run.job, &run.id);
        }
        response.map_err(|error| error.of_upload(&key))
    })
    .await
}
