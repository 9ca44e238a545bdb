//! The Choice state.

use serde_json::Value;

use super::frame::Running;
use crate::error::Failure;
use crate::expr::comparison::IS_PRESENT;
use crate::expr::{Env, Path};
use crate::machine::{Condition, Operand, State};

impl Running {
    /// The state that the first rule which holds leads to.
    pub(super) fn choose(
        &mut self,
        state: &State,
        rules: &[(Condition, usize)],
        default: Option<usize>,
        input: &Value,
    ) -> Result<usize, Failure> {
        let chosen = self.evaluate(state, input, |env| {
            for (condition, next) in rules {
                if holds(condition, env)? {
                    return Ok(Some(*next));
                }
            }
            Ok(default)
        })?;
        chosen.ok_or_else(|| Failure::new("States.NoChoiceMatched", "No rule holds, and there is no Default."))
    }
}

fn holds(condition: &Condition, env: &Env<'_, '_>) -> Result<bool, Failure> {
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
        Condition::Compare { variable, comparator, operand } => {
            let value = variable.find(env);
            if comparator.name == IS_PRESENT {
                return Ok(matches!(operand, Operand::Literal(Value::Bool(wanted)) if *wanted == value.is_some()));
            }
            let value = value.ok_or_else(|| invalid(variable))?;
            match operand {
                Operand::Literal(operand) => Ok((comparator.test)(&value, operand)),
                Operand::Path(path) => {
                    let operand = path.find(env).ok_or_else(|| invalid(path))?;
                    Ok((comparator.test)(&value, &operand))
                }
            }
        }
    }
}

fn invalid(path: &Path) -> Failure {
    let path = path.text();
    Failure::runtime(format!("Invalid path '{path}': The choice state's condition path references an invalid value."))
}
