//! Changes of the lanes of a run, which stay in its folder: the run goes on with them after a restart.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use job::file::parse_rate;
use job::run::{FORMAT, read_file};
use job::{Objects, StepError};
use serde::{Deserialize, Serialize};
use serve::{JobsError, LaneChange};
use worker::LaneControl;

use super::unavailable;

/// What was changed of a lane, as it is written.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Changed {
    pub(super) rate: Option<String>,
    #[serde(default)]
    pub(super) paused: bool,
}

impl Changed {
    fn for_worker(&self) -> Result<worker::LaneChange, String> {
        Ok(worker::LaneChange {
            rate: self.rate.as_deref().map(parse_rate).transpose()?,
            paused: self.paused,
        })
    }
}

/// The object that has the changes of all lanes of a run.
#[derive(Default, Serialize, Deserialize)]
struct Written {
    format: u32,
    lanes: HashMap<String, Changed>,
}

/// The changed lanes of a run.
pub(super) struct Lanes {
    objects: Objects,
    key: String,
    pub(super) control: LaneControl,
    changed: Mutex<HashMap<String, Changed>>,
    /// Changes are written one after the other.
    writing: tokio::sync::Mutex<()>,
}

impl Lanes {
    /// Those of a run, which another process may have changed before.
    pub(super) async fn open(objects: Objects, key: String) -> Result<Self, StepError> {
        let Written { lanes, .. } = match objects.find(&key).await? {
            Some(written) => read_file(&written, &key, "the changes of lanes")?,
            None => Written::default(),
        };
        let control = LaneControl::default();
        for (lane, change) in &lanes {
            control.change(lane, change.for_worker().unwrap_or_default());
        }
        Ok(Self { objects, key, control, changed: Mutex::new(lanes), writing: tokio::sync::Mutex::default() })
    }

    /// Changes a lane. The change is on disk when this returns.
    pub(super) async fn change(&self, lane: &str, change: LaneChange) -> Result<(), JobsError> {
        let _writing = self.writing.lock().await;
        let mut lanes = self.all().clone();
        let changed = lanes.entry(lane.to_owned()).or_default();
        if let Some(rate) = change.rate {
            changed.rate = rate;
        }
        changed.paused = change.paused.unwrap_or(changed.paused);
        let for_worker = changed.for_worker().map_err(JobsError::Wrong)?;
        let written = Written { format: FORMAT, lanes };
        let text = serde_json::to_vec(&written).expect("the changes of lanes are always JSON");
        self.objects.put(&self.key, text).await.map_err(unavailable)?;
        *self.all() = written.lanes;
        self.control.change(lane, for_worker);
        Ok(())
    }

    /// What was changed of each lane.
    pub(super) fn all(&self) -> MutexGuard<'_, HashMap<String, Changed>> {
        self.changed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
