//! The output of the merge: rows, failed lines, and the objects they are written to.

mod columns;
mod delimited;
mod failed;
mod format;
mod jsonl;
mod row_format;
mod rows;
mod sink;

pub(crate) use row_format::{FormatState, NO_VALUES, Outcome};
pub(crate) use rows::Rows;
pub(crate) use sink::Sink;
