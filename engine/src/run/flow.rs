//! From a state's input to its output.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use super::evaluate::Seen;
use super::frame::Running;
use super::{events, limits};
use crate::error::Failure;
use crate::machine::{Kind, Leaving, ResultPath, Selection, State};

impl Running {
    /// The state's input after InputPath.
    pub(super) fn input(&mut self, state: &State) -> Result<Value, Failure> {
        let input = match &state.io.input_path {
            Selection::Whole => self.at.input.clone(),
            Selection::Nothing => Value::Object(Map::new()),
            Selection::Path(path) => {
                self.with_raw_input(|running, raw| running.evaluate(state, raw, |env| path.get(env).map(Cow::into_owned)))?
            }
        };
        self.note("afterInputPath", &input);
        Ok(input)
    }

    /// The same, of a state that does not need its raw input any more.
    pub(super) fn take_input(&mut self, state: &State) -> Result<Value, Failure> {
        match (&state.io.input_path, &state.io.result_path) {
            (Selection::Whole, Some(path)) if path.is_whole() => {
                self.note("afterInputPath", &self.at.input);
                Ok(std::mem::take(&mut self.at.input))
            }
            _ => self.input(state),
        }
    }

    /// Lends the state's raw input.
    pub(super) fn with_raw_input<T>(&mut self, body: impl FnOnce(&mut Self, &Value) -> T) -> T {
        let raw = std::mem::take(&mut self.at.input);
        let result = body(self, &raw);
        self.at.input = raw;
        result
    }

    /// The output of a state that has come to its end with a result, or has none of its own.
    pub(super) fn leave(&mut self, state: &State, input: Value, result: Option<Value>) -> Result<Value, Failure> {
        if let Some(result) = &result {
            self.note("result", result);
        }
        let selected = match (&state.io.result_selector, result) {
            (Some(template), Some(result)) => {
                let seen = Seen { result: Some(&result), ..Seen::input(&input) };
                Some(self.evaluate_seen(state, seen, |env| template.fill(env))?)
            }
            (_, result) => result,
        };
        let seen = Seen { result: selected.as_ref(), ..Seen::input(&input) };
        self.note("afterResultSelector", selected.as_ref().unwrap_or(&input));
        let assigned = self.assigned(state, seen, &state.io.leaving)?;
        let output = match &state.io.leaving.output {
            Some(template) => self.evaluate_seen(state, seen, |env| template.fill(env))?,
            None => {
                let placed = match selected {
                    Some(result) => self.place_result(&state.io.result_path, result)?,
                    // A Pass without a result puts its input there.
                    None if matches!(state.kind, Kind::Pass(_)) => self.place_result(&state.io.result_path, input)?,
                    None => input,
                };
                self.note("afterResultPath", &placed);
                self.select_output(state, placed)?
            }
        };
        self.exited(state, output, assigned)
    }

    /// After OutputPath.
    pub(super) fn select_output(&mut self, state: &State, output: Value) -> Result<Value, Failure> {
        match &state.io.output_path {
            Selection::Whole => Ok(output),
            Selection::Nothing => Ok(Value::Object(Map::new())),
            Selection::Path(path) => self.evaluate(state, &output, |env| path.get(env).map(Cow::into_owned)),
        }
    }

    /// The last of a state, by whichever way it is left.
    pub(super) fn exited(&mut self, state: &State, output: Value, assigned: Map<String, Value>) -> Result<Value, Failure> {
        limits::check(&state.name, &output)?;
        self.in_task = false;
        self.event(
            || format!("{}StateExited", state.kind.name()),
            || {
                let mut more = json!({"name": state.name});
                if !assigned.is_empty() {
                    let texts: Map<String, Value> = assigned.iter().map(|(name, value)| (name.clone(), value.to_string().into())).collect();
                    more["assignedVariables"] = texts.into();
                    more["assignedVariablesDetails"] = json!({"truncated": false});
                }
                Some(("stateExitedEventDetails", events::data("output", &output, more)))
            },
        );
        self.variables.own.extend(assigned);
        Ok(output)
    }

    /// What `Assign` gives, all from the variables as they were.
    pub(super) fn assigned(&mut self, state: &State, seen: Seen<'_>, leaving: &Leaving) -> Result<Map<String, Value>, Failure> {
        if leaving.assign.is_empty() {
            return Ok(Map::new());
        }
        let assigned = self.evaluate_seen(state, seen, |env| {
            let values = leaving.assign.iter().map(|(name, template)| Ok((name.clone(), template.fill(env)?)));
            values.collect::<Result<Map<String, Value>, Failure>>()
        })?;
        limits::check_variables(&state.name, &assigned, &self.variables)?;
        Ok(assigned)
    }

    /// The result in its place in the state's raw input.
    pub(super) fn place_result(&self, path: &ResultPath, result: Value) -> Result<Value, Failure> {
        match path {
            None => Ok(self.at.input.clone()),
            Some(path) if path.is_whole() => Ok(result),
            Some(path) => path.put(self.at.input.clone(), result),
        }
    }
}
