//! Tells the workers of a lane to stop after the lane has failed.

use job::run::{CaughtError, StopMarker, StopRequest, StopResponse};
use job::text::{excerpt, one_line};
use job::{Objects, StepError};

use crate::context::Context;

/// The name of the error of a lane in which too many batches have failed (Step Functions Developer Guide,
/// "Error names").
const OVER_TOLERANCE: &str = "States.ExceedToleratedFailureThreshold";
/// The maximum number of characters of a cause in a marker.
const CAUSE: usize = 200;

/// Places the stop marker of a lane. Where there is one, its reason stays. Step Functions does not stop the
/// functions of an execution that it aborts: they find the marker at their next flush.
///
/// # Errors
/// When the store fails.
pub async fn stop(context: &Context, request: StopRequest) -> Result<StopResponse, StepError> {
    let StopRequest { run, lane, stopped } = request;
    run.check_format()?;
    let marker = run.keys().stop_lane(run.generation, &lane.name);
    let objects = Objects::new(context.s3.clone(), &run.bucket);
    StopMarker::place(&objects, &marker, &reason(&stopped)).await?;
    Ok(StopResponse { marker })
}

fn reason(CaughtError { error, cause }: &CaughtError) -> String {
    match (error.as_str(), cause.as_str()) {
        (OVER_TOLERANCE, _) => "more of its batches failed than the job tolerates".to_owned(),
        (error, "") => format!("it ended with {error}"),
        (error, cause) => format!("it ended with {error}: {}", excerpt(&one_line(cause), CAUSE)),
    }
}
