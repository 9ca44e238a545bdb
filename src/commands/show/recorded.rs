//! What a run has kept of one line: its item, its attempts, and the run that sent it first.

use job::file::Identity;
use job::run::{Opened, damaged, read_file};
use job::store::StorageErrorKind;
use job::wire::{Origins, Tried, line_id};
use job::{Batch, Item, LineId, LineResult, Objects, SegmentKey};
use serde_json::{Value, json};

use crate::exit::CliError;
use crate::text;

/// What a run has kept of a line.
#[derive(Default)]
pub(super) struct Recorded {
    /// The item; `None` after every line of the run has succeeded.
    pub(super) item: Option<Vec<u8>>,
    /// The attempts, oldest first. If the line has succeeded, the last one is its success.
    pub(super) attempts: Vec<Attempt>,
    /// The run that sent the line first, and the line that it was there.
    pub(super) origin: Option<(String, LineId)>,
}

/// An attempt to send the line, or the end of a line that was not sent.
pub(super) struct Attempt {
    tried: Tried,
    /// It succeeded.
    ok: bool,
    /// The identity of the request.
    pub(super) identity: Option<Identity>,
    /// The values of the columns as JSON.
    pub(super) values: Option<Vec<String>>,
}

impl Recorded {
    /// Reads what is kept of a line.
    ///
    /// # Errors
    /// When the store cannot be read, or the run's folder is damaged.
    pub(super) async fn read(objects: &Objects, opened: &Opened, n: LineId) -> Result<Self, CliError> {
        for lane in &opened.plan.lanes {
            let before = lane.batches.partition_point(|batch| batch.first <= n);
            let Some(batch) = before.checked_sub(1).map(|at| lane.batches[at]) else { continue };
            let mut recorded =
                Self { item: item(objects, opened, &lane.name, batch, n).await?, ..Self::default() };
            recorded.read_results(objects, &opened.keys.batch_results(&lane.name, batch.first), n).await?;
            if recorded.item.is_some() || !recorded.attempts.is_empty() {
                return Ok(recorded);
            }
        }
        Ok(Self::default())
    }

    /// Reads the results of a batch's folder, whose names are in the order in which they were written.
    async fn read_results(&mut self, objects: &Objects, prefix: &str, n: LineId) -> Result<(), CliError> {
        for entry in objects.list(prefix).await? {
            if entry.key.ends_with(job::keys::ORIGINS) {
                let origins: Origins =
                    read_file(&objects.get(&entry.key).await?, &entry.key, "the origins of lines")?;
                let origin = origins.lines.into_iter().find(|origin| origin.n == n);
                self.origin = origin.map(|origin| (origin.run, origin.line));
            }
            let Some(SegmentKey::Results { .. }) = SegmentKey::parse(&entry.key) else { continue };
            let body = objects.get(&entry.key).await?;
            let lines = body.split(|byte| *byte == b'\n');
            for line in lines.filter(|line| line_id(line) == Some(n)) {
                let result = LineResult::parse(line).map_err(|error| damaged(&entry.key, error))?;
                self.add(result);
            }
        }
        // The first success counts, and nothing is sent after it.
        if let Some(success) = self.attempts.iter().position(|attempt| attempt.ok) {
            self.attempts.truncate(success + 1);
        }
        Ok(())
    }

    fn add(&mut self, result: LineResult<'_>) {
        let identity = result.id;
        let earlier = result.earlier.iter().cloned();
        self.attempts.extend(earlier.map(|tried| Attempt { tried, ok: false, identity, values: None }));
        let ok = result.ok();
        if ok && result.tries == 0 && identity.is_none() {
            // The line makes no request.
            return;
        }
        let tried = Tried {
            t: result.t,
            ms: result.ms,
            status: result.status,
            error: result.error.map(Into::into).unwrap_or_default(),
            detail: result.detail.map(Into::into).unwrap_or_default(),
        };
        let values = result.v.map(|values| values.iter().map(|value| value.get().to_owned()).collect());
        self.attempts.push(Attempt { tried, ok, identity, values });
    }
}

/// The item of a line; `None` if the batch does not have it, or the items were removed.
async fn item(
    objects: &Objects,
    opened: &Opened,
    lane: &str,
    batch: Batch,
    n: LineId,
) -> Result<Option<Vec<u8>>, CliError> {
    let key = opened.keys.items(lane);
    let items = match objects.get_range(&key, batch.from, batch.to).await {
        Ok(items) => items,
        Err(error) if error.kind == StorageErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    for line in items.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let item = Item::parse(line).map_err(|error| damaged(&key, error))?;
        if item.n == n {
            return Ok(Some(line.to_vec()));
        }
    }
    Ok(None)
}

impl Attempt {
    /// One line of text.
    pub(super) fn in_words(&self) -> String {
        let Tried { t, ms, status, error, detail } = &self.tried;
        let when = if *t == 0 { String::new() } else { format!("{}  ", text::moment(*t)) };
        let status = if *status == 0 { "no response".to_owned() } else { status.to_string() };
        let end = if self.ok { "succeeded".to_owned() } else { format!("{error}: {detail}") };
        format!("{when}{status} after {ms} ms  {end}")
    }

    /// One JSON object.
    pub(super) fn json(&self) -> Value {
        let Tried { t, ms, status, error, detail } = &self.tried;
        let some = |text: &String| (!text.is_empty()).then(|| text.clone());
        json!({
            "ok": self.ok, "at": text::moment(*t), "ms": ms, "status": status, "error": some(error), "error_detail": some(detail),
        })
    }
}
