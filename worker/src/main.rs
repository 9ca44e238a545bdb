//! The function `worker`: builds its clients once, then serves calls.

use std::sync::Arc;
use std::time::Duration;

use job::run::{StopResponse, WorkResponse, WorkerRequest};
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use worker::{AwsSecrets, CallMetrics, Context, Settings, SharedLimits, Silent, end_lane, stop, work};

/// The time between two flushes. Each costs a write and two reads now, a read later, and a line in the log.
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
    let settings = Settings { flush_every: FLUSH_EVERY, ..Settings::default() };
    let secrets = Arc::new(AwsSecrets::new(&aws));
    let context =
        Context::new(lambda::s3(&aws), secrets, Arc::new(Silent), settings, CancellationToken::new());
    let shared_limits = SharedLimits {
        executions: Arc::new(lambda::StepFunctions::new(&aws)),
        now: Arc::new(lambda::now),
        lease_wait: lambda::LEASE_WAIT,
    };
    let context = context.with_shared_limits(shared_limits);
    lambda::serve(async |request: WorkerRequest, call| match request {
        WorkerRequest::Work(request) => {
            let metrics = Arc::new(CallMetrics::new(&request.run, &request.lane.name));
            let mut context = context.with_deadline(call.left);
            context.observer = metrics.clone();
            let response = work(&context, request).await;
            if let Ok(WorkResponse::Paused { request, .. }) = &response
                && request.wait.is_some()
            {
                lambda::emit_waiting(&request.run.job, &request.run.id);
            }
            metrics.emit();
            response.map(Response::Work)
        }
        WorkerRequest::Stop(request) => stop(&context, request).await.map(Response::Stop),
        WorkerRequest::EndLane(request) => end_lane(&context, request).await.map(|()| Response::LaneEnded),
    })
    .await
}
