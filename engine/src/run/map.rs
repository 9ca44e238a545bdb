//! The Map state: the parts that both modes share.

use std::borrow::Cow;

use serde_json::Value;

use super::evaluate::Inputs;
use super::frame::Running;
use crate::error::Halt;
use crate::expr::Template;
use crate::failure::Failure;
use crate::language::Language;
use crate::machine::{Kind, MapItems, MapState, Number, State, Work};

impl Running {
    pub(super) async fn run_map(&mut self, state: &State, map: &MapState) -> Result<Value, Halt> {
        let input = self.effective_input(state)?;
        let result = match &map.distributed {
            None => self.run_inline_map(state, map, &input).await?,
            Some(distributed) => self.run_distributed_map(state, map, distributed, &input).await?,
        };
        let output = self.complete_state(state, input, Some(result))?;
        Ok(output)
    }

    /// The items of a Map without a reader.
    pub(super) fn items(
        &mut self,
        state: &State,
        map: &MapState,
        input: &Value,
    ) -> Result<Vec<Value>, Failure> {
        let items = self.items_value(state, map, input)?;
        array(items, &map.items)
    }

    pub(super) fn items_value(
        &mut self,
        state: &State,
        map: &MapState,
        input: &Value,
    ) -> Result<Value, Failure> {
        match &map.items {
            MapItems::Input(_) => Ok(input.clone()),
            MapItems::Path(path) => self.evaluate(state, input, |env| path.get(env).map(Cow::into_owned)),
            MapItems::Template(Template::Expression(expression)) => {
                self.evaluate(state, input, |env| expression.run_as("array", env))
            }
            MapItems::Template(template) => self.evaluate(state, input, |env| template.fill(env)),
        }
    }

    pub(super) fn record_map_started(&mut self, length: usize) {
        if self.at.begun.is_none() {
            let details = || Some(("mapStateStartedEventDetails", serde_json::json!({"length": length})));
            self.begin("MapStateStarted", details);
        }
    }

    /// Evaluates the input of an iteration or child, and says whether it is nondeterministic. `item` is its
    /// `$$.Map.Item`.
    pub(super) fn select_item(
        &mut self,
        state: &State,
        map: &MapState,
        input: &Value,
        item: &Value,
    ) -> Result<(Value, bool), Failure> {
        let Some(template) = &map.item_selector else { return Ok((item["Value"].clone(), false)) };
        let drawn = self.draws.all.len();
        let inputs = Inputs { item: Some(item), ..Inputs::input(input) };
        let selected = self.evaluate_with(state, inputs, |env| template.fill(env))?;
        // The draws of an item are recorded with the item, not with the Map.
        let nondeterministic = self.draws.all.len() > drawn;
        self.draws.all.truncate(drawn);
        self.draws.used = self.draws.used.min(drawn);
        Ok((selected, nondeterministic))
    }

    /// Evaluates a field that holds a whole number of at least 0. `name` is the field's name without `Path`.
    pub(super) fn whole_number(
        &mut self,
        state: &State,
        name: &str,
        number: &Option<Number>,
        input: &Value,
    ) -> Result<Option<u64>, Failure> {
        let value = match number {
            None => return Ok(None),
            // The compiler has checked it.
            Some(Number::Literal(number)) => return Ok(Some(*number as u64)),
            Some(Number::Expression(expression)) => {
                let value = self.evaluate(state, input, |env| expression.run_as("number", env))?;
                let whole = value.as_i64();
                whole.ok_or_else(|| {
                    Failure::query_result(
                        name,
                        format!("The {name} field must be a whole number but was: {value}"),
                    )
                })?
            }
            Some(Number::Path(path)) => {
                let field = format!("{name}Path");
                let value = self.evaluate(state, input, |env| match &state.kind {
                    Kind::Work(Work::Task(_)) => path.get(env).map(Cow::into_owned),
                    _ => path.get_for(&field, env).map(Cow::into_owned),
                })?;
                // AWS accepts a text that contains a number.
                match value.as_i64().or_else(|| value.as_str()?.parse().ok()) {
                    Some(number) => number,
                    None => return Err(no_number(name, "integer", &value, path.text())),
                }
            }
        };
        let number = u64::try_from(value);
        number.map(Some).map_err(|_| Failure::runtime(format!("{name} cannot be negative.")))
    }

    pub(super) fn percentage(
        &mut self,
        state: &State,
        number: &Option<Number>,
        input: &Value,
    ) -> Result<Option<f64>, Failure> {
        const NAME: &str = "ToleratedFailurePercentage";
        let number = match number {
            None => return Ok(None),
            Some(Number::Literal(number)) => *number,
            Some(Number::Expression(expression)) => {
                let value = self.evaluate(state, input, |env| expression.run_as("number", env))?;
                value.as_f64().unwrap_or_default()
            }
            Some(Number::Path(path)) => {
                let field = format!("{NAME}Path");
                let value =
                    self.evaluate(state, input, |env| path.get_for(&field, env).map(Cow::into_owned))?;
                value
                    .as_f64()
                    .or_else(|| value.as_str()?.parse().ok())
                    .ok_or_else(|| no_number(NAME, "float", &value, path.text()))?
            }
        };
        if (0.0..=100.0).contains(&number) {
            Ok(Some(number))
        } else {
            Err(Failure::runtime(format!("{NAME} must be between 0 and 100.")))
        }
    }
}

/// The items, which must be an array.
pub(super) fn array(items: Value, from: &MapItems) -> Result<Vec<Value>, Failure> {
    match (items, from) {
        (Value::Array(items), _) => Ok(items),
        (_, MapItems::Path(path)) => Err(no_array(path.text())),
        (_, MapItems::Input(Language::JsonPath)) => Err(no_array("$")),
        (other, MapItems::Input(Language::Jsonata) | MapItems::Template(_)) => {
            Err(Failure::query("", format!("Map state input must be an array but was: {other}")))
        }
    }
}

fn no_array(path: &str) -> Failure {
    // AWS's message writes a path into the context object like one into the input.
    let path = if path.starts_with("$$") { &path[1..] } else { path };
    Failure::runtime(format!("Reference path \"{path}\" must point to array."))
}

fn no_number(name: &str, kind: &str, value: &Value, path: &str) -> Failure {
    let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    Failure::runtime(format!(
        "The {name}Path field refers to value \"{value}\" which is not a valid {kind}: {path}"
    ))
}
