//! The Choice state.

use serde_json::Value;

use super::evaluate::Inputs;
use super::frame::Running;
use crate::expr::comparison::IS_PRESENT;
use crate::expr::{Env, Path};
use crate::failure::Failure;
use crate::machine::{Condition, Next, Operand, Rule, State};

impl Running {
    /// Takes the first rule whose condition holds.
    pub(super) fn choose(
        &mut self,
        state: &State,
        rules: &[Rule],
        default: Option<usize>,
    ) -> Result<(Value, Next), Failure> {
        let input = self.take_effective_input(state)?;
        let chosen = self.evaluate(state, &input, |env| {
            for rule in rules {
                if holds(&rule.condition, env)? {
                    return Ok(Some(rule));
                }
            }
            Ok(None)
        })?;
        let Some(rule) = chosen else {
            let default = default.ok_or_else(|| {
                Failure::runtime(
                    "Failed to transition out of the state. The state does not point to a next state.",
                )
            })?;
            return Ok((self.complete_state(state, input, None)?, Next::State(default)));
        };
        let inputs = Inputs::input(&input);
        let assigned = self.evaluate_assign(state, inputs, &rule.on_exit)?;
        let output = match &rule.on_exit.output {
            Some(template) => self.evaluate_with(state, inputs, |env| template.fill(env))?,
            None => self.apply_output_path(state, input)?,
        };
        Ok((self.exit_state(state, output, assigned)?, Next::State(rule.next)))
    }
}

fn holds(condition: &Condition, env: &mut Env<'_, '_>) -> Result<bool, Failure> {
    match condition {
        Condition::And(all) => {
            for condition in all {
                if !holds(condition, env)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        Condition::Or(any) => {
            for condition in any {
                if holds(condition, env)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        Condition::Not(condition) => Ok(!holds(condition, env)?),
        Condition::Literal(value) => Ok(*value),
        Condition::Expression(expression) => Ok(expression.run_as("boolean", env)? == true),
        Condition::Compare { variable, comparator, operand } => {
            let value = variable.find(env)?;
            if comparator.name == IS_PRESENT {
                return Ok(
                    matches!(operand, Operand::Literal(Value::Bool(wanted)) if *wanted == value.is_some()),
                );
            }
            let value = value.ok_or_else(|| invalid(variable))?;
            match operand {
                Operand::Literal(operand) => Ok((comparator.test)(&value, operand)),
                Operand::Path(path) => {
                    let operand = path.find(env)?.ok_or_else(|| invalid(path))?;
                    Ok((comparator.test)(&value, &operand))
                }
            }
        }
    }
}

fn invalid(path: &Path) -> Failure {
    let path = path.text();
    Failure::runtime(format!(
        "Invalid path '{path}': The choice state's condition path references an invalid value."
    ))
}
