//! States without others inside.

use serde_json::{Value, json};

use super::{FUNCTION, Generator};

impl Generator {
    pub(super) fn pass(&mut self, jsonata: bool, variable: &str) -> Value {
        let n = self.dice.below(100);
        match (jsonata, self.dice.percent(50)) {
            (true, true) => json!({"Type": "Pass", "Output": {"id": "{% $states.input.id %}", "n": format!("{{% ${variable} %}}")}}),
            (true, false) => json!({"Type": "Pass", "Assign": {variable: format!("{{% ${variable} + $states.input.n %}}")}}),
            (false, true) => json!({"Type": "Pass", "Parameters": {"id.$": "$.id", "n.$": "$.n", "v.$": format!("${variable}")}}),
            (false, false) => json!({"Type": "Pass", "Result": n, "ResultPath": "$.n"}),
        }
    }

    pub(super) fn wait(&mut self, jsonata: bool) -> Value {
        let seconds = 1 + self.dice.below(5);
        match (jsonata, self.dice.percent(50)) {
            (true, true) => json!({"Type": "Wait", "Seconds": "{% 1 + $states.input.n % 5 %}"}),
            (false, true) => json!({"Type": "Wait", "Timestamp": "2023-11-14T22:13:30Z"}),
            _ => json!({"Type": "Wait", "Seconds": seconds}),
        }
    }

    pub(super) fn task(&mut self, jsonata: bool, variable: &str) -> Value {
        let mut task = match jsonata {
            true => json!({
                "Type": "Task", "Resource": FUNCTION, "Arguments": {"id": "{% $states.input.id %}", "n": "{% $states.input.n %}"},
                "Output": "{% $merge([$states.input, $states.result]) %}"
            }),
            false => json!({
                "Type": "Task", "Resource": FUNCTION,
                "Parameters": {"id.$": "$.id", "n.$": "$.n", "v.$": format!("${variable}")}
            }),
        };
        if !jsonata && self.dice.percent(30) {
            task["ResultPath"] = "$.result".into();
        }
        if !jsonata && self.dice.percent(30) {
            task["Resource"] = "arn:aws:states:::lambda:invoke".into();
            task["Parameters"] = json!({"FunctionName": FUNCTION, "Payload": task["Parameters"]});
            task["ResultSelector"] = json!({"id.$": "$.Payload.id", "n.$": "$.Payload.n"});
        }
        if self.dice.percent(40) {
            task["TimeoutSeconds"] = json!(5 + self.dice.below(5));
        }
        task
    }
}
