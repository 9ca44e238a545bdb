//! Lines that may have been sent by a worker that then died.

use std::collections::HashSet;

use futures_util::{StreamExt, TryStreamExt, stream};
use job::wire::Intents;
use job::{Invocation, Objects, StepError};

use crate::run::damaged;

/// Lines that an invocation noted as about to be sent and did not mark unsent afterwards, sorted. Most of them have a record.
pub(super) async fn possibly_sent(
    objects: &Objects,
    notes: Vec<(Invocation, String)>,
    fetches: usize,
) -> Result<Vec<u64>, StepError> {
    let mut all = Vec::new();
    let mut noted: HashSet<u64> = HashSet::new();
    let mut by = None;
    let mut fetched = stream::iter(notes)
        .map(|(invocation, key)| async move {
            let notes = objects.get(&key).await?;
            let notes: Intents = serde_json::from_slice(&notes)
                .map_err(|error| damaged(format!("{key} is not a note: {error}")))?;
            Ok::<_, StepError>((invocation, notes))
        })
        .buffered(fetches);
    while let Some((invocation, notes)) = fetched.try_next().await? {
        if by.as_ref() != Some(&invocation) {
            all.extend(noted.drain());
            by = Some(invocation);
        }
        for line in &notes.unsent {
            noted.remove(&line.number());
        }
        noted.extend(notes.sending.iter().map(|line| line.number()));
    }
    all.extend(noted);
    all.sort_unstable();
    all.dedup();
    Ok(all)
}
