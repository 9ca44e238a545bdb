//! The columns of the output.

use std::collections::HashMap;

use job::Plan;
use job::file::OWN_COLUMNS;
use job::wire::json;
/// The columns of the output: those of the input, the extracted ones, and [`OWN_COLUMNS`]. An input column is left
/// out if the job drops it, or if it has the name of another column of the output. Only a JSONL line or an
/// earlier output can have one: elsewhere it is an error of the job.
pub(super) struct Columns {
    /// The columns of the input in its order; `None` for one that is left out.
    pub(super) input: Vec<Option<String>>,
    pub(super) extracted: Vec<String>,
    /// The names of extracted columns, of [`OWN_COLUMNS`] and of dropped ones: few enough to be compared one by one.
    taken: Vec<String>,
    by_name: HashMap<String, usize>,
}

impl Columns {
    /// `dropped`: the columns of the input that the job leaves out.
    pub(super) fn new(plan: &Plan, dropped: &[String]) -> Self {
        let taken: Vec<String> =
            plan.extracted.iter().map(String::as_str).chain(OWN_COLUMNS).map(str::to_owned).collect();
        let taken: Vec<String> = taken.into_iter().chain(dropped.iter().cloned()).collect();
        let input =
            plan.input.columns.iter().map(|name| (!taken.contains(name)).then(|| name.clone())).collect();
        let by_name =
            plan.input.columns.iter().enumerate().rev().map(|(index, name)| (name.clone(), index)).collect();
        Self { input, extracted: plan.extracted.clone(), taken, by_name }
    }

    /// Whether a key of a JSONL line is left out, since the output has a column of that name.
    pub(super) fn is_taken(&self, name: &str) -> bool {
        self.taken.iter().any(|taken| taken == name)
    }

    /// The column of a key of a JSONL line, given with its escapes. Most lines have the same keys in the same
    /// order, so the key's number is a good `guess`.
    pub(super) fn index_of(&self, key: &str, guess: usize) -> Option<usize> {
        let key = json::text(key);
        match self.input.get(guess) {
            Some(Some(name)) if *name == key => Some(guess),
            _ => self.by_name.get(key.as_ref()).copied(),
        }
    }

    /// The names of all columns of the output.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let input = self.input.iter().flatten().map(String::as_str);
        input.chain(self.extracted.iter().map(String::as_str)).chain(OWN_COLUMNS)
    }
}
