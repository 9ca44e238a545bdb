//! `where` of the job: which lines make a request.

use std::sync::Arc;

use job::file::Drawn;
use job::file::secrets::Secrets;
use job::file::template::Template;
use job::{Code, Job, LineId, Row};
use serde_json::value::RawValue;

use super::records::LineError;

/// Decides for each line of a job with `where` whether it makes a request.
pub(super) struct Wanted {
    job: Arc<Job>,
    template: Template,
    secrets: Arc<Secrets>,
}

impl Wanted {
    /// `None` for a job whose lines all make a request.
    pub(super) fn of(job: &Arc<Job>) -> Option<Self> {
        let template = job.input.wanted.clone()?;
        Some(Self { job: job.clone(), template, secrets: Arc::default() })
    }

    /// Whether line `n` with this value makes a request.
    ///
    /// # Errors
    /// The expression cannot be evaluated for the line.
    pub(super) fn has(&self, n: u64, columns: &Arc<[String]>, value: &[u8]) -> Result<bool, LineError> {
        let unread = |error: String| LineError::new(Code::Parse, error);
        let raw: &RawValue = serde_json::from_slice(value).map_err(|error| unread(error.to_string()))?;
        let row = row(&self.job, n, Row::parse(columns, raw).map_err(unread)?);
        let rendered = self.template.render(&row, &self.secrets);
        let rendered = rendered.map_err(|error| LineError::new(Code::Render, format!("where: {error}")))?;
        Ok(!rendered.is_empty())
    }
}

/// The row of a line before the run knows who sends it first: of what is drawn, only the number counts.
pub(super) fn row(job: &Job, n: u64, row: Row) -> Arc<Row> {
    job.row(row, || Drawn::new("", 0, LineId::nth(n), n))
}
