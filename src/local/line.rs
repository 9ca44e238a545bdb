//! One line of an input file.

use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use job::file::{Drawn, Format, OutputFormat};
use job::wire::SKIPPED;
use job::{Item, Job, LineId, Row, StepError};

use super::{Input, now, with_input_path};
use crate::exit::CliError;
use crate::text;

/// A line of an input, as the split of a run makes it.
#[derive(Debug, Clone)]
pub struct InputLine {
    /// The names of its columns; none for JSON.
    pub columns: Arc<[String]>,
    /// Its item as JSON.
    pub item: Vec<u8>,
}

impl InputLine {
    /// Reads line `n` of an input, from 1. What comes after it is not read.
    ///
    /// # Errors
    /// When the input cannot be read or does not have the line.
    pub async fn read(input: &Path, job: &Arc<Job>, n: u64) -> Result<Self, CliError> {
        let Input { name, file, .. } = Input::open(input)?;
        Self::find(file, &name, job, n).await.map_err(|error| match error {
            LineError::Unreadable(error) => CliError::new(with_input_path(&error.message, &name, input)),
            LineError::Missing(lines) => {
                CliError::new(format!("there is no line {n}: {} has {}", input.display(), text::lines(lines)))
            }
        })
    }

    /// Finds line `n`, from 1, in the content of a file of this name.
    ///
    /// # Errors
    /// When the content cannot be read or does not have the line.
    pub async fn find(
        content: impl Read + Send + 'static,
        name: &str,
        job: &Arc<Job>,
        n: u64,
    ) -> Result<Self, LineError> {
        let (job, name) = (job.clone(), name.to_owned());
        let split = move || {
            let mut finder = Finder { n, columns: Arc::from([]), found: None };
            let plan = preprocess::split(content, &job, &name, &mut finder);
            (plan, finder)
        };
        let (plan, finder) = tokio::task::spawn_blocking(split).await.expect("splitting does not panic");
        match finder.found {
            Some(item) => Ok(Self { columns: finder.columns, item }),
            None => Err(plan.map_or_else(LineError::Unreadable, |plan| LineError::Missing(plan.input.lines))),
        }
    }

    /// Its columns and values, or why it makes no request.
    ///
    /// # Errors
    /// The code and the explanation of a line that cannot be read.
    pub fn row(&self) -> Result<Row, String> {
        let item = Item::parse(&self.item).map_err(|error| error.to_string())?;
        if let Some(code) = &item.error {
            let detail = item.detail.as_deref().unwrap_or_default();
            return Err(match detail.strip_prefix("no request: ") {
                Some(why) if code == SKIPPED => why.to_owned(),
                _ => format!("{code}: {detail}"),
            });
        }
        let v = item.v.ok_or("the line has no values")?;
        Row::parse(&self.columns, v)
    }

    /// The line as it is sent alone, with values drawn for it.
    ///
    /// # Errors
    /// As [`InputLine::row`].
    pub fn row_alone(&self, job: &Job, n: u64) -> Result<Arc<Row>, String> {
        // No run has this id, so nothing is taken for a repetition of what a run sends.
        let run = format!("try-{}", uuid::Uuid::new_v4().simple());
        Ok(job.row(self.row()?, || Drawn::new(&run, now(), LineId::nth(n), n)))
    }

    /// The format of the output that a run over this input has.
    ///
    /// # Errors
    /// As [`Job::output_format`].
    pub fn output_format(&self, job: &Job) -> Result<OutputFormat, CliError> {
        let json =
            Item::parse(&self.item).ok().and_then(|item| item.v).is_some_and(|v| v.get().starts_with('{'));
        Ok(job.output_format(if json { Format::Jsonl } else { Format::Csv })?)
    }
}

/// Why a line was not found.
#[derive(Debug)]
pub enum LineError {
    /// The input cannot be read.
    Unreadable(StepError),
    /// The input has only so many lines.
    Missing(u64),
}

/// Ends the split when the line was found.
struct Finder {
    n: u64,
    columns: Arc<[String]>,
    found: Option<Vec<u8>>,
}

impl preprocess::Sink for Finder {
    fn items(&mut self, _lane: &str, items: Vec<u8>) -> io::Result<()> {
        for line in items.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            if Item::parse(line).map_err(io::Error::other)?.n.number() == self.n {
                self.found = Some(line.to_vec());
                return Err(io::Error::other("the line was found"));
            }
        }
        Ok(())
    }

    fn columns(&mut self, columns: &Arc<[String]>) {
        self.columns = columns.clone();
    }
}
