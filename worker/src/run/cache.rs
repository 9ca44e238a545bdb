//! The runs that this process works on, so that a batch does not read job, plan and secrets again.

use std::sync::Arc;

use job::StepError;
use job::messages::RunRef;
use tokio::sync::{Mutex, OnceCell};

use super::Run;
use crate::context::Context;

/// Runs kept; the oldest goes.
const MOST: usize = 8;

type Slot = Arc<OnceCell<Arc<Run>>>;

/// Read once each, also when many batches ask at the same time.
#[derive(Default)]
pub(crate) struct RunCache {
    slots: Mutex<Vec<(RunRef, Slot)>>,
}

impl RunCache {
    pub(crate) async fn get(&self, context: &Context, run: &RunRef) -> Result<Arc<Run>, StepError> {
        let slot = self.slot(run).await;
        slot.get_or_try_init(|| async { Run::read(context, run).await.map(Arc::new) }).await.cloned()
    }

    async fn slot(&self, run: &RunRef) -> Slot {
        let mut slots = self.slots.lock().await;
        if let Some((_, slot)) = slots.iter().find(|(known, _)| known == run) {
            return slot.clone();
        }
        if slots.len() == MOST {
            slots.remove(0);
        }
        let slot = Slot::default();
        slots.push((run.clone(), slot.clone()));
        slot
    }
}
