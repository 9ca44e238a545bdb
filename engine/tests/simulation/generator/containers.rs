//! Parallels, inline Maps, and the fields that all Maps share.

use serde_json::{Value, json};

use super::{Around, Generator};

impl Generator {
    pub(super) fn parallel(&mut self, around: Around, name: &str, jsonata: bool) -> Value {
        let inside = Around { depth: around.depth + 1, concurrent: true, ..around };
        let branches: Vec<Value> =
            (0..1 + self.rng.below(3)).map(|_| self.scope(inside, Value::Null, false)).collect();
        let mut state = json!({"Type": "Parallel", "Branches": branches});
        if jsonata {
            let id = format!("{{% $states.input.id & '/{name}.' & $states.context.State.RetryCount %}}");
            state["Arguments"] = json!({"id": id, "n": "{% $states.input.n %}"});
            state["Output"] = "{% $merge([$states.input, {'branches': $states.result}]) %}".into();
        } else {
            let id = format!("States.Format('{{}}/{name}.', $.id)");
            state["Parameters"] = json!({"id.$": id, "n.$": "$.n"});
            state["ResultPath"] = "$.branches".into();
        }
        state
    }

    pub(super) fn inline(&mut self, around: Around, name: &str, jsonata: bool) -> Value {
        let inside = Around { depth: around.depth + 1, concurrent: true, ..around };
        let scope = self.scope(inside, Value::Null, false);
        let mut processor = json!({"ProcessorConfig": {"Mode": "INLINE"}});
        processor.as_object_mut().unwrap().extend(scope.as_object().unwrap().clone());
        let concurrency = self.rng.one_of(&[0, 1, 2]);
        let mut state = json!({"Type": "Map", "ItemProcessor": processor, "MaxConcurrency": concurrency});
        let items: Vec<u64> = (0..self.rng.below(6)).map(|_| self.rng.below(100)).collect();
        self.map_fields(&mut state, name, jsonata, "");
        self.items(&mut state, jsonata, &items);
        state
    }

    /// Items in the state itself, or in a variable of its run of states.
    pub(super) fn items(&mut self, state: &mut Value, jsonata: bool, items: &[u64]) {
        let items: Vec<Value> = items.iter().map(|n| json!({"n": n})).collect();
        if jsonata {
            state["Items"] = items.into()
        } else {
            let variable = self.name("items");
            state["ItemsPath"] = format!("${variable}").into();
            self.lists.push((variable, items.into()));
        }
    }

    pub(super) fn map_fields(&mut self, state: &mut Value, name: &str, jsonata: bool, kind: &str) {
        if jsonata {
            let index = "$states.context.Map.Item.Index";
            let id = format!(
                "{{% $states.input.id & '/{name}.' & $states.context.State.RetryCount & '.' & {index} %}}"
            );
            let n = match kind {
                "CSV" => "$number($states.context.Map.Item.Value.n)",
                "LIST" => "$number($split($states.context.Map.Item.Value.Key, '-')[1])",
                _ => "$states.context.Map.Item.Value.n",
            };
            state["ItemSelector"] = json!({"id": id, "n": format!("{{% {n} %}}")});
            state["Output"] = format!("{{% $merge([$states.input, {{'{name}': $states.result}}]) %}}").into();
        } else {
            let id = format!("States.Format('{{}}/{name}..{{}}', $.id, $$.Map.Item.Index)");
            let n = match kind {
                "CSV" => "States.StringToJson($$.Map.Item.Value.n)",
                "LIST" => {
                    "States.StringToJson(States.ArrayGetItem(States.StringSplit($$.Map.Item.Value.Key, '-'), 1))"
                }
                _ => "$$.Map.Item.Value.n",
            };
            state["ItemSelector"] = json!({"id.$": id, "n.$": n});
            state["ResultPath"] = format!("$.{name}").into();
        }
    }
}
