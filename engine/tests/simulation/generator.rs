//! Random workflows. Data is an object with a number `n` and an `id` that no other run of states
//! has, so that a call is known by its state, id and attempt.
//!
//! What comes out must not depend on who comes first, which a crash changes. So inside of a
//! Parallel or an inline Map every error that gets out of a state is the same one.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::dice::Dice;

pub(crate) const BUCKET: &str = "data";
pub(crate) const ERROR: &str = "Bad";
pub(crate) const CAUSE: &str = "by the dice";
/// Tasks whose names begin so never come to an end.
pub(crate) const ENDLESS: &str = "Endless";
const FUNCTION: &str = "arn:aws:lambda:eu-west-1:000000000000:function:f";

pub(crate) struct Workflow {
    pub(crate) definition: Value,
    pub(crate) objects: BTreeMap<String, String>,
    /// By label.
    pub(crate) maps: BTreeMap<String, MapPlan>,
}

/// What is asked of a Distributed Map.
#[derive(Debug, Clone)]
pub(crate) struct MapPlan {
    pub(crate) items: u64,
    pub(crate) tolerated_count: Option<u64>,
    pub(crate) tolerated_percentage: Option<u64>,
    pub(crate) writes: bool,
    pub(crate) batched: bool,
}

pub(crate) fn workflow(seed: u64) -> Workflow {
    let mut generator =
        Generator { dice: Dice::new(("workflow", seed)), names: 0, objects: BTreeMap::new(), maps: BTreeMap::new(), lists: Vec::new() };
    let times_out = generator.dice.percent(5);
    let around = Around { depth: 0, concurrent: false, express: false };
    let mut definition = generator.scope(around, Value::Null, times_out);
    if times_out {
        definition["TimeoutSeconds"] = json!(1_000_000);
    }
    Workflow { definition, objects: generator.objects, maps: generator.maps }
}

struct Generator {
    dice: Dice,
    names: u64,
    objects: BTreeMap<String, String>,
    maps: BTreeMap<String, MapPlan>,
    /// Variables of the run of states that is being made.
    lists: Vec<(String, Value)>,
}

/// Where a run of states is.
#[derive(Clone, Copy)]
struct Around {
    depth: u64,
    /// Others beside it belong to the same execution.
    concurrent: bool,
    /// It has five minutes.
    express: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum What {
    Pass,
    Choice,
    Wait,
    Task,
    Parallel,
    Inline,
    Distributed,
}

type States = Map<String, Value>;

impl Generator {
    fn name(&mut self, kind: &str) -> String {
        self.names += 1;
        format!("{kind}{}", self.names)
    }

    /// A run of states that begins with a Pass with these parameters, if there are any.
    fn scope(&mut self, around: Around, begins_with: Value, endless: bool) -> Value {
        let mut whats: Vec<What> = (0..1 + self.dice.below(4)).map(|_| self.what(around)).collect();
        if whats.last() == Some(&What::Choice) {
            whats.push(What::Task);
        }
        let names: Vec<String> = whats.iter().map(|_| self.name("S")).collect();
        let last = self.name("Last");
        let variable = format!("v{}", self.names);
        let mut states = States::new();
        let lists_around = std::mem::take(&mut self.lists);
        let first = self.name("First");
        let mut begin = json!({"Type": "Pass", "Assign": {&variable: 0}, "Next": names[0]});
        if !begins_with.is_null() {
            begin["Parameters"] = begins_with;
        }
        for (index, what) in whats.iter().enumerate() {
            let next = names.get(index + 1).unwrap_or(&last).clone();
            let far = names.get(index + 2).unwrap_or(&last).clone();
            self.state(around, &mut states, &names[index], *what, &next, &far, &variable);
        }
        for (variable, items) in std::mem::replace(&mut self.lists, lists_around) {
            begin["Assign"][variable] = items;
        }
        states.insert(first.clone(), begin);
        let end = self.last(around, endless);
        states.insert(last, end);
        json!({"StartAt": first, "States": states})
    }

    fn what(&mut self, around: Around) -> What {
        use What::*;
        if around.depth < 3 && !around.express && self.dice.percent(35) {
            return self.dice.one_of(&[Parallel, Inline, Distributed, Distributed]);
        }
        self.dice.one_of(&[Pass, Choice, Wait, Task, Task, Task])
    }

    fn last(&mut self, around: Around, endless: bool) -> Value {
        if endless {
            let tasks = [0, 1].map(|_| {
                let name = self.name(ENDLESS);
                json!({"StartAt": name, "States": {&name: {"Type": "Task", "Resource": FUNCTION, "End": true}}})
            });
            return match self.dice.percent(50) {
                true => json!({"Type": "Wait", "Seconds": 2_000_000, "End": true}),
                false => json!({"Type": "Parallel", "Branches": tasks, "End": true}),
            };
        }
        match self.dice.below(100) {
            0..8 if around.depth > 0 => json!({"Type": "Fail", "Error": ERROR, "Cause": CAUSE}),
            0..4 => json!({"Type": "Fail", "Error": "Final", "CausePath": "$.id"}),
            8..50 => json!({"Type": "Succeed"}),
            _ => json!({"Type": "Pass", "End": true}),
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn state(&mut self, around: Around, states: &mut States, name: &str, what: What, next: &str, far: &str, variable: &str) {
        let is_container = matches!(what, What::Parallel | What::Inline | What::Distributed);
        let jsonata = self.dice.percent(if is_container { 50 } else { 20 });
        let mut state = match what {
            What::Pass => self.pass(jsonata, variable),
            What::Choice => {
                let limit = self.dice.below(100);
                let rule = match jsonata {
                    true => json!({"Condition": format!("{{% $states.input.n < {limit} %}}"), "Next": far}),
                    false => json!({"Variable": "$.n", "NumericLessThan": limit, "Next": far}),
                };
                json!({"Type": "Choice", "Choices": [rule], "Default": next})
            }
            What::Wait => self.wait(jsonata),
            What::Task => self.task(jsonata, variable),
            What::Parallel => self.parallel(around, name, jsonata),
            What::Inline => self.inline(around, name, jsonata),
            What::Distributed => self.distributed(around, name, jsonata),
        };
        if jsonata {
            state["QueryLanguage"] = "JSONata".into();
        }
        if what != What::Choice {
            state["Next"] = next.into();
            // What a JSONPath state assigns is seen from its result.
            let sees_n = jsonata || what == What::Wait;
            if sees_n && self.dice.percent(15) && state.get("Assign").is_none() && state.get("Parameters").is_none() {
                let (field, value) = if jsonata { ("", "{% $states.input.n %}") } else { (".$", "$.n") };
                state["Assign"] = json!({format!("{variable}{field}"): value});
            }
        }
        if matches!(what, What::Task | What::Parallel | What::Inline | What::Distributed) {
            self.recovery(around, states, &mut state, what, next, jsonata);
        }
        states.insert(name.to_owned(), state);
    }

    fn pass(&mut self, jsonata: bool, variable: &str) -> Value {
        let n = self.dice.below(100);
        match (jsonata, self.dice.percent(50)) {
            (true, true) => json!({"Type": "Pass", "Output": {"id": "{% $states.input.id %}", "n": format!("{{% ${variable} %}}")}}),
            (true, false) => json!({"Type": "Pass", "Assign": {variable: format!("{{% ${variable} + $states.input.n %}}")}}),
            (false, true) => json!({"Type": "Pass", "Parameters": {"id.$": "$.id", "n.$": "$.n", "v.$": format!("${variable}")}}),
            (false, false) => json!({"Type": "Pass", "Result": n, "ResultPath": "$.n"}),
        }
    }

    fn wait(&mut self, jsonata: bool) -> Value {
        let seconds = 1 + self.dice.below(5);
        match (jsonata, self.dice.percent(50)) {
            (true, true) => json!({"Type": "Wait", "Seconds": "{% 1 + $states.input.n % 5 %}"}),
            (false, true) => json!({"Type": "Wait", "Timestamp": "2023-11-14T22:13:30Z"}),
            _ => json!({"Type": "Wait", "Seconds": seconds}),
        }
    }

    fn task(&mut self, jsonata: bool, variable: &str) -> Value {
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

    fn recovery(&mut self, around: Around, states: &mut States, state: &mut Value, what: What, next: &str, jsonata: bool) {
        // JSONPath can't read a RetryCount that there may not be, for the ids of what is inside.
        if (what == What::Task || jsonata) && self.dice.percent(40) {
            let errors = self.dice.one_of(&["States.ALL", "States.TaskFailed", "States.Timeout", ERROR]);
            let attempts = if what == What::Task { self.dice.below(4) } else { self.dice.below(3) };
            let mut retrier = json!({"ErrorEquals": [errors], "IntervalSeconds": 1 + self.dice.below(3), "MaxAttempts": attempts});
            if self.dice.percent(30) {
                retrier["JitterStrategy"] = "FULL".into();
            }
            state["Retry"] = json!([retrier]);
        }
        let other_errors = what == What::Distributed || state.get("TimeoutSeconds").is_some();
        if (around.concurrent && other_errors) || self.dice.percent(40) {
            let handler = self.name("Caught");
            let errors = if around.concurrent { "States.ALL" } else { self.dice.one_of(&["States.ALL", "States.TaskFailed", ERROR]) };
            let mut catcher = json!({"ErrorEquals": [errors], "Next": handler});
            match jsonata {
                true => catcher["Output"] = "{% $merge([$states.input, {'error': $states.errorOutput}]) %}".into(),
                false => catcher["ResultPath"] = "$.error".into(),
            }
            state["Catch"] = json!([catcher]);
            states.insert(handler, json!({"Type": "Pass", "Next": next}));
        }
    }

    fn parallel(&mut self, around: Around, name: &str, jsonata: bool) -> Value {
        let inside = Around { depth: around.depth + 1, concurrent: true, ..around };
        let branches: Vec<Value> = (0..1 + self.dice.below(3)).map(|_| self.scope(inside, Value::Null, false)).collect();
        let mut state = json!({"Type": "Parallel", "Branches": branches});
        match jsonata {
            true => {
                let id = format!("{{% $states.input.id & '/{name}.' & $states.context.State.RetryCount %}}");
                state["Arguments"] = json!({"id": id, "n": "{% $states.input.n %}"});
                state["Output"] = "{% $merge([$states.input, {'branches': $states.result}]) %}".into();
            }
            false => {
                let id = format!("States.Format('{{}}/{name}.', $.id)");
                state["Parameters"] = json!({"id.$": id, "n.$": "$.n"});
                state["ResultPath"] = "$.branches".into();
            }
        }
        state
    }

    fn inline(&mut self, around: Around, name: &str, jsonata: bool) -> Value {
        let inside = Around { depth: around.depth + 1, concurrent: true, ..around };
        let scope = self.scope(inside, Value::Null, false);
        let mut processor = json!({"ProcessorConfig": {"Mode": "INLINE"}});
        processor.as_object_mut().unwrap().extend(scope.as_object().unwrap().clone());
        let concurrency = self.dice.one_of(&[0, 1, 2]);
        let mut state = json!({"Type": "Map", "ItemProcessor": processor, "MaxConcurrency": concurrency});
        let items: Vec<u64> = (0..self.dice.below(6)).map(|_| self.dice.below(100)).collect();
        self.map_fields(&mut state, name, jsonata, "");
        self.items(&mut state, jsonata, &items);
        state
    }

    /// Items that the state holds, or a variable of its run of states.
    fn items(&mut self, state: &mut Value, jsonata: bool, items: &[u64]) {
        let items: Vec<Value> = items.iter().map(|n| json!({"n": n})).collect();
        match jsonata {
            true => state["Items"] = items.into(),
            false => {
                let variable = self.name("items");
                state["ItemsPath"] = format!("${variable}").into();
                self.lists.push((variable, items.into()));
            }
        }
    }

    fn map_fields(&mut self, state: &mut Value, name: &str, jsonata: bool, kind: &str) {
        match jsonata {
            true => {
                let index = "$states.context.Map.Item.Index";
                let id = format!("{{% $states.input.id & '/{name}.' & $states.context.State.RetryCount & '.' & {index} %}}");
                let n = if kind == "CSV" { "$number($states.context.Map.Item.Value.n)" } else { "$states.context.Map.Item.Value.n" };
                state["ItemSelector"] = json!({"id": id, "n": format!("{{% {n} %}}")});
                state["Output"] = format!("{{% $merge([$states.input, {{'{name}': $states.result}}]) %}}").into();
            }
            false => {
                let id = format!("States.Format('{{}}/{name}..{{}}', $.id, $$.Map.Item.Index)");
                let n = if kind == "CSV" { "States.StringToJson($$.Map.Item.Value.n)" } else { "$$.Map.Item.Value.n" };
                state["ItemSelector"] = json!({"id.$": id, "n.$": n});
                state["ResultPath"] = format!("$.{name}").into();
            }
        }
    }

    fn distributed(&mut self, around: Around, name: &str, jsonata: bool) -> Value {
        let express = self.dice.percent(25);
        let batched = self.dice.percent(35);
        let inside = Around { depth: around.depth + 1, concurrent: false, express };
        let begin = if batched { json!({"id.$": "$.Items[0].id", "n.$": "$.Items[0].n"}) } else { Value::Null };
        let scope = self.scope(inside, begin, false);
        let execution_type = if express { "EXPRESS" } else { "STANDARD" };
        let mut processor = json!({"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": execution_type}});
        processor.as_object_mut().unwrap().extend(scope.as_object().unwrap().clone());
        let most = if around.depth == 0 { 20 } else { 6 };
        let items: Vec<u64> = (0..self.dice.below(most)).map(|_| self.dice.below(100)).collect();
        let concurrency = self.dice.one_of(&[0, 1, 3]);
        let mut state = json!({"Type": "Map", "Label": name, "ItemProcessor": processor, "MaxConcurrency": concurrency});
        let kind = self.dice.one_of(&["", "JSON", "JSONL", "CSV"]);
        self.map_fields(&mut state, name, jsonata, kind);
        match kind {
            "" => self.items(&mut state, jsonata, &items),
            _ => self.reader(&mut state, name, jsonata, kind, &items),
        }
        if batched {
            state["ItemBatcher"] = match self.dice.percent(70) {
                true => json!({"MaxItemsPerBatch": 1 + self.dice.below(4)}),
                false => json!({"MaxInputBytesPerBatch": 300 + self.dice.below(300)}),
            };
        }
        let writes = self.dice.percent(60);
        if writes {
            let parameters = if jsonata { "Arguments" } else { "Parameters" };
            state["ResultWriter"] = json!({"Resource": "arn:aws:states:::s3:putObject", parameters: {"Bucket": "out", "Prefix": name}});
            if self.dice.percent(30) {
                state["ResultWriter"]["WriterConfig"] = json!({"Transformation": "NONE", "OutputType": "JSONL"});
            }
        }
        let tolerated_count = self.dice.percent(40).then(|| self.dice.below(6));
        if let Some(count) = tolerated_count {
            state["ToleratedFailureCount"] = count.into();
        }
        let tolerated_percentage = self.dice.percent(40).then(|| self.dice.one_of(&[0, 10, 30, 50, 100]));
        if let Some(percentage) = tolerated_percentage {
            state["ToleratedFailurePercentage"] = percentage.into();
        }
        let plan = MapPlan { items: items.len() as u64, tolerated_count, tolerated_percentage, writes, batched };
        self.maps.insert(name.to_owned(), plan);
        state
    }

    fn reader(&mut self, state: &mut Value, name: &str, jsonata: bool, kind: &str, items: &[u64]) {
        let lines = |line: &dyn Fn(&u64) -> String| items.iter().map(line).collect::<String>();
        let (config, body) = match kind {
            "JSON" => (json!({"InputType": kind}), json!(items.iter().map(|n| json!({"n": n})).collect::<Vec<_>>()).to_string()),
            "JSONL" => (json!({"InputType": kind}), lines(&|n| format!("{{\"n\": {n}}}\n"))),
            _ => (json!({"InputType": kind, "CSVHeaderLocation": "FIRST_ROW"}), format!("n,x\n{}", lines(&|n| format!("{n},y\n")))),
        };
        self.objects.insert(format!("{BUCKET}/{name}"), body);
        let parameters = if jsonata { "Arguments" } else { "Parameters" };
        state["ItemReader"] =
            json!({"Resource": "arn:aws:states:::s3:getObject", "ReaderConfig": config, parameters: {"Bucket": BUCKET, "Key": name}});
    }
}
