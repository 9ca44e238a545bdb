//! AWS's limits of sizes and times.

use std::io;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::execution::ExecutionType;
use crate::expr::Variables;
use crate::failure::{DATA_LIMIT_EXCEEDED, Failure};
use crate::machine::Machine;
use crate::quotas::MAX_DATA;

/// Fails with `States.DataLimitExceeded` if a value that `who` returned is too large.
pub(super) fn check(who: &str, value: &Value) -> Result<(), Failure> {
    if size(value) > MAX_DATA { Err(Failure::too_large(who)) } else { Ok(()) }
}

/// The longest Express execution.
pub(super) const EXPRESS: Duration = Duration::from_secs(5 * 60);

/// The longest time that an execution may take (AWS Step Functions Developer Guide, "Service quotas").
pub(super) fn duration(machine: &Machine, execution_type: ExecutionType) -> Duration {
    /// The longest Standard execution.
    const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
    let longest = match execution_type {
        ExecutionType::Standard => YEAR,
        ExecutionType::Express => EXPRESS,
    };
    machine.timeout_seconds.map_or(longest, |seconds| Duration::from_secs(seconds.into()).min(longest))
}

/// The largest size of all variables of an execution, in bytes.
const VARIABLES: usize = 10 * 1024 * 1024;

/// Checks the size of the variables that one `Assign` sets, and of all variables together (AWS developer
/// guide, "Passing data between states with variables").
pub(super) fn check_variables(
    state: &str,
    assigned: &Map<String, Value>,
    known: &Variables,
) -> Result<(), Failure> {
    let new: usize = assigned.values().map(size).sum();
    if new > MAX_DATA {
        let cause = format!(
            "The variables that the state '{state}' assigns exceed the maximum number of bytes service limit."
        );
        return Err(Failure::new(DATA_LIMIT_EXCEEDED, cause));
    }
    let mut all = new;
    known.visit(&mut |name, value| {
        if !assigned.contains_key(name) {
            all += size(value);
        }
    });
    if all > VARIABLES {
        Err(Failure::new(
            DATA_LIMIT_EXCEEDED,
            "The variables of the execution exceed the maximum number of bytes service limit.",
        ))
    } else {
        Ok(())
    }
}

pub(super) fn size(value: &Value) -> usize {
    let mut counter = Counter(0);
    // The counter never fails.
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
