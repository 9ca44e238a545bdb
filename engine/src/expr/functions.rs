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
use super::intrinsics::{self, java_random};
use super::measure;
use super::pattern::{Dialect, Match, Pattern};
use super::words::{TOO_LONG, TOO_MUCH, thrown};
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
    ("partition", |args, _| partition(args)),
    ("range", |args, _| range(args)),
    ("hash", |args, _| {
        let (data, algorithm) = (argument(args, 0)?, argument(args, 1)?);
        intrinsic(data.and_then(|data| Some(intrinsics::hash(&data, &algorithm?))))
    }),
    ("random", |args, rng| {
        Ok(JValue::Number(match argument(args, 0)? {
            Some(seed) => match seed.as_f64() {
                Some(seed) => java_random(seed as i64),
                None => return Err(mismatch(1, "random")),
            },
            None => rng.recorded().random(),
        }))
    }),
    ("uuid", |_, rng| Ok(from_json(&rng.recorded().uuid()))),
    ("parse", |args, _| {
        let Some(text) = argument(args, 0)? else { return Ok(JValue::Undefined) };
        let Some(text) = text.as_str() else {
            return Err(mismatch(1, "parse"));
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

/// The functions that an expression names: a bit for each row of the table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Named(u16);

impl Named {
    pub(super) fn of(source: &str) -> Self {
        let named = FUNCTIONS.iter().enumerate().filter(|(_, (name, _))| source.contains(name));
        Self(named.fold(0, |bits, (i, _)| bits | 1 << i))
    }
}

/// Registers the functions that an expression names.
pub(super) fn register(evaluator: &mut Evaluator, named: Named, rng: &Rc<RefCell<EvaluationRng>>) {
    let functions = FUNCTIONS.iter().enumerate().filter(|(i, _)| named.0 & (1 << i) != 0);
    for &(name, function) in functions.map(|(_, row)| row) {
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

/// The longest result of `$range`, in items, before AWS's limit of memory stops it (measured on AWS:
/// floci#2790).
const LONGEST: f64 = 360_145.0;

/// The numbers from the first to the last, which is included if the step leads to it. Fractions are removed.
fn range(args: &[JValue]) -> Result {
    let mut bounds = [0.0; 3];
    for (i, bound) in bounds.iter_mut().enumerate() {
        *bound = match args.get(i) {
            None | Some(JValue::Undefined) => return Ok(JValue::Undefined),
            Some(JValue::Number(number)) => number.trunc(),
            Some(_) => return Err(mismatch(i + 1, "range")),
        };
    }
    let [first, last, step] = bounds;
    if step == 0.0 || !bounds.iter().all(|bound| bound.is_finite()) {
        return Err(thrown("The step of $range must be a number other than 0"));
    }
    let count = ((last - first) / step).floor() + 1.0;
    if count > LONGEST {
        return Err(thrown(TOO_MUCH));
    }
    let count = count.max(0.0) as usize;
    let mut items = JValue::array((0..count).map(|i| JValue::Number(first + i as f64 * step)).collect());
    // JSONata turns a sequence of one number into that number.
    items.mark_sequence();
    Ok(items)
}

/// The parts of an array that have this many items, whose fraction is removed.
fn partition(args: &[JValue]) -> Result {
    let (list, size) = match (args.first(), args.get(1)) {
        (None | Some(JValue::Undefined), _) | (_, None | Some(JValue::Undefined)) => {
            return Ok(JValue::Undefined);
        }
        (Some(JValue::Array(list)), Some(JValue::Number(size))) => (list, size.trunc()),
        (Some(JValue::Array(_)), _) => return Err(mismatch(2, "partition")),
        _ => return Err(mismatch(1, "partition")),
    };
    if !size.is_finite() || size < 1.0 {
        return Err(thrown("The size of the parts must be at least 1"));
    }
    Ok(JValue::array(list.chunks(size as usize).map(|part| JValue::array(part.to_vec())).collect()))
}

fn mismatch(index: usize, function: &str) -> EvaluatorError {
    thrown(format!("T0410: Argument {index} of function \"{function}\" does not match function signature"))
}

/// Matches a pattern that looks around or back: the pattern, its flags, the text, and the place to begin at,
/// in UTF-16 units.
pub(super) fn match_once(args: &[JValue]) -> Result {
    let text = |index: usize| args.get(index).and_then(JValue::as_str).unwrap_or_default();
    let (subject, from) = (text(2), args.get(3).and_then(JValue::as_f64).unwrap_or_default());
    let mut units = 0;
    let start = subject.char_indices().find(|(_, c)| {
        let found = units >= from as usize;
        units += if found { 0 } else { c.len_utf16() };
        found
    });
    let start = match start {
        Some((at, _)) => at,
        // Nothing can be left to match.
        None if from > 0.0 => return Ok(JValue::Undefined),
        None => 0,
    };
    // A pattern that is wrong was refused with the definition.
    let pattern = Pattern::new(text(0), text(1), Dialect::Part).map_err(|_| thrown(TOO_LONG))?;
    let Some(found) = find(&pattern, subject, start)? else { return Ok(JValue::Undefined) };
    let units = |end: usize| subject[..end].encode_utf16().count();
    let groups = found.groups.into_iter().map(JValue::string).collect();
    let fields = [
        ("match", JValue::string(&subject[found.start..found.end])),
        ("start", JValue::Number(units(found.start) as f64)),
        ("end", JValue::Number(units(found.end) as f64)),
        ("groups", JValue::array(groups)),
    ];
    Ok(JValue::object(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()))
}

/// The parts of a text between the matches of a pattern that looks around or back: the text, the pattern, its
/// flags, and the most parts.
pub(super) fn split_at_matches(args: &[JValue]) -> Result {
    let text = |index: usize| args.get(index).and_then(JValue::as_str);
    let subject = match (args.first(), text(0)) {
        (None | Some(JValue::Undefined), _) => return Ok(JValue::Undefined),
        (_, None) => return Err(mismatch(1, "split")),
        (_, Some(subject)) if subject.len() > measure::SPLIT as usize => return Err(thrown(TOO_MUCH)),
        (_, Some(subject)) => subject,
    };
    let most = match args.get(3) {
        None | Some(JValue::Undefined) => usize::MAX,
        Some(JValue::Number(most)) if *most >= 0.0 => most.floor() as usize,
        Some(JValue::Number(_)) => {
            return Err(thrown("D3020: Third argument of split function must evaluate to a positive number"));
        }
        Some(_) => return Err(mismatch(3, "split")),
    };
    let pattern =
        text(1).zip(text(2)).and_then(|(pattern, flags)| Pattern::new(pattern, flags, Dialect::Part).ok());
    let pattern = pattern.ok_or_else(|| thrown(TOO_LONG))?;
    let (mut parts, mut at) = (Vec::new(), 0);
    while let Some(found) = find(&pattern, subject, at)? {
        parts.push(JValue::string(&subject[at..found.start]));
        at = found.end;
    }
    parts.push(JValue::string(&subject[at..]));
    parts.truncate(most);
    Ok(JValue::array(parts))
}

fn find(pattern: &Pattern, text: &str, from: usize) -> std::result::Result<Option<Match>, EvaluatorError> {
    match pattern.find(text, from).map_err(|_| thrown(TOO_LONG))? {
        Some(found) if found.start == found.end => {
            Err(thrown("D1004: Regular expression matches zero length string"))
        }
        found => Ok(found),
    }
}

fn intrinsic(found: Option<std::result::Result<Value, String>>) -> Result {
    match found {
        None => Ok(JValue::Undefined),
        Some(found) => found.map(|value| from_json(&value)).map_err(thrown),
    }
}
