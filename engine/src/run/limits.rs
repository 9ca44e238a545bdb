//! AWS's limits.

use std::io;

use serde_json::Value;

use crate::error::Failure;

/// Of inputs and outputs, in bytes of JSON.
pub(super) const DATA: usize = 256 * 1024;

/// Fails with `States.DataLimitExceeded` when the value is too large; `who` returned it.
pub(super) fn check(who: &str, value: &Value) -> Result<(), Failure> {
    match size(value) > DATA {
        true => Err(Failure::too_large(who)),
        false => Ok(()),
    }
}

pub(super) fn size(value: &Value) -> usize {
    let mut counter = Counter(0);
    // Counting does not fail.
    let _ = serde_json::to_writer(&mut counter, value);
    counter.0
}

struct Counter(usize);

impl io::Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
