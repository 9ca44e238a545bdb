//! The columns of the output.

use std::collections::HashMap;

use job::Plan;
pub(super) use job::file::OWN_COLUMNS as OWN;

use crate::json;

/// The input's columns, as far as the output has them. A column of the input that has the name of an extracted one, or of
/// our own, is left out: only a JSONL line or an earlier output can bring one, since otherwise it is an error of the job.
pub(super) struct Columns {
    /// In the input's order; `None` for one that is left out.
    pub(super) input: Vec<Option<String>>,
    pub(super) extracted: Vec<String>,
    /// Few enough to be compared one by one.
    taken: Vec<String>,
    by_name: HashMap<String, usize>,
}

impl Columns {
    pub(super) fn new(plan: &Plan) -> Self {
        let taken: Vec<String> =
            plan.extracted.iter().map(String::as_str).chain(OWN).map(str::to_owned).collect();
        let input =
            plan.input.columns.iter().map(|name| (!taken.contains(name)).then(|| name.clone())).collect();
        let by_name =
            plan.input.columns.iter().enumerate().rev().map(|(index, name)| (name.clone(), index)).collect();
        Self { input, extracted: plan.extracted.clone(), taken, by_name }
    }

    /// Whether a key of a JSONL line gives way to a column of the output.
    pub(super) fn is_taken(&self, name: &str) -> bool {
        self.taken.iter().any(|taken| taken == name)
    }

    /// The column of a key of a JSONL line, as it stands there; most lines have the same keys in the same order.
    pub(super) fn index_of(&self, key: &str, guess: usize) -> Option<usize> {
        let key = json::text(key);
        match self.input.get(guess) {
            Some(Some(name)) if *name == key => Some(guess),
            _ => self.by_name.get(key.as_ref()).copied(),
        }
    }

    /// Names of all columns of the output.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let input = self.input.iter().flatten().map(String::as_str);
        input.chain(self.extracted.iter().map(String::as_str)).chain(OWN)
    }
}
