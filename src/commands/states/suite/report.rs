//! The result of a suite.

use std::fmt::Write;
use std::time::Duration;

use serde_json::{Value, json};

use super::coverage::Coverage;

/// The result of a case.
pub(super) struct Tested {
    pub(super) name: String,
    pub(super) failures: Vec<String>,
    pub(super) elapsed: Duration,
}

pub(super) struct Report {
    /// The name of the suite's file.
    pub(super) suite: String,
    pub(super) tested: Vec<Tested>,
    pub(super) coverage: Coverage,
}

impl Report {
    pub(super) fn failed(&self) -> usize {
        self.tested.iter().filter(|tested| !tested.failures.is_empty()).count()
    }

    pub(super) fn to_json(&self) -> Value {
        let case = |tested: &Tested| {
            json!({
                "name": tested.name,
                "passed": tested.failures.is_empty(),
                "failures": tested.failures,
                "seconds": tested.elapsed.as_secs_f64(),
            })
        };
        json!({
            "passed": self.tested.len() - self.failed(),
            "failed": self.failed(),
            "cases": self.tested.iter().map(case).collect::<Value>(),
            "coverage": self.coverage.to_json(),
        })
    }

    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for Tested { name, failures, .. } in &self.tested {
            let _ = writeln!(text, "{} {name}", if failures.is_empty() { "ok    " } else { "FAILED" });
            for failure in failures {
                let _ = writeln!(text, "       {failure}");
            }
        }
        let [states, branches] = self.coverage.counts();
        let _ = writeln!(text, "\n{} passed, {} failed", self.tested.len() - self.failed(), self.failed());
        let _ = writeln!(
            text,
            "reached: {} of {} states, {} of {} branches",
            states.0, states.1, branches.0, branches.1
        );
        let [missed_states, missed_branches] = self.coverage.missed();
        for state in missed_states {
            let _ = writeln!(text, "  not reached: the state {state}");
        }
        for branch in missed_branches {
            let _ = writeln!(text, "  not reached: the branch {branch}");
        }
        text
    }
}
