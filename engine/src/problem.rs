//! What is wrong with a definition, and where.

use std::fmt;

/// One thing that is wrong with a definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where in the definition: a JSON pointer such as `/States/Work/Next`.
    pub path: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = if self.path.is_empty() { "/" } else { &self.path };
        write!(f, "line {}, column {}: {path}: {}", self.line, self.column, self.message)
    }
}

/// Everything that is wrong with a definition, in the order of the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// The problems, in the order of the text.
    pub fn list(&self) -> &[Problem] {
        &self.0
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.0.iter().enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

/// A place in the text of a definition.
#[derive(Debug, Clone, Default)]
pub(crate) struct Place {
    pub(crate) path: String,
    /// In bytes.
    pub(crate) offset: usize,
}

/// Collects problems while a definition is read and compiled.
pub(crate) struct Report<'t> {
    text: &'t str,
    found: Vec<(usize, Problem)>,
}

impl<'t> Report<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        Report { text, found: Vec::new() }
    }

    pub(crate) fn add(&mut self, at: &Place, message: impl Into<String>) {
        let before = &self.text[..at.offset.min(self.text.len())];
        let line_start = before.rfind('\n').map_or(0, |i| i + 1);
        let problem = Problem {
            path: at.path.clone(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            message: message.into(),
        };
        self.found.push((at.offset, problem));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    pub(crate) fn into_problems(mut self) -> Problems {
        self.found.sort_by_key(|(offset, _)| *offset);
        Problems(self.found.into_iter().map(|(_, problem)| problem).collect())
    }
}
