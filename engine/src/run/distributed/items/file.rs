//! Reads the items of one object.

use std::sync::Arc;

use super::csv::Rows;
use super::decompress::Chunks;
use super::json::Splitter;
use super::lines::Lines;
use super::{Format, ObjectRef, Raw, Step, failed};
use crate::failure::Failure;
use crate::run::Runtime;

pub(super) enum FileReader {
    Text {
        chunks: Chunks,
        parser: Parser,
        ended: bool,
    },
    #[cfg(feature = "parquet")]
    Parquet(Box<super::parquet::Table>),
}

pub(super) enum Parser {
    Json(Splitter),
    Lines(Lines),
    Csv(Rows),
}

impl FileReader {
    pub(super) async fn open(
        runtime: &Arc<Runtime>,
        location: &ObjectRef,
        format: &Format,
    ) -> Result<Self, Failure> {
        let parser = match format {
            Format::Json { pointer } => Parser::Json(Splitter::new(pointer.clone())),
            Format::JsonLines => Parser::Lines(Lines::default()),
            Format::Csv(csv) => Parser::Csv(Rows::new(csv).map_err(failed)?),
            #[cfg(feature = "parquet")]
            Format::Parquet => {
                return Ok(FileReader::Parquet(Box::new(
                    super::parquet::Table::open(runtime, location).await?,
                )));
            }
            #[cfg(not(feature = "parquet"))]
            Format::Parquet => return Err(failed("this build does not read PARQUET")),
        };
        Ok(FileReader::Text { chunks: Chunks::open(runtime, location).await?, parser, ended: false })
    }

    pub(super) async fn next(&mut self) -> Result<Option<Raw>, Failure> {
        match self {
            FileReader::Text { chunks, parser, ended } => loop {
                if *ended {
                    return Ok(None);
                }
                match parser.next().map_err(failed)? {
                    Step::Item(raw) => return Ok(Some(raw)),
                    Step::End => *ended = true,
                    Step::More => match chunks.next().await? {
                        Some(chunk) => parser.push(&chunk),
                        None => {
                            let last = parser.finish().map_err(failed)?;
                            *ended = last.is_none();
                            return Ok(last);
                        }
                    },
                }
            },
            #[cfg(feature = "parquet")]
            FileReader::Parquet(table) => table.next().await,
        }
    }
}

impl Parser {
    fn push(&mut self, chunk: &[u8]) {
        match self {
            Parser::Json(splitter) => splitter.push(chunk),
            Parser::Lines(lines) => lines.push(chunk),
            Parser::Csv(rows) => rows.push(chunk),
        }
    }

    fn next(&mut self) -> Result<Step, String> {
        match self {
            Parser::Json(splitter) => splitter.next(),
            Parser::Lines(lines) => lines.next(),
            Parser::Csv(rows) => rows.next(),
        }
    }

    /// The items that are left after the last chunk; to be called until it returns None.
    fn finish(&mut self) -> Result<Option<Raw>, String> {
        match self {
            Parser::Json(splitter) => splitter.finish().map(|()| None),
            Parser::Lines(lines) => Ok(lines.finish()),
            Parser::Csv(rows) => rows.finish(),
        }
    }
}
