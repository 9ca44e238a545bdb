//! The mocked result, and the check whether the state could have it.

use serde_json::Value;

use super::outputs::{self, Shape};
use super::{FieldValidation, Mock, TestRequest};
use crate::failure::Failure;
use crate::machine::{Kind, State, Work};
use crate::validation::ApiError;

impl TestRequest {
    /// The mocked outcome. Without one, the host is called.
    pub(super) fn mocked(&self, state: &State) -> Result<Option<Result<Value, Failure>>, ApiError> {
        let Some(mock) = &self.mock else {
            return match state.kind {
                Kind::Work(Work::Map(_) | Work::Parallel(_)) => {
                    let supported =
                        "Supported state types include: [Task, Wait, Pass, Succeed, Fail, Choice]";
                    let message =
                        format!("TestState API does not support Map or Parallel states. {supported}");
                    Err(ApiError { code: "InvalidDefinition", message })
                }
                _ => Ok(None),
            };
        };
        if !matches!(state.kind, Kind::Work(_)) {
            return Err(ApiError::validation(format!(
                "State type '{}' is not supported when a mock is specified",
                state.kind.name()
            )));
        }
        match mock {
            Mock { error_output: Some(failure), .. } => {
                Ok(Some(Err(Failure::new(&failure.error, &failure.cause))))
            }
            Mock { result: Some(text), field_validation_mode, .. } => {
                let result = crate::json::from_str(text)
                    .map_err(|_| ApiError::validation("Mocked result must be valid JSON"))?;
                self.check_result(state, &result, *field_validation_mode)?;
                Ok(Some(Ok(result)))
            }
            Mock { .. } => Ok(None),
        }
    }

    fn check_result(&self, state: &State, result: &Value, mode: FieldValidation) -> Result<(), ApiError> {
        let refused = |message: &str| Err(ApiError::validation(message));
        match (&state.kind, result) {
            (Kind::Work(Work::Task(task)), _) if mode != FieldValidation::None => {
                match outputs::of(&task.resource) {
                    Some(shape) => check(shape, "", result, mode).map_err(|what| {
                        ApiError::validation(format!("Mock result schema validation error: {what}"))
                    }),
                    None => Ok(()),
                }
            }
            (Kind::Work(Work::Map(map)), result) => {
                let writes =
                    map.distributed.as_ref().is_some_and(|distributed| distributed.writer.target.is_some());
                let failed = self.state_configuration.map_iteration_failure_count.unwrap_or(0);
                match result {
                    Value::Object(_) if writes => Ok(()),
                    _ if writes => refused("Mocked result must be a JSON object."),
                    Value::Array(items) if failed > items.len() as u64 => refused(
                        "Map iteration failure count must be less than or equal to the number of Map iterations",
                    ),
                    Value::Array(_) => Ok(()),
                    _ => refused("Mocked result must be an array."),
                }
            }
            (Kind::Work(Work::Parallel(branches)), Value::Array(results))
                if results.len() != branches.len() =>
            {
                refused("Mocked result must contain the same number of items as number of Parallel branches.")
            }
            (Kind::Work(Work::Parallel(_)), result) if !result.is_array() => {
                refused("Mocked result must be an array.")
            }
            _ => Ok(()),
        }
    }
}

/// Checks the field `name` of a result. An error says what is wrong.
fn check(shape: &Shape, name: &str, value: &Value, mode: FieldValidation) -> Result<(), String> {
    let must_be = |kind: &str| Err(format!("Field '{name}' must be {kind}"));
    match (shape, value) {
        (Shape::Text { shortest }, Value::String(text)) => {
            if text.chars().count() < *shortest {
                Err(format!("Field '{name}' is smaller than the minimum length"))
            } else {
                Ok(())
            }
        }
        (Shape::OneOf(values), Value::String(text)) => {
            if values.contains(&text.as_str()) {
                Ok(())
            } else {
                Err(format!("Field '{name}' is not an expected value"))
            }
        }
        (Shape::Text { .. } | Shape::OneOf(_), _) => must_be("a string"),
        (Shape::Number { least, most }, Value::Number(number)) => match number.as_f64() {
            Some(number) if number < *least => Err(format!("Field '{name}' is less than the minimum value")),
            Some(number) if number > *most => Err(format!("Field '{name}' exceeds the maximum value")),
            _ => Ok(()),
        },
        (Shape::Number { .. }, _) => must_be("a number"),
        (Shape::Boolean, Value::Bool(_)) => Ok(()),
        (Shape::Boolean, _) => must_be("a boolean"),
        (Shape::List(shape), Value::Array(items)) => {
            items.iter().try_for_each(|item| check(shape, name, item, mode))
        }
        (Shape::List(_), _) => must_be("an array"),
        (Shape::Object(fields), Value::Object(given)) => {
            fields.iter().try_for_each(|field| match given.get(field.name) {
                Some(value) => check(&field.shape, field.name, value, mode),
                None if field.required && mode == FieldValidation::Strict => {
                    Err(format!("Required field '{}' is missing", field.name))
                }
                None => Ok(()),
            })
        }
        (Shape::Object(_), _) => must_be("an object"),
        (Shape::Anything, _) => Ok(()),
    }
}
