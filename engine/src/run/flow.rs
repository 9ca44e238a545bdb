//! The flow of data through a state, from its input to its output.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use super::evaluate::Inputs;
use super::frame::Running;
use super::{events, limits};
use crate::failure::Failure;
use crate::machine::{Kind, OnExit, ResultPath, Selection, State};

impl Running {
    /// The effective input: the raw input after InputPath.
    pub(super) fn effective_input(&mut self, state: &State) -> Result<Value, Failure> {
        let input = match &state.io.input_path {
            Selection::Whole => self.at.input.clone(),
            Selection::Nothing => Value::Object(Map::new()),
            Selection::Path(path) => self.with_raw_input(|running, raw| {
                running.evaluate(state, raw, |env| path.get(env).map(Cow::into_owned))
            })?,
        };
        self.runtime.inspector.record("afterInputPath", &input);
        Ok(input)
    }

    /// The effective input of a state that does not need its raw input any more; it is moved if possible.
    pub(super) fn take_effective_input(&mut self, state: &State) -> Result<Value, Failure> {
        match (&state.io.input_path, &state.io.result_path) {
            (Selection::Whole, Some(path)) if path.is_whole() => {
                self.runtime.inspector.record("afterInputPath", &self.at.input);
                Ok(std::mem::take(&mut self.at.input))
            }
            _ => self.effective_input(state),
        }
    }

    /// Lends the raw input to `body`.
    pub(super) fn with_raw_input<T>(&mut self, body: impl FnOnce(&mut Self, &Value) -> T) -> T {
        let raw = std::mem::take(&mut self.at.input);
        let result = body(self, &raw);
        self.at.input = raw;
        result
    }

    /// Computes the output of a state and exits it. `result` is None for states without a result of their
    /// own.
    pub(super) fn complete_state(
        &mut self,
        state: &State,
        input: Value,
        result: Option<Value>,
    ) -> Result<Value, Failure> {
        if let Some(result) = &result {
            self.runtime.inspector.record("result", result);
        }
        let selected = match (&state.io.result_selector, result) {
            (Some(template), Some(result)) => {
                let inputs = Inputs { result: Some(&result), ..Inputs::input(&input) };
                Some(self.evaluate_with(state, inputs, |env| template.fill(env))?)
            }
            (_, result) => result,
        };
        let inputs = Inputs { result: selected.as_ref(), ..Inputs::input(&input) };
        self.runtime.inspector.record("afterResultSelector", selected.as_ref().unwrap_or(&input));
        let assigned = self.evaluate_assign(state, inputs, &state.io.on_exit)?;
        let output = match &state.io.on_exit.output {
            Some(template) => self.evaluate_with(state, inputs, |env| template.fill(env))?,
            None => {
                let placed = match selected {
                    Some(result) => self.apply_result_path(&state.io.result_path, result)?,
                    // A Pass without a result takes its input as its result.
                    None if matches!(state.kind, Kind::Pass(_)) => {
                        self.apply_result_path(&state.io.result_path, input)?
                    }
                    None => input,
                };
                self.runtime.inspector.record("afterResultPath", &placed);
                self.apply_output_path(state, placed)?
            }
        };
        self.exit_state(state, output, assigned)
    }

    /// The output after OutputPath.
    pub(super) fn apply_output_path(&mut self, state: &State, output: Value) -> Result<Value, Failure> {
        match &state.io.output_path {
            Selection::Whole => Ok(output),
            Selection::Nothing => Ok(Value::Object(Map::new())),
            Selection::Path(path) => self.evaluate(state, &output, |env| path.get(env).map(Cow::into_owned)),
        }
    }

    /// Exits a state: checks the output, records the event and sets the variables.
    pub(super) fn exit_state(
        &mut self,
        state: &State,
        output: Value,
        assigned: Map<String, Value>,
    ) -> Result<Value, Failure> {
        limits::check(&state.name, &output)?;
        self.in_task = false;
        self.event(
            || format!("{}StateExited", state.kind.name()),
            || {
                let mut more = json!({"name": state.name});
                if !assigned.is_empty() {
                    let texts: Map<String, Value> = assigned
                        .iter()
                        .map(|(name, value)| (name.clone(), value.to_string().into()))
                        .collect();
                    more["assignedVariables"] = texts.into();
                    more["assignedVariablesDetails"] = json!({"truncated": false});
                }
                Some(("stateExitedEventDetails", events::data("output", &output, more)))
            },
        );
        self.variables.own.extend(assigned);
        Ok(output)
    }

    /// The values of `Assign`. All are evaluated with the variables as they were before.
    pub(super) fn evaluate_assign(
        &mut self,
        state: &State,
        inputs: Inputs<'_>,
        on_exit: &OnExit,
    ) -> Result<Map<String, Value>, Failure> {
        if on_exit.assign.is_empty() {
            return Ok(Map::new());
        }
        let assigned = self.evaluate_with(state, inputs, |env| {
            let values =
                on_exit.assign.iter().map(|(name, template)| Ok((name.clone(), template.fill(env)?)));
            values.collect::<Result<Map<String, Value>, Failure>>()
        })?;
        limits::check_variables(&state.name, &assigned, &self.variables)?;
        Ok(assigned)
    }

    /// Puts the result into the state's raw input.
    pub(super) fn apply_result_path(&self, path: &ResultPath, result: Value) -> Result<Value, Failure> {
        match path {
            None => Ok(self.at.input.clone()),
            Some(path) if path.is_whole() => Ok(result),
            Some(path) => path.put(self.at.input.clone(), result),
        }
    }
}
