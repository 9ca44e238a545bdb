//! Retry and Catch.

use serde_json::{Value, json};

use super::{Around, ERROR, Generator, States, What};

impl Generator {
    pub(super) fn recovery(
        &mut self,
        around: Around,
        states: &mut States,
        state: &mut Value,
        what: What,
        next: &str,
        jsonata: bool,
    ) {
        // JSONPath cannot refer to a RetryCount that may be missing, which the ids of inner states need.
        if (what == What::Task || jsonata)
            && self.rng.percent(if what == What::Distributed { 70 } else { 40 })
        {
            let errors = match what {
                What::Distributed => self.rng.one_of(&[
                    "States.ALL",
                    "States.TaskFailed",
                    ERROR,
                    "States.ItemReaderFailed",
                    "States.ResultWriterFailed",
                ]),
                _ => self.rng.one_of(&[
                    "States.ALL",
                    "States.TaskFailed",
                    "States.Timeout",
                    "States.HeartbeatTimeout",
                    ERROR,
                ]),
            };
            let attempts = if what == What::Task { self.rng.below(4) } else { self.rng.below(3) };
            let mut retrier = json!({"ErrorEquals": [errors], "IntervalSeconds": 1 + self.rng.below(3), "MaxAttempts": attempts});
            if self.rng.percent(30) {
                retrier["JitterStrategy"] = "FULL".into();
            }
            state["Retry"] = json!([retrier]);
        }
        let other_errors = what == What::Distributed
            || state.get("TimeoutSeconds").or(state.get("HeartbeatSeconds")).is_some();
        if (around.concurrent && other_errors) || self.rng.percent(55) {
            let handler = self.name("Caught");
            let errors = match what {
                _ if around.concurrent => "States.ALL",
                What::Distributed => {
                    self.rng.one_of(&["States.ALL", "States.ItemReaderFailed", "States.ResultWriterFailed"])
                }
                _ => self.rng.one_of(&["States.ALL", "States.TaskFailed", ERROR]),
            };
            let mut catcher = json!({"ErrorEquals": [errors], "Next": handler});
            if jsonata {
                catcher["Output"] = "{% $merge([$states.input, {'error': $states.errorOutput}]) %}".into()
            } else {
                catcher["ResultPath"] = "$.error".into()
            }
            state["Catch"] = json!([catcher]);
            states.insert(handler, json!({"Type": "Pass", "Next": next}));
        }
    }
}
