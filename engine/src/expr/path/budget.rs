//! The limit of what a path may look at and find.

use std::cell::Cell;

use serde_json::Value;

/// The most values that a path looks at, together with the bytes of texts that it finds. A state has at most
/// 256 KiB of data, so that only a path that multiplies its values needs more.
const MOST: u64 = 1 << 24;

/// What an evaluation of a path may still spend.
#[derive(Debug)]
pub(super) struct Budget(Cell<u64>);

impl Default for Budget {
    fn default() -> Self {
        Self(Cell::new(MOST))
    }
}

impl Budget {
    pub(super) fn spend(&self, cost: usize) {
        self.0.set(self.0.get().saturating_sub(cost as u64));
    }

    /// Spends on a copy of a value.
    pub(super) fn spend_on(&self, value: &Value) {
        if self.is_spent() {
            return;
        }
        self.spend(1);
        match value {
            Value::String(text) => self.spend(text.len()),
            Value::Array(items) => items.iter().for_each(|item| self.spend_on(item)),
            Value::Object(fields) => fields.iter().for_each(|(name, value)| {
                self.spend(name.len());
                self.spend_on(value);
            }),
            _ => {}
        }
    }

    pub(super) fn is_spent(&self) -> bool {
        self.0.get() == 0
    }
}
