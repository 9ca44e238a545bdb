//! The Wait state.

use std::borrow::Cow;

use serde_json::Value;

use super::frame::Running;
use crate::error::Halt;
use crate::expr::Path;
use crate::expr::comparison::parse_timestamp;
use crate::failure::Failure;
use crate::journal::micros;
use crate::machine::{Number, State, Until};
use crate::quotas::MAX_SECONDS;

/// A second in microseconds.
const SECOND: i64 = 1_000_000;
/// The longest wait, in seconds.
const SECONDS: i64 = MAX_SECONDS as i64;

impl Running {
    /// Waits until a time that is computed and saved when the wait begins.
    pub(super) async fn wait(&mut self, state: &State, until: &Until) -> Result<(), Halt> {
        let wake = match self.at.wake {
            Some(wake) => wake,
            None => {
                let input = self.effective_input(state)?;
                let wake = self.wake_time(state, until, &input)?;
                self.at.wake = Some(wake);
                self.save().await?;
                wake
            }
        };
        self.sleep_until(wake).await
    }

    pub(super) fn wake_time(&mut self, state: &State, until: &Until, input: &Value) -> Result<i64, Failure> {
        let now = micros(self.runtime.host.now());
        match until {
            Until::Seconds(Number::Literal(seconds)) => Ok(now + *seconds as i64 * SECOND),
            Until::Seconds(Number::Path(path)) => {
                let value = self.required_value(state, path, input, "SecondsPath")?;
                Ok(now + seconds(path, &value)? * SECOND)
            }
            Until::Seconds(Number::Expression(expression)) => {
                let value = self.evaluate(state, input, |env| expression.run_as("number", env))?;
                match value.as_i64() {
                    Some(seconds @ 0..=SECONDS) => Ok(now + seconds * SECOND),
                    _ => Err(Failure::query_result(
                        "Seconds",
                        format!(
                            "The Seconds field must be a whole number from 0 to {SECONDS} but was: {value}"
                        ),
                    )),
                }
            }
            Until::Timestamp(moment) => Ok(micros(*moment)),
            Until::TimestampPath(path) => {
                let value = self.required_value(state, path, input, "TimestampPath")?;
                let moment = value.as_str().and_then(parse_timestamp);
                moment.map(micros).ok_or_else(|| {
                    let what = "does not reference a valid ISO-8601 extended offset date-time format string";
                    refused("TimestampPath", what, path, &value)
                })
            }
            Until::TimestampExpression(expression) => {
                let value = self.evaluate(state, input, |env| expression.run_as("string", env))?;
                let text = value.as_str().unwrap_or_default();
                parse_timestamp(text).map(micros).ok_or_else(|| {
                    let cause =
                        format!("The Timestamp field cannot be parsed as an ISO-8601 extended offset date-time format string: {text}");
                    Failure::query_result("Timestamp", cause)
                })
            }
        }
    }

    fn required_value(
        &mut self,
        state: &State,
        path: &Path,
        input: &Value,
        field: &str,
    ) -> Result<Value, Failure> {
        let value = self.evaluate(state, input, |env| Ok(path.find(env)?.map(Cow::into_owned)))?;
        value.ok_or_else(|| {
            Failure::runtime(format!(
                "The {field} parameter does not reference an input value: {}",
                path.text()
            ))
        })
    }
}

fn seconds(path: &Path, value: &Value) -> Result<i64, Failure> {
    match value.as_i64() {
        Some(seconds @ 0..=SECONDS) => Ok(seconds),
        Some(seconds) if seconds < 0 => {
            Err(refused("SecondsPath", "references a negative value", path, value))
        }
        Some(_) => Err(refused("SecondsPath", "references a value that is too large", path, value)),
        None => Err(refused("SecondsPath", "cannot be parsed as a long value", path, value)),
    }
}

fn refused(field: &str, what: &str, path: &Path, value: &Value) -> Failure {
    let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    Failure::runtime(format!("The {field} parameter {what}: {} == {value}", path.text()))
}
