//! What is written: the rows, the failed lines, and the objects they go to.

mod cells;
mod columns;
mod csv;
mod csv_row;
mod failed;
mod json_row;
mod rows;
mod sink;
mod tsv;

pub(crate) use rows::{Ending, Rows};
pub(crate) use sink::Sink;
