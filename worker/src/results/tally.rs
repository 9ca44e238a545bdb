//! Counts of a batch.

use std::collections::HashMap;

/// Lines with a result, those of earlier calls included.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) ok: u64,
    pub(crate) failed: u64,
    codes: HashMap<String, u64>,
}

impl Tally {
    pub(crate) fn failed(&mut self, code: &str) {
        self.failed += 1;
        match self.codes.get_mut(code) {
            Some(count) => *count += 1,
            None => {
                self.codes.insert(code.to_owned(), 1);
            }
        }
    }

    /// The most frequent code, and how often it occurs; of equals the first by name.
    pub(crate) fn most_frequent(&self) -> Option<(&str, u64)> {
        let counts = self.codes.iter().map(|(code, count)| (code.as_str(), *count));
        counts.max_by(|(a, m), (b, n)| m.cmp(n).then_with(|| b.cmp(a)))
    }
}
