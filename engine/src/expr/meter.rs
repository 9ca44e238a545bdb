//! The limits of what an evaluation of JSONata may make. AWS counts the memory that its sandbox allocates
//! ("Expression limits and guardrails" of AWS Elemental Inference: 1,000 ms, 10 MB, a stack of 100); here
//! everything that can grow is counted. The functions in this file are called by the calls that `measure`
//! inserts into an expression.

use std::cell::RefCell;
use std::rc::{Rc, Weak};

use jsonata_core::evaluator::{Evaluator, EvaluatorError};
use jsonata_core::value::{JValue, with_stack};

use super::words::{TOO_LONG, TOO_MUCH, thrown};

/// The largest text, and the largest value with everything in it, in bytes.
const LARGEST: usize = 16 << 20;
/// The most bytes of texts that exist at the same time.
const TEXTS: usize = 64 << 20;
/// The most bytes of arrays that one evaluation makes.
const ARRAYS: usize = 512 << 20;
/// The most bytes of texts that functions return to `$replace` in one evaluation.
const REPLACED: usize = 64 << 20;
/// The weight of a node without its text, in bytes.
const NODE: usize = 8;
/// Texts shorter than this, in bytes, are not tracked.
const SHORT: usize = 1 << 10;
/// The most steps of a regular expression: its instructions times the characters that it is matched with.
const STEPS: usize = 1 << 30;

/// The names of the inserted functions. No expression can contain them, because a name ends at a space.
pub(super) const VALUE: &str = "the value";
pub(super) const TEXT: &str = "the text";
pub(super) const LIST: &str = "the list";
pub(super) const BUILTIN: &str = "the function";
pub(super) const IS_FUNCTION: &str = "is a function";
pub(super) const REPLACEMENT: &str = "the replacement";
pub(super) const SUBJECT: &str = "the subject";
pub(super) const JOIN: &str = "the join";
pub(super) const PICTURE: &str = "the picture";
pub(super) const SPELLED: &str = "the number to spell";

type Result<T = JValue> = std::result::Result<T, EvaluatorError>;

/// The values that an evaluation has made so far.
#[derive(Default)]
struct Meter {
    texts: Vec<Weak<str>>,
    /// The total length of the tracked texts, in bytes.
    followed: usize,
    arrays: usize,
    replaced: usize,
}

impl Meter {
    fn text(&mut self, text: &Rc<str>) -> Result<()> {
        if text.len() > LARGEST {
            return Err(too_much());
        }
        if text.len() < SHORT {
            return Ok(());
        }
        self.texts.push(Rc::downgrade(text));
        self.followed += text.len();
        if self.followed > TEXTS {
            self.texts.retain(|text| text.strong_count() > 0);
            self.followed = self.texts.iter().filter_map(Weak::upgrade).map(|text| text.len()).sum();
            // A text may be tracked twice, so only half of the limit is certain.
            if self.followed > TEXTS / 2 {
                return Err(too_much());
            }
        }
        Ok(())
    }

    fn array(&mut self, items: usize, cost: usize) -> Result<()> {
        self.arrays = self.arrays.saturating_add(items.saturating_mul(cost));
        if self.arrays > ARRAYS { Err(too_much()) } else { Ok(()) }
    }
}

/// Registers the functions that `measure` inserts calls of.
pub(super) fn register(evaluator: &mut Evaluator) {
    let meter = Rc::new(RefCell::new(Meter::default()));
    let mut add = |name: &'static str, function: fn(&[JValue], &mut Meter) -> Result| {
        let meter = meter.clone();
        let added =
            evaluator.register_fn(name, move |args: &[JValue]| function(args, &mut meter.borrow_mut()));
        added.expect("a name with a space cannot clash with a function of JSONata");
    };
    add(VALUE, |args, _| {
        let value = first(args);
        weigh(&value)?;
        Ok(value)
    });
    add(TEXT, |args, meter| {
        let value = first(args);
        if let JValue::String(text) = &value {
            meter.text(text)?;
        }
        Ok(value)
    });
    add(LIST, |args, meter| {
        let value = first(args);
        if let JValue::Array(items) = &value {
            meter.array(items.len(), number(args, 1))?;
            weigh(&value)?;
        }
        Ok(value)
    });
    add(REPLACEMENT, |args, meter| {
        let value = first(args);
        if let JValue::String(text) = &value {
            meter.replaced += text.len();
            if meter.replaced > REPLACED {
                return Err(too_much());
            }
        }
        Ok(value)
    });
    add(IS_FUNCTION, |args, _| Ok(JValue::Bool(first(args).is_function())));
    add(BUILTIN, |args, _| {
        let value = first(args);
        Ok(match &value {
            JValue::Builtin { name } => super::growth::stand_in(name)
                .map_or(value.clone(), |name| JValue::Builtin { name: name.into() }),
            _ => value,
        })
    });
    add(SUBJECT, |args, _| {
        let value = first(args);
        if let JValue::String(text) = &value {
            subject(text, args.get(1), args.get(2), number(args, 3))?;
        }
        Ok(value)
    });
    add(JOIN, |args, _| {
        let list = first(args);
        if let JValue::Array(items) = &list {
            let separator = args.get(1).and_then(JValue::as_str).map_or(0, str::len);
            let texts = items.iter().filter_map(JValue::as_str).map(|text| text.len() + separator);
            within(texts.fold(0, usize::saturating_add))?;
        }
        Ok(list)
    });
    add(PICTURE, |args, _| {
        let picture = first(args);
        let widths = picture.as_str().unwrap_or_default().split(|c: char| !c.is_ascii_digit());
        if widths
            .filter(|width| !width.is_empty())
            .any(|width| width.parse::<usize>().is_ok_and(|width| width > LARGEST))
        {
            Err(too_much())
        } else {
            Ok(picture)
        }
    });
    add(SPELLED, |args, _| {
        // A Roman numeral has an M for each thousand.
        let number = first(args);
        let roman = args.get(1).and_then(JValue::as_str).is_none_or(|picture| picture.contains(['i', 'I']));
        if roman && number.as_f64().is_some_and(|number| number.abs() > 1e8) {
            Err(too_much())
        } else {
            Ok(number)
        }
    });
    for (name, builtin, arity) in super::growth::stand_ins() {
        let meter = meter.clone();
        let added = evaluator.register_fn(*name, move |args: &[JValue]| {
            let args = &args[..args.len().min(*arity)];
            args.iter().try_for_each(weigh)?;
            let made = super::functions::builtin(builtin, args)?;
            match &made {
                JValue::String(text) => meter.borrow_mut().text(text)?,
                JValue::Array(items) => meter.borrow_mut().array(items.len(), 64)?,
                _ => {}
            }
            Ok(made)
        });
        added.expect("a name with a space cannot clash with a function of JSONata");
    }
}

/// Fails if a pattern would take too many steps, or if its replacements would be too large.
fn subject(text: &str, pattern: Option<&JValue>, replacement: Option<&JValue>, longest: usize) -> Result<()> {
    if text.len() > longest {
        return Err(too_much());
    }
    let found = match pattern {
        Some(JValue::Regex { pattern, .. }) => {
            if instructions(pattern).saturating_mul(text.len()) > STEPS {
                return Err(thrown(TOO_LONG));
            }
            text.len()
        }
        Some(JValue::String(pattern)) if pattern.is_empty() => text.len() + 1,
        Some(JValue::String(pattern)) => text.matches(&**pattern).count(),
        _ => 0,
    };
    let Some(JValue::String(new)) = replacement else { return Ok(()) };
    let groups = new.matches('$').count();
    let most =
        |found: usize| text.len().saturating_mul(1 + groups).saturating_add(found.saturating_mul(new.len()));
    if most(found) <= LARGEST {
        return Ok(());
    }
    let Some(pattern @ JValue::Regex { .. }) = pattern else { return Err(too_much()) };
    let parts = super::functions::builtin("split", &[JValue::string(text), pattern.clone()])?;
    within(most(parts.as_array().map_or(1, Vec::len)))
}

/// An upper bound of the instructions of a compiled regular expression, in which repeated parts are repeated.
fn instructions(pattern: &str) -> usize {
    let repeated = pattern.split('{').skip(1).filter_map(|rest| {
        let counts = rest.split_once('}')?.0;
        counts.split(',').filter_map(|count| count.parse::<usize>().ok()).max()
    });
    repeated.fold(pattern.len().max(1), |size, count| size.saturating_mul(count.max(1)))
}

/// The weight of a value with everything in it: its nodes and its bytes of text.
#[derive(Default)]
pub(super) struct Weight(usize);

impl Weight {
    /// Adds a node with a text of this many bytes.
    pub(super) fn add(&mut self, bytes: usize) -> Result<()> {
        self.0 += NODE + bytes;
        within(self.0)
    }

    fn value(&mut self, value: &JValue) -> Result<()> {
        match value {
            JValue::String(text) => self.add(text.len()),
            JValue::Array(items) => {
                self.add(0)?;
                with_stack(|| items.iter().try_for_each(|item| self.value(item)))
            }
            JValue::Object(fields) => {
                self.add(0)?;
                with_stack(|| {
                    fields.iter().try_for_each(|(name, value)| {
                        self.add(name.len())?;
                        self.value(value)
                    })
                })
            }
            _ => self.add(0),
        }
    }
}

/// Fails if a value is too large as a whole. A part that it holds twice counts twice, because functions that
/// walk through the value visit it twice.
fn weigh(value: &JValue) -> Result<()> {
    Weight::default().value(value)
}

fn within(bytes: usize) -> Result<()> {
    if bytes > LARGEST { Err(too_much()) } else { Ok(()) }
}

fn first(args: &[JValue]) -> JValue {
    args.first().cloned().unwrap_or(JValue::Undefined)
}

fn number(args: &[JValue], index: usize) -> usize {
    args.get(index).and_then(JValue::as_f64).map_or(usize::MAX, |number| number as usize)
}

fn too_much() -> EvaluatorError {
    thrown(TOO_MUCH)
}
