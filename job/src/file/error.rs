//! An error of the job file, with its place.

use std::fmt;
use std::ops::Range;

use crate::error::{ErrorName, StepError};

/// What is wrong with a job file, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobError {
    /// The name of the job file, or of the input.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong and what to do.
    pub message: String,
    /// The line itself.
    pub excerpt: String,
}

impl JobError {
    pub(super) fn at(text: &str, file: &str, span: &Range<usize>, message: impl Into<String>) -> Self {
        let start = (0..=span.start.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        let before = &text[..start];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Self {
            file: file.to_owned(),
            line: before.matches('\n').count() + 1,
            column: text[line_start..start].chars().count() + 1,
            message: message.into(),
            excerpt: text[line_start..].lines().next().unwrap_or_default().to_owned(),
        }
    }
}

impl fmt::Display for JobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, column, message, excerpt } = self;
        write!(f, "{file}:{line}:{column}: {message}")?;
        if excerpt.trim().is_empty() { Ok(()) } else { write!(f, "\n  {line} | {excerpt}") }
    }
}

impl std::error::Error for JobError {}

impl From<JobError> for StepError {
    fn from(error: JobError) -> Self {
        Self::new(ErrorName::JobInvalid, error.to_string())
    }
}
