//! How long a run may take on AWS.

use super::{LaneKind, Plan, PlannedLane};
use crate::error::{ErrorName, StepError};

/// Days that the bucket keeps the folder of a run (`RUNS_KEPT` in cdk/lib/storage.ts).
const KEPT: f64 = 180.0;
/// Days that a run may take by its plan. The others are for waits, attempts and a redrive.
const LONGEST: f64 = 150.0;
const SECONDS_A_DAY: f64 = 86_400.0;

impl Plan {
    /// Checks that a run on AWS ends before its results expire.
    ///
    /// # Errors
    /// `Job.Invalid`, with the time that the run would take.
    pub fn check_duration_on_aws(&self) -> Result<(), StepError> {
        let longest = self.lanes.iter().max_by(|a, b| a.seconds.total_cmp(&b.seconds));
        let Some(lane) = longest.filter(|lane| lane.seconds > LONGEST * SECONDS_A_DAY) else { return Ok(()) };
        let message = format!(
            "the {} lines for {} would take {:.0} days at their limit. A run on AWS may take {LONGEST:.0} days, because its results are kept for {KEPT:.0}: divide the file, or raise the limit",
            lane.lines,
            provider(lane),
            (lane.seconds / SECONDS_A_DAY).ceil()
        );
        Err(StepError::new(ErrorName::JobInvalid, message))
    }
}

fn provider(lane: &PlannedLane) -> String {
    match &lane.kind {
        LaneKind::Named { provider } => provider.clone(),
        LaneKind::Hashed => format!("the hosts of the lane {}", lane.name),
    }
}
