//! Expressions: pure functions of what a state may see and of recorded chance.

pub(crate) mod comparison;
mod convert;
mod cursor;
mod filter;
mod functions;
mod intrinsic;
mod intrinsics;
pub(crate) mod jsonata;
mod measure;
mod meter;
mod path;
mod reference;
mod references;
mod template;
mod variables;

use std::ops::Deref;
use std::sync::Arc;

use serde_json::Value;

pub(crate) use jsonata::Expression;
pub(crate) use path::Path;
pub(crate) use reference::ReferencePath;
pub(crate) use template::Template;
pub(crate) use variables::Variables;

use crate::host::Host;

/// What an expression is evaluated with.
pub(crate) struct Env<'a, 'd> {
    pub(crate) scope: EvalScope<'a>,
    pub(crate) rng: &'a mut RecordedRng<'d>,
}

/// What an expression may see.
#[derive(Clone, Copy)]
pub(crate) struct EvalScope<'a> {
    pub(crate) input: &'a Value,
    /// Of the state, once it has one.
    pub(crate) result: Option<&'a Value>,
    /// What a catcher has caught.
    pub(crate) error: Option<&'a Value>,
    /// Made only when an expression asks for it.
    pub(crate) context: &'a dyn Deref<Target = Value>,
    pub(crate) variables: &'a Variables,
}

impl<'a> EvalScope<'a> {
    /// JSONPath's `$`: the latest of these.
    pub(crate) fn current(&self) -> &'a Value {
        self.error.or(self.result).unwrap_or(self.input)
    }
}

/// Chance that falls the same way when a state is evaluated again after a crash: draws are
/// recorded, and recorded draws are used first.
pub(crate) struct RecordedRng<'d> {
    pub(crate) host: &'d Arc<dyn Host>,
    pub(crate) draws: &'d mut RecordedDraws,
}

/// What was drawn in a visit of a state, and how much of it the present evaluation has used.
#[derive(Debug, Default)]
pub(crate) struct RecordedDraws {
    pub(crate) all: Vec<Value>,
    pub(crate) used: usize,
}

impl RecordedRng<'_> {
    pub(crate) fn uuid(&mut self) -> Value {
        self.draw(|host| Value::String(host.uuid()))
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
