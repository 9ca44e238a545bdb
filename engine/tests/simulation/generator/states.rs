//! States without inner states.

use serde_json::{Value, json};

use super::{Around, FUNCTION, Generator};

impl Generator {
    pub(super) fn pass(&mut self, jsonata: bool, variable: &str) -> Value {
        let n = self.rng.below(100);
        match (jsonata, self.rng.percent(50)) {
            (true, true) => {
                json!({"Type": "Pass", "Output": {"id": "{% $states.input.id %}", "n": format!("{{% ${variable} %}}")}})
            }
            (true, false) => {
                json!({"Type": "Pass", "Assign": {variable: format!("{{% ${variable} + $states.input.n %}}")}})
            }
            (false, true) => {
                json!({"Type": "Pass", "Parameters": {"id.$": "$.id", "n.$": "$.n", "v.$": format!("${variable}")}})
            }
            (false, false) => json!({"Type": "Pass", "Result": n, "ResultPath": "$.n"}),
        }
    }

    pub(super) fn wait(&mut self, jsonata: bool) -> Value {
        let seconds = 1 + self.rng.below(5);
        match (jsonata, self.rng.percent(50)) {
            (true, true) => json!({"Type": "Wait", "Seconds": "{% 1 + $states.input.n % 5 %}"}),
            (false, true) => json!({"Type": "Wait", "Timestamp": "2023-11-14T22:13:30Z"}),
            _ => json!({"Type": "Wait", "Seconds": seconds}),
        }
    }

    pub(super) fn task(&mut self, around: Around, jsonata: bool, variable: &str) -> Value {
        if !around.express && self.rng.percent(30) {
            return self.task_with_token(jsonata);
        }
        let mut task = if jsonata {
            json!({
                "Type": "Task", "Resource": FUNCTION, "Arguments": {"id": "{% $states.input.id %}", "n": "{% $states.input.n %}"},
                "Output": "{% $merge([$states.input, $states.result]) %}"
            })
        } else {
            json!({
                "Type": "Task", "Resource": FUNCTION,
                "Parameters": {"id.$": "$.id", "n.$": "$.n", "v.$": format!("${variable}")}
            })
        };
        if !jsonata && self.rng.percent(30) {
            task["ResultPath"] = "$.result".into();
        }
        if !jsonata && self.rng.percent(30) {
            task["Resource"] = "arn:aws:states:::lambda:invoke".into();
            task["Parameters"] = json!({"FunctionName": FUNCTION, "Payload": task["Parameters"]});
            task["ResultSelector"] = json!({"id.$": "$.Payload.id", "n.$": "$.Payload.n"});
        }
        if self.rng.percent(40) {
            task["TimeoutSeconds"] = json!(5 + self.rng.below(5));
        }
        task
    }

    fn task_with_token(&mut self, jsonata: bool) -> Value {
        let resource = self.rng.one_of(&[BY_TOKEN, ACTIVITY, JOB]);
        let (parameters, data) = if jsonata {
            (
                "Arguments",
                json!({"id": "{% $states.input.id %}", "n": "{% $states.input.n %}", "token": "{% $states.context.Task.Token %}"}),
            )
        } else {
            ("Parameters", json!({"id.$": "$.id", "n.$": "$.n", "token.$": "$$.Task.Token"}))
        };
        let data =
            if resource == BY_TOKEN { json!({"FunctionName": FUNCTION, "Payload": data}) } else { data };
        let mut task = json!({"Type": "Task", "Resource": resource, parameters: data});
        if jsonata {
            task["Output"] = "{% $merge([$states.input, $states.result]) %}".into();
        } else if self.rng.percent(30) {
            task["ResultPath"] = "$.result".into();
        }
        if resource == JOB {
            return task;
        }
        let timeout =
            self.rng.percent(50).then(|| if self.rng.percent(40) { 5 + self.rng.below(5) } else { 1_000 });
        if let Some(timeout) = timeout {
            task["TimeoutSeconds"] = timeout.into();
        }
        if self.rng.percent(40) {
            task["HeartbeatSeconds"] =
                json!(if timeout.is_some_and(|timeout| timeout < 100) { 2 } else { 6 + self.rng.below(5) });
        }
        task
    }
}

const BY_TOKEN: &str = "arn:aws:states:::lambda:invoke.waitForTaskToken";
const ACTIVITY: &str = "arn:aws:states:eu-west-1:000000000000:activity:a";
const JOB: &str = "arn:aws:states:::ecs:runTask.sync";

/// Nobody sends the outcome that it waits for.
pub(super) fn endless_with_token() -> Value {
    let data = json!({"FunctionName": FUNCTION, "Payload": {"id.$": "$.id", "n.$": "$.n", "token.$": "$$.Task.Token"}});
    json!({"Type": "Task", "Resource": BY_TOKEN, "Parameters": data, "End": true})
}
