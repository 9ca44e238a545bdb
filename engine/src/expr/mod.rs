//! Expressions: pure functions of a state's input, the context object and recorded chance.

pub(crate) mod comparison;
mod cursor;
mod filter;
mod intrinsic;
mod intrinsics;
mod path;
mod template;

use std::ops::Deref;

use serde_json::Value;

pub(crate) use path::{Path, ReferencePath};
pub(crate) use template::Template;

use crate::host::Host;

/// What an expression may see.
pub(crate) struct Env<'a, 'd> {
    pub(crate) input: &'a Value,
    /// Made only when an expression asks for it.
    pub(crate) context: &'a dyn Deref<Target = Value>,
    pub(crate) dice: &'a mut Dice<'d>,
}

/// Chance that falls the same way when a state is evaluated again after a crash: draws are
/// recorded, and recorded draws are used first.
pub(crate) struct Dice<'d> {
    pub(crate) host: &'d dyn Host,
    pub(crate) draws: &'d mut Draws,
}

/// What was drawn in a visit of a state, and how much of it the present evaluation has used.
#[derive(Debug, Default)]
pub(crate) struct Draws {
    pub(crate) all: Vec<Value>,
    pub(crate) used: usize,
}

impl Dice<'_> {
    pub(crate) fn uuid(&mut self) -> Value {
        self.draw(|host| Value::String(host.uuid()))
    }

    pub(crate) fn random(&mut self) -> f64 {
        self.draw(|host| Value::from(host.random())).as_f64().unwrap_or_default()
    }

    fn draw(&mut self, from: impl FnOnce(&dyn Host) -> Value) -> Value {
        if self.draws.used == self.draws.all.len() {
            self.draws.all.push(from(self.host));
        }
        self.draws.used += 1;
        self.draws.all[self.draws.used - 1].clone()
    }
}
