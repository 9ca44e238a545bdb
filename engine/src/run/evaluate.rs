//! Evaluates the expressions of a state.

use std::cell::{Cell, LazyCell};

use serde_json::Value;

use super::frame::Running;
use crate::expr::{Env, EvalScope, RecordedRng, Template};
use crate::failure::Failure;
use crate::journal::moment;
use crate::machine::{State, TextOrPath};

/// The values that expressions can refer to, in addition to the context object and variables.
#[derive(Clone, Copy)]
pub(super) struct Inputs<'a> {
    pub(super) input: &'a Value,
    pub(super) result: Option<&'a Value>,
    pub(super) error: Option<&'a Value>,
    pub(super) item: Option<&'a Value>,
}

impl<'a> Inputs<'a> {
    pub(super) fn input(input: &'a Value) -> Self {
        Self { input, result: None, error: None, item: None }
    }
}

impl Running {
    pub(super) fn evaluate<T>(
        &mut self,
        state: &State,
        input: &Value,
        expression: impl FnOnce(&mut Env<'_, '_>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        self.evaluate_with(state, Inputs::input(input), expression)
    }

    pub(super) fn evaluate_with<T>(
        &mut self,
        state: &State,
        inputs: Inputs<'_>,
        expression: impl FnOnce(&mut Env<'_, '_>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let (identity, at) = (&self.frame.identity, &self.at);
        let item = inputs.item.or(self.frame.item.as_ref());
        let asked = Cell::new(false);
        let context = LazyCell::new(|| {
            asked.set(true);
            self.runtime.inspector.context(item).unwrap_or_else(|| {
                let retries = at.tries.iter().sum();
                identity.context(&state.name, moment(at.entered), retries, item, self.token.as_deref())
            })
        });
        let drawn = self.draws.all.len();
        let mut rng = RecordedRng { host: &self.runtime.host, draws: &mut self.draws };
        let scope = EvalScope {
            input: inputs.input,
            result: inputs.result,
            error: inputs.error,
            context: &context,
            variables: &self.variables,
        };
        let result = expression(&mut Env { scope, rng: &mut rng, made: Default::default() });
        // The context object contains the time at which the state was entered, which is not saved yet.
        self.nondeterministic |= self.draws.all.len() > drawn || (asked.get() && self.moved);
        result
    }

    /// The token of the attempt that begins.
    pub(super) fn draw_token(&mut self) -> String {
        self.nondeterministic = true;
        let attempt = self.frame.key.visit(self.at.step);
        let mut rng = RecordedRng { host: &self.runtime.host, draws: &mut self.draws };
        let drawn = rng.token(&self.runtime.execution, attempt.as_bytes());
        drawn.as_str().unwrap_or_default().to_owned()
    }

    /// The text of a Fail state's `Error` or `Cause`, which `field` names.
    pub(super) fn text_or_path(
        &mut self,
        state: &State,
        text: Option<&TextOrPath>,
        field: &str,
    ) -> Result<String, Failure> {
        match text {
            None => Ok(String::new()),
            Some(TextOrPath::Literal(text)) => Ok(text.clone()),
            Some(TextOrPath::Template(template)) => {
                let text = self.with_raw_input(|running, raw| {
                    running.evaluate(state, raw, |env| match template {
                        Template::Expression(expression) => expression.run_as("string", env),
                        template => template.fill(env),
                    })
                })?;
                match text {
                    Value::String(text) => Ok(text),
                    other => Err(Failure::runtime(format!(
                        "The field '{field}Path' refers to {other}, which is not a string."
                    ))),
                }
            }
        }
    }
}
