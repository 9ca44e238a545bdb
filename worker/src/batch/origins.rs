//! The runs that sent the lines of a batch first.

use std::collections::HashMap;

use job::file::Drawn;
use job::run::{began, read_file};
use job::wire;
use job::{LineId, Objects, RunKeys, StepError};

use crate::run::Run;

/// For each line that an earlier run may have sent: that run, and the line that it was then.
#[derive(Debug, Default)]
pub(crate) struct Origins {
    lines: HashMap<LineId, (String, LineId)>,
    /// When these runs began, where the job draws values for its lines.
    began: HashMap<String, u64>,
}

impl Origins {
    /// Reads the object at a key.
    ///
    /// # Errors
    /// `Run.Damaged`, `Run.UnknownFormat`, and errors of the store.
    pub(super) async fn read(objects: &Objects, key: &str) -> Result<Self, StepError> {
        let wire::Origins { lines, .. } = read_file(&objects.get(key).await?, key, "a list of origins")?;
        let lines = lines.into_iter().map(|wire::Origin { n, run, line }| (n, (run, line))).collect();
        Ok(Self { lines, began: HashMap::new() })
    }

    /// Reads when the runs began.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub(crate) async fn read_beginnings(&mut self, run: &Run) -> Result<(), StepError> {
        for (id, _) in self.lines.values() {
            if !self.began.contains_key(id) {
                let keys = RunKeys::new(&run.job_name, id);
                self.began.insert(id.clone(), began(&run.objects, &keys).await?);
            }
        }
        Ok(())
    }

    /// The run that sent a line first, and the line that it was then.
    pub(crate) fn of<'a>(&'a self, run: &'a Run, n: LineId) -> (&'a str, LineId) {
        self.lines.get(&n).map_or((&*run.id, n), |(id, line)| (id, *line))
    }

    /// What the templates of the job draw for a line.
    pub(crate) fn drawn(&self, run: &Run, n: LineId) -> Drawn {
        let (id, line) = self.of(run, n);
        Drawn::new(id, self.began.get(id).copied().unwrap_or(run.began), line, n.number())
    }
}
