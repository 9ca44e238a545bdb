//! Stop markers: one object that ends a lane, or a whole run, in one generation.

use job::messages::RunRef;
use job::{Objects, StepError};
use serde::{Deserialize, Serialize};

use crate::context::Context;
use crate::run::Run;

/// What a marker says.
#[derive(Serialize, Deserialize)]
struct Marker {
    #[serde(default)]
    reason: String,
}

/// The reason, when a marker tells this lane to stop.
pub(crate) async fn look(run: &Run, lane: &str) -> Result<Option<String>, StepError> {
    let whole = run.keys.stop_run(run.generation);
    let own = run.keys.stop_lane(run.generation, lane);
    let found = run.objects.list(whole.trim_end_matches(".json")).await?;
    let Some(entry) = found.into_iter().find(|entry| entry.key == whole || entry.key == own) else { return Ok(None) };
    let marker = run.objects.find(&entry.key).await?.and_then(|body| serde_json::from_slice::<Marker>(&body).ok());
    let reason = marker.map(|marker| marker.reason).filter(|reason| !reason.is_empty());
    Ok(Some(reason.unwrap_or_else(|| "the run was stopped".to_owned())))
}

/// Stops a lane; the first reason stands.
pub(crate) async fn place(run: &Run, lane: &str, reason: &str) -> Result<(), StepError> {
    put(&run.objects, &run.keys.stop_lane(run.generation, lane), reason).await
}

/// [`place`], of a run that cannot be read.
pub(crate) async fn place_unread(context: &Context, run: &RunRef, lane: &str, reason: &str) -> Result<(), StepError> {
    put(&Objects::new(context.s3.clone(), &run.bucket), &run.keys().stop_lane(run.generation, lane), reason).await
}

async fn put(objects: &Objects, key: &str, reason: &str) -> Result<(), StepError> {
    let marker = serde_json::to_vec(&Marker { reason: reason.to_owned() }).expect("a marker is plain JSON");
    objects.put_if_absent(key, marker).await?;
    Ok(())
}
