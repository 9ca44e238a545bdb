//! The formats of the output. This is the only place that chooses one: a new format is a [`RowFormat`] and a
//! row here.
//!
//! One decision about formats is made earlier, when a worker extracts the column `body`: for JSONL it keeps a
//! JSON body as JSON, for other formats as text. It has to be made there, since the body itself is not kept.
//! `job` therefore gives the plan's format to `Extractor::parse` and `Extractor::extract`, and a run cannot
//! change its format after it is planned.

use job::Plan;
use job::file::{OutputFormat, Style};

use super::columns::Columns;
use super::delimited::{Cells, DelimitedRows};
use super::jsonl::JsonlRows;
use super::row_format::RowFormat;

/// The writer of the plan's output format.
pub(super) fn row_format(plan: &Plan, style: Style, dropped: &[String]) -> Box<dyn RowFormat> {
    let columns = Columns::new(plan, dropped);
    match plan.output {
        OutputFormat::Csv => Box::new(DelimitedRows::new(plan, columns, Cells::csv(style))),
        OutputFormat::Tsv => Box::new(DelimitedRows::new(plan, columns, Cells::tsv(style))),
        OutputFormat::Jsonl => Box::new(JsonlRows::new(columns)),
    }
}
