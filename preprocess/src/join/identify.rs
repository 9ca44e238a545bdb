//! The identities of the requests of a batch's items.

use std::sync::Arc;

use bytes::Bytes;
use job::file::{Drawn, Identity};
use job::run::damaged;
use job::wire::{Item, line_id, read_item};
use job::{Batch, Job, LineId, Objects, Plan, Row, RunKeys, StepError};
use serde_json::value::RawValue;

/// A run whose items are read.
#[derive(Clone)]
pub(super) struct Items {
    pub(super) objects: Objects,
    pub(super) keys: RunKeys,
    pub(super) job: Arc<Job>,
    columns: Arc<[String]>,
}

impl Items {
    pub(super) fn new(objects: &Objects, keys: RunKeys, job: Arc<Job>, plan: &Plan) -> Self {
        Self { objects: objects.clone(), keys, job, columns: plan.input.columns.clone().into() }
    }

    /// The lines of a batch that make a request, each with its identity: those that `wanted` names. A line
    /// that cannot be rendered is left out, since no request is made for it.
    ///
    /// # Errors
    /// `Run.Damaged`, and errors of the store.
    pub(super) async fn identities(
        &self,
        lane: &str,
        batch: Batch,
        wanted: impl Fn(LineId) -> bool + Send + 'static,
    ) -> Result<Vec<(LineId, Identity)>, StepError> {
        let object = self.keys.items(lane);
        let bytes = self.objects.get_range(&object, batch.from, batch.to).await?;
        if bytes.len() as u64 != batch.to.saturating_sub(batch.from) {
            return Err(damaged(&object, "it ends before the batch does"));
        }
        let Self { job, columns, .. } = self.clone();
        let rendering = tokio::task::spawn_blocking(move || render(&bytes, &job, &columns, wanted));
        rendering.await.expect("rendering does not panic").map_err(|error| damaged(&object, error))
    }
}

fn render(
    bytes: &Bytes,
    job: &Job,
    columns: &Arc<[String]>,
    wanted: impl Fn(LineId) -> bool,
) -> Result<Vec<(LineId, Identity)>, String> {
    let mut identities = Vec::new();
    for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let n = match line_id(line) {
            Some(n) => n,
            None => Item::parse(line).map_err(|error| error.to_string())?.n,
        };
        if !wanted(n) {
            continue;
        }
        let item = read_item(line, n).map_err(|error| error.to_string())?;
        let Some(v) = item.v.filter(|_| item.error.is_none()) else { continue };
        let v: &RawValue = serde_json::from_str(v).map_err(|error| error.to_string())?;
        let Ok(row) = Row::parse(columns, v) else { continue };
        // Of what is drawn, only the line's number is in the identity.
        let row = job.row(row, || Drawn::new("", 0, n, n.number()));
        if let Some(identity) = job.identity(&row) {
            identities.push((n, identity));
        }
    }
    Ok(identities)
}
