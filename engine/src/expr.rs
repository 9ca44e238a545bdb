//! Expressions: pure functions of the values in scope and of recorded random draws.

pub(crate) mod comparison;
mod convert;
mod cursor;
mod exact;
mod functions;
mod growth;
mod intrinsic;
mod intrinsics;
pub(crate) mod jsonata;
mod measure;
mod meter;
mod path;
mod pattern;
mod reference;
mod references;
mod syntax_tree;
mod template;
mod variables;
mod words;

use std::ops::Deref;
use std::sync::Arc;

use serde_json::Value;

pub(crate) use jsonata::Expression;
pub(crate) use path::Path;
pub(crate) use reference::ReferencePath;
pub(crate) use template::Template;
pub(crate) use variables::Variables;

use crate::failure::Failure;
use crate::host::Host;

/// The environment of an evaluation.
pub(crate) struct Env<'a, 'd> {
    pub(crate) scope: EvalScope<'a>,
    pub(crate) rng: &'a mut RecordedRng<'d>,
    pub(crate) made: Made,
}

/// The values that the expressions of one evaluation have made.
#[derive(Debug, Default)]
pub(crate) struct Made {
    values: usize,
    bytes: usize,
}

/// The most values that are not weighed: each has at most 256 KiB.
const UNWEIGHED: usize = 64;
/// The largest size of all values of one evaluation, in bytes.
const LARGEST: usize = 64 << 20;

impl Env<'_, '_> {
    /// Counts a value of an expression. Fails if all values together take too much memory.
    fn count(&mut self, value: &Value, can_grow: bool) -> Result<(), Failure> {
        self.made.values += 1;
        if !can_grow && self.made.values <= UNWEIGHED {
            return Ok(());
        }
        self.made.bytes = self.made.bytes.saturating_add(memory(value));
        if self.made.bytes > LARGEST {
            let name = self.scope.context["State"]["Name"].as_str().unwrap_or_default().to_owned();
            return Err(Failure::too_large(&name));
        }
        Ok(())
    }
}

/// The memory that a value takes, in bytes.
pub(crate) fn memory(value: &Value) -> usize {
    size_of::<Value>()
        + match value {
            Value::String(text) => text.len(),
            Value::Array(items) => items.iter().map(memory).sum(),
            Value::Object(fields) => fields.iter().map(|(name, value)| name.len() + memory(value)).sum(),
            _ => 0,
        }
}

/// The values that an expression can refer to.
#[derive(Clone, Copy)]
pub(crate) struct EvalScope<'a> {
    pub(crate) input: &'a Value,
    /// The state's result, once it has one.
    pub(crate) result: Option<&'a Value>,
    /// The error that a catcher has caught.
    pub(crate) error: Option<&'a Value>,
    /// The context object; it is made only when an expression refers to it.
    pub(crate) context: &'a dyn Deref<Target = Value>,
    pub(crate) variables: &'a Variables,
}

impl<'a> EvalScope<'a> {
    /// The value of JSONPath's `$`: the caught error, else the result, else the input.
    pub(crate) fn current(&self) -> &'a Value {
        self.error.or(self.result).unwrap_or(self.input)
    }
}

/// Random numbers, UUIDs and times that are the same when a state is evaluated again after a crash: draws are
/// recorded, and recorded draws are used first.
pub(crate) struct RecordedRng<'d> {
    pub(crate) host: &'d Arc<dyn Host>,
    pub(crate) draws: &'d mut RecordedDraws,
}

/// The draws of one visit of a state. `used` counts those that the current evaluation has used.
#[derive(Debug, Default)]
pub(crate) struct RecordedDraws {
    pub(crate) all: Vec<Value>,
    pub(crate) used: usize,
}

impl RecordedRng<'_> {
    pub(crate) fn uuid(&mut self) -> Value {
        self.draw(|host| Value::String(host.uuid()))
    }

    pub(crate) fn token(&mut self, execution: &str, attempt: &[u8]) -> Value {
        self.draw(|host| Value::String(host.token(execution, attempt)))
    }

    pub(crate) fn random(&mut self) -> f64 {
        self.draw(|host| Value::from(host.random())).as_f64().unwrap_or_default()
    }

    /// The time, in milliseconds since 1970.
    pub(crate) fn millis(&mut self) -> i64 {
        let drawn = self.draw(|host| Value::from((host.now().unix_timestamp_nanos() / 1_000_000) as i64));
        drawn.as_i64().unwrap_or_default()
    }

    fn draw(&mut self, from: impl FnOnce(&dyn Host) -> Value) -> Value {
        if self.draws.used == self.draws.all.len() {
            self.draws.all.push(from(&**self.host));
        }
        self.draws.used += 1;
        self.draws.all[self.draws.used - 1].clone()
    }
}
