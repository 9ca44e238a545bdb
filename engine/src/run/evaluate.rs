//! Evaluating a state's expressions.

use std::cell::{Cell, LazyCell};

use serde_json::Value;

use super::frame::Running;
use crate::error::Failure;
use crate::expr::{Dice, Env, Sight, Template};
use crate::journal::moment;
use crate::machine::{State, Words};

/// What expressions see beside context and variables.
#[derive(Clone, Copy)]
pub(super) struct Seen<'a> {
    pub(super) input: &'a Value,
    pub(super) result: Option<&'a Value>,
    pub(super) error: Option<&'a Value>,
    pub(super) item: Option<&'a Value>,
}

impl<'a> Seen<'a> {
    pub(super) fn input(input: &'a Value) -> Seen<'a> {
        Seen { input, result: None, error: None, item: None }
    }
}

impl Running {
    pub(super) fn evaluate<T>(
        &mut self,
        state: &State,
        input: &Value,
        expression: impl FnOnce(&mut Env<'_, '_>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        self.evaluate_seen(state, Seen::input(input), expression)
    }

    pub(super) fn evaluate_seen<T>(
        &mut self,
        state: &State,
        seen: Seen<'_>,
        expression: impl FnOnce(&mut Env<'_, '_>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let (identity, at) = (&self.frame.identity, &self.at);
        let item = seen.item.or(self.frame.item.as_ref());
        let asked = Cell::new(false);
        let context = LazyCell::new(|| {
            asked.set(true);
            if let Some(trial) = &self.world.trial {
                return trial.context(item);
            }
            identity.context(&state.name, moment(at.entered), at.tries.iter().sum(), item, self.token.as_deref())
        });
        let drawn = self.draws.all.len();
        let mut dice = Dice { host: &self.world.host, draws: &mut self.draws };
        let sight = Sight { input: seen.input, result: seen.result, error: seen.error, context: &context, variables: &self.variables };
        let result = expression(&mut Env { sight, dice: &mut dice });
        // The context object holds the time at which the state was entered.
        self.by_chance |= self.draws.all.len() > drawn || (asked.get() && self.moved);
        result
    }

    pub(super) fn draw_uuid(&mut self) -> String {
        self.by_chance = true;
        let drawn = Dice { host: &self.world.host, draws: &mut self.draws }.uuid();
        drawn.as_str().unwrap_or_default().to_owned()
    }

    /// A text of a Fail state; `field` is `Error` or `Cause`.
    pub(super) fn words(&mut self, state: &State, words: Option<&Words>, field: &str) -> Result<String, Failure> {
        match words {
            None => Ok(String::new()),
            Some(Words::Literal(text)) => Ok(text.clone()),
            Some(Words::Template(template)) => {
                let text = self.with_raw_input(|running, raw| {
                    running.evaluate(state, raw, |env| match template {
                        Template::Expression(expression) => expression.run_as("string", env),
                        template => template.fill(env),
                    })
                })?;
                match text {
                    Value::String(text) => Ok(text),
                    other => Err(Failure::runtime(format!("The field '{field}Path' refers to {other}, which is not a string."))),
                }
            }
        }
    }
}
