//! What a format of the output must be able to do.

use job::StepError;
use serde_json::Value;

/// What a format keeps between two calls of the step, as JSON; null for a format that keeps nothing.
pub(crate) type FormatState = Value;

/// Writes the rows of the output in one format. Everything is appended to `out`, whose bytes go to the output
/// in that order.
///
/// The merge calls [`begin`](RowFormat::begin), or [`resume`](RowFormat::resume) if an earlier call has
/// paused; then [`row`](RowFormat::row) for each line; and at last [`finish`](RowFormat::finish) or
/// [`pause`](RowFormat::pause).
pub(super) trait RowFormat: Send {
    /// Writes what comes before the first row.
    fn begin(&mut self, out: &mut Vec<u8>);

    /// Writes a row. A format that groups rows may keep it until a later call.
    fn row(&mut self, out: &mut Vec<u8>, row: &Row<'_>);

    /// Writes what comes after the last row.
    fn finish(&mut self, out: &mut Vec<u8>);

    /// Writes all rows that are kept, and returns what [`RowFormat::resume`] needs in another call. A format
    /// with metadata at its end, such as Parquet, returns the metadata of the rows so far.
    fn pause(&mut self, out: &mut Vec<u8>) -> FormatState;

    /// Continues after a pause.
    ///
    /// # Errors
    /// `Run.Damaged` if the state is not one that this format writes; the merge then begins again.
    fn resume(&mut self, state: FormatState) -> Result<(), StepError>;
}

/// One row of the output, before it is written.
pub(super) struct Row<'a> {
    /// The line's fields: a JSON array with one value for each column, or the line's own object.
    pub(super) input: Option<&'a str>,
    /// The lines of the input have their own keys.
    pub(super) keyed: bool,
    pub(super) outcome: Outcome<'a>,
}

/// The values of a line without any.
pub(crate) const NO_VALUES: &str = "[]";

/// The outcome of a line.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Outcome<'a> {
    /// It succeeded with these extracted values, a JSON array.
    Values(&'a str),
    /// It failed, or was not processed. A line that failed may have values, too.
    Failed { code: &'a str, detail: &'a str, values: &'a str },
    /// It makes no request, for this reason.
    Skipped(&'a str),
}

impl<'a> Outcome<'a> {
    /// The outcome of a line that failed without values.
    pub(crate) fn failed(code: &'a str, detail: &'a str) -> Self {
        Self::Failed { code, detail, values: NO_VALUES }
    }

    /// The extracted values: a JSON array, which is empty for a line that has none.
    pub(super) fn values(self) -> &'a str {
        match self {
            Self::Values(values) | Self::Failed { values, .. } => values,
            Self::Skipped(_) => NO_VALUES,
        }
    }
}
