//! The function `worker`: builds its clients once, then serves calls.

use std::sync::Arc;
use std::time::Duration;

use job::run::WorkRequest;
use tokio_util::sync::CancellationToken;
use worker::{AwsSecrets, CallMetrics, Context, Settings, work};

/// The time between two flushes. Each costs a write and a list request now, and a read later.
const FLUSH_EVERY: Duration = Duration::from_secs(10);

#[tokio::main]
async fn main() -> Result<(), lambda::Error> {
    let aws = lambda::aws().await;
    let metrics = Arc::new(CallMetrics::default());
    let settings = Settings { flush_every: FLUSH_EVERY, ..Settings::default() };
    let secrets = Arc::new(AwsSecrets::new(&aws));
    let context =
        Context::new(lambda::s3(&aws), secrets, metrics.clone(), settings, CancellationToken::new());
    lambda::serve(async |request: WorkRequest, call| {
        let (run, lane) = (request.run.clone(), request.lane.name.clone());
        let response = work(&context.with_deadline(call.left), request).await;
        metrics.emit(&run, &lane);
        response
    })
    .await
}
