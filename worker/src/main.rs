//! The function `worker`: builds its clients once, then serves calls.

use std::sync::Arc;
use std::time::Duration;

use job::run::{StopResponse, WorkResponse, WorkerRequest};
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use worker::{AwsSecrets, CallMetrics, Context, Settings, SharedLimits, end_lane, stop, work};

/// The time between two flushes. Each costs a write and two reads now, and a read later.
const FLUSH_EVERY: Duration = Duration::from_secs(10);

#[derive(Serialize)]
#[serde(untagged)]
#[expect(clippy::large_enum_variant, reason = "one value per call")]
enum Response {
    Work(WorkResponse),
    Stop(StopResponse),
    /// Null.
    LaneEnded,
}

#[tokio::main]
async fn main() -> Result<(), lambda::Error> {
    let aws = lambda::aws().await;
    let metrics = Arc::new(CallMetrics::default());
    let settings = Settings { flush_every: FLUSH_EVERY, ..Settings::default() };
    let secrets = Arc::new(AwsSecrets::new(&aws));
    let context =
        Context::new(lambda::s3(&aws), secrets, metrics.clone(), settings, CancellationToken::new());
    let shared_limits = SharedLimits {
        executions: Arc::new(lambda::StepFunctions::new(&aws)),
        now: Arc::new(lambda::now),
        lease_wait: lambda::LEASE_WAIT,
    };
    let context = context.with_shared_limits(shared_limits);
    lambda::serve(async |request: WorkerRequest, call| match request {
        WorkerRequest::Work(request) => {
            let (run, lane) = (request.run.clone(), request.lane.name.clone());
            let response = work(&context.with_deadline(call.left), request).await;
            match &response {
                Ok(WorkResponse::Paused { request, .. }) if request.wait.is_some() => {
                    lambda::emit_waiting(&run.job, &run.id);
                }
                _ => metrics.emit(&run, &lane),
            }
            response.map(Response::Work)
        }
        WorkerRequest::Stop(request) => stop(&context, request).await.map(Response::Stop),
        WorkerRequest::EndLane(request) => end_lane(&context, request).await.map(|()| Response::LaneEnded),
    })
    .await
}
