//! Stop markers: one object that ends a lane, or a whole run, in one generation.

use job::StepError;
use job::messages::StopMarker;

use crate::run::Run;

/// The reason, when a marker tells this lane to stop.
pub(crate) async fn look(run: &Run, lane: &str) -> Result<Option<String>, StepError> {
    let whole = run.keys.stop_run(run.generation);
    let own = run.keys.stop_lane(run.generation, lane);
    let found = run.objects.list(whole.trim_end_matches(".json")).await?;
    let Some(entry) = found.into_iter().find(|entry| entry.key == whole || entry.key == own) else {
        return Ok(None);
    };
    let marker =
        run.objects.find(&entry.key).await?.and_then(|body| serde_json::from_slice::<StopMarker>(&body).ok());
    let reason = marker.map(|marker| marker.reason).filter(|reason| !reason.is_empty());
    Ok(Some(reason.unwrap_or_else(|| "the run was stopped".to_owned())))
}
