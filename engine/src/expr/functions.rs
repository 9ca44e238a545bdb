//! The functions that Step Functions adds to JSONata, and the one that it takes away.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use jsonata_core::evaluator::{Evaluator, EvaluatorError};
use jsonata_core::value::JValue;
use serde_json::Value;

use super::intrinsics;
use super::jsonata::{from_json, to_json};
use super::{Dice, Draws};
use crate::host::Host;

type Result = std::result::Result<JValue, EvaluatorError>;

/// Dice that an evaluation holds while it runs.
pub(super) struct Drawing {
    host: Arc<dyn Host>,
    draws: Draws,
}

impl Drawing {
    pub(super) fn begin(dice: &mut Dice<'_>) -> Drawing {
        Drawing { host: dice.host.clone(), draws: std::mem::take(dice.draws) }
    }

    pub(super) fn end(&mut self, dice: &mut Dice<'_>) {
        *dice.draws = std::mem::take(&mut self.draws);
    }

    fn dice(&mut self) -> Dice<'_> {
        Dice { host: &self.host, draws: &mut self.draws }
    }
}

type Function = fn(&[JValue], &mut Dice<'_>) -> Result;

const FUNCTIONS: &[(&str, Function)] = &[
    ("partition", |args, _| {
        let (list, size) = (argument(args, 0), argument(args, 1));
        intrinsic(list.and_then(|list| Some(intrinsics::array_partition(&list, &size?))))
    }),
    ("range", |args, _| {
        let all = (argument(args, 0), argument(args, 1), argument(args, 2));
        let (Some(first), Some(last), Some(step)) = all else { return Ok(JValue::Undefined) };
        intrinsic(Some(intrinsics::array_range(&first, &last, &step)))
    }),
    ("hash", |args, _| {
        let (data, algorithm) = (argument(args, 0), argument(args, 1));
        intrinsic(data.and_then(|data| Some(intrinsics::hash(&data, &algorithm?))))
    }),
    ("random", |args, dice| {
        Ok(JValue::Number(match argument(args, 0) {
            Some(seed) => intrinsics::seeded(&seed).map_err(thrown)?,
            None => dice.random(),
        }))
    }),
    ("uuid", |_, dice| Ok(from_json(&dice.uuid()))),
    ("parse", |args, _| {
        let Some(text) = argument(args, 0) else { return Ok(JValue::Undefined) };
        let Some(text) = text.as_str() else {
            return Err(thrown("T0410: Argument 1 of function \"parse\" does not match function signature"));
        };
        serde_json::from_str(text).map(|value: Value| from_json(&value)).map_err(|error| thrown(format!("the text is not JSON: {error}")))
    }),
    ("eval", |_, _| Err(thrown("T1006: Attempted to invoke a non-function"))),
];

/// Adds those that the source names.
pub(super) fn register(evaluator: &mut Evaluator, source: &str, drawing: &Rc<RefCell<Drawing>>) {
    for &(name, function) in FUNCTIONS.iter().filter(|(name, _)| source.contains(name)) {
        let drawing = drawing.clone();
        let added = evaluator.register_fn_override(name, move |args: &[JValue]| function(args, &mut drawing.borrow_mut().dice()));
        added.expect("none of these names is one that can't be replaced");
    }
}

fn argument(args: &[JValue], index: usize) -> Option<Value> {
    args.get(index).filter(|value| !matches!(value, JValue::Undefined)).and_then(to_json)
}

fn intrinsic(found: Option<std::result::Result<Value, String>>) -> Result {
    match found {
        None => Ok(JValue::Undefined),
        Some(found) => found.map(|value| from_json(&value)).map_err(thrown),
    }
}

fn thrown(reason: impl Into<String>) -> EvaluatorError {
    EvaluatorError::EvaluationError(reason.into())
}
