//! The functions that Step Functions adds to JSONata, the one that it removes, and replacements for those
//! whose results must be the same after a crash or must not grow without limit.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use jsonata_core::ast::AstNode;
use jsonata_core::evaluator::{Context, Evaluator, EvaluatorError};
use jsonata_core::value::JValue;
use serde_json::Value;

use super::convert::{Unfit, from_json, to_json};
use super::intrinsics;
use super::meter::{TOO_MUCH, thrown};
use super::{RecordedDraws, RecordedRng};
use crate::host::Host;
use crate::quotas::MAX_DATA;

type Result = std::result::Result<JValue, EvaluatorError>;

/// The recorded random numbers, owned by an evaluation while it runs.
pub(super) struct EvaluationRng {
    host: Arc<dyn Host>,
    draws: RecordedDraws,
    /// The time of the evaluation, which does not change while it runs.
    millis: Option<i64>,
}

impl EvaluationRng {
    pub(super) fn begin(rng: &mut RecordedRng<'_>) -> Self {
        Self { host: rng.host.clone(), draws: std::mem::take(rng.draws), millis: None }
    }

    pub(super) fn end(&mut self, rng: &mut RecordedRng<'_>) {
        *rng.draws = std::mem::take(&mut self.draws);
    }

    fn recorded(&mut self) -> RecordedRng<'_> {
        RecordedRng { host: &self.host, draws: &mut self.draws }
    }

    fn millis(&mut self) -> i64 {
        match self.millis {
            Some(millis) => millis,
            None => {
                let millis = self.recorded().millis();
                *self.millis.insert(millis)
            }
        }
    }
}

type Function = fn(&[JValue], &mut EvaluationRng) -> Result;

const FUNCTIONS: &[(&str, Function)] = &[
    ("partition", |args, _| {
        let (list, size) = (argument(args, 0)?, argument(args, 1)?);
        intrinsic(list.and_then(|list| Some(intrinsics::array_partition(&list, &whole(size?)))))
    }),
    ("range", |args, _| {
        let all = (argument(args, 0)?, argument(args, 1)?, argument(args, 2)?);
        let (Some(first), Some(last), Some(step)) = all else { return Ok(JValue::Undefined) };
        let mut range =
            intrinsic(Some(intrinsics::array_range(&whole(first), &whole(last), &whole(step), LONGEST)))?;
        // JSONata turns a sequence of one number into that number.
        range.mark_sequence();
        Ok(range)
    }),
    ("hash", |args, _| {
        let (data, algorithm) = (argument(args, 0)?, argument(args, 1)?);
        intrinsic(data.and_then(|data| Some(intrinsics::hash(&data, &algorithm?))))
    }),
    ("random", |args, rng| {
        Ok(JValue::Number(match argument(args, 0)? {
            Some(seed) => intrinsics::seeded(&seed).map_err(thrown)?,
            None => rng.recorded().random(),
        }))
    }),
    ("uuid", |_, rng| Ok(from_json(&rng.recorded().uuid()))),
    ("parse", |args, _| {
        let Some(text) = argument(args, 0)? else { return Ok(JValue::Undefined) };
        let Some(text) = text.as_str() else {
            return Err(thrown("T0410: Argument 1 of function \"parse\" does not match function signature"));
        };
        crate::json::from_str(text)
            .map(|value| from_json(&value))
            .map_err(|error| thrown(format!("the text is not JSON: {error}")))
    }),
    ("eval", |_, _| Err(thrown("T1006: Attempted to invoke a non-function"))),
    ("millis", |_, rng| Ok(JValue::Number(rng.millis() as f64))),
    ("now", |args, rng| {
        let mut args = args.to_vec();
        args.insert(0, JValue::Number(rng.millis() as f64));
        builtin("fromMillis", &args)
    }),
    ("pad", |args, _| match args.get(1).and_then(JValue::as_f64) {
        Some(width) if width.abs() > WIDEST => {
            Err(thrown(format!("$pad makes no text of {width} characters")))
        }
        _ => builtin("pad", args),
    }),
];

/// The longest text that `$pad` makes, in characters: an output cannot have more bytes.
const WIDEST: f64 = MAX_DATA as f64;

/// Calls JSONata's own function of this name.
pub(super) fn builtin(name: &str, args: &[JValue]) -> Result {
    let mut context = Context::new();
    let names: Vec<String> = (0..args.len()).map(|i| format!("a{i}")).collect();
    for (name, value) in names.iter().zip(args) {
        context.bind(name.clone(), value.clone());
    }
    let args = names.into_iter().map(AstNode::Variable).collect();
    let call = AstNode::Function { name: name.to_owned(), args, is_builtin: true };
    Evaluator::with_context(context).evaluate(&call, &JValue::Undefined)
}

/// Registers the functions that the source names.
pub(super) fn register(evaluator: &mut Evaluator, source: &str, rng: &Rc<RefCell<EvaluationRng>>) {
    for &(name, function) in FUNCTIONS.iter().filter(|(name, _)| source.contains(name)) {
        let rng = rng.clone();
        let added = evaluator
            .register_fn_override(name, move |args: &[JValue]| function(args, &mut rng.borrow_mut()));
        added.expect("JSONata allows every function of this table to be replaced");
    }
}

fn argument(args: &[JValue], index: usize) -> std::result::Result<Option<Value>, EvaluatorError> {
    match args.get(index) {
        None | Some(JValue::Undefined) => Ok(None),
        Some(value) => match to_json(value) {
            Ok(value) => Ok(Some(value)),
            Err(Unfit::Function) => Ok(None),
            Err(Unfit::TooLarge | Unfit::TooDeep) => Err(thrown(TOO_MUCH)),
        },
    }
}

/// The longest sequence, in items.
const LONGEST: usize = 1_000_000;

/// Removes the fraction of a number. Other values are left for the function to refuse.
fn whole(number: Value) -> Value {
    match number.as_f64() {
        Some(number) => Value::from(number.trunc()),
        None => number,
    }
}

fn intrinsic(found: Option<std::result::Result<Value, String>>) -> Result {
    match found {
        None => Ok(JValue::Undefined),
        Some(found) => found.map(|value| from_json(&value)).map_err(thrown),
    }
}
