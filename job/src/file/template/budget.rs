//! The memory that one rendering may use. A line decides how often a loop runs and how long its values are,
//! so every text and list that a template makes is measured before it is made.

use std::cell::Cell;
use std::io;

use minijinja::value::{Value, ValueKind};
use minijinja::{Error, ErrorKind, Output};

use super::exact;

/// The maximum number of bytes of one text or list, and of the rendered text.
pub(super) const MAX_RENDERED: u64 = 16 << 20;
/// The maximum number of bytes that a filter may need while it works on its arguments.
const MAX_WORKING: u64 = 4 * MAX_RENDERED;
/// The maximum number of bytes of all texts and lists of one rendering together.
const MAX_MADE: u64 = 8 * MAX_RENDERED;
/// Bytes of an element of a list.
pub(super) const ELEMENT: u64 = 32;
/// The deepest nesting of lists: serde_json reads none that are deeper.
const MAX_DEPTH: u64 = 128;

thread_local! {
    /// The bytes that this thread's rendering may still make; `None` after it has exceeded them.
    static LEFT: Cell<Option<u64>> = const { Cell::new(Some(MAX_MADE)) };
}

/// Begins a rendering on this thread.
pub(super) fn begin() {
    LEFT.set(Some(MAX_MADE));
}

/// Whether this thread's rendering has exceeded its budget.
pub(super) fn is_exceeded() -> bool {
    LEFT.get().is_none()
}

/// Counts bytes that were made, or are about to be made.
pub(super) fn charge(bytes: u64) -> Result<(), Error> {
    let left = LEFT.get().and_then(|left| left.checked_sub(bytes)).filter(|_| bytes <= MAX_RENDERED);
    LEFT.set(left);
    left.map(|_| ()).ok_or_else(exceeded)
}

/// Refuses work that would take too many bytes at once.
pub(super) fn allow(bytes: u64) -> Result<(), Error> {
    if bytes <= MAX_WORKING { Ok(()) } else { Err(exceed()) }
}

/// Refuses a value that would have too many bytes.
pub(super) fn allow_value(bytes: u64) -> Result<(), Error> {
    if bytes <= MAX_RENDERED { Ok(()) } else { Err(exceed()) }
}

/// Counts a value that was made: a text by its bytes, a list by its elements.
pub(super) fn charge_value(value: &Value) -> Result<(), Error> {
    charge(match value.as_str() {
        Some(text) => text.len() as u64,
        None => value.len().unwrap_or(0) as u64 * ELEMENT,
    })
}

/// About how many bytes a value has as text, with `indent` for each level of each element.
pub(super) fn text_size(value: &Value, indent: u64) -> Result<u64, Error> {
    let mut size = 0;
    add_size(value, indent, 0, &mut size)?;
    Ok(size)
}

/// The number of elements of a list, even if the list does not know its length.
pub(super) fn elements(value: &Value) -> Result<u64, Error> {
    if value.as_str().is_some() || value.is_undefined() {
        return Ok(0);
    }
    if let Some(length) = value.len() {
        return Ok(length as u64);
    }
    let Ok(items) = value.try_iter() else { return Ok(0) };
    let most = MAX_WORKING / ELEMENT;
    let counted = items.take(usize::try_from(most).unwrap_or(usize::MAX).saturating_add(1)).count() as u64;
    if counted > most { Err(exceed()) } else { Ok(counted) }
}

fn add_size(value: &Value, indent: u64, depth: u64, size: &mut u64) -> Result<(), Error> {
    if let Some(own) = exact::size(value).filter(|_| indent == 0) {
        *size = size.saturating_add(own + 4);
        return allow(*size);
    }
    let own = match value.kind() {
        ValueKind::String | ValueKind::Bytes => value.len().unwrap_or(0) as u64,
        ValueKind::Number if !value.is_integer() => {
            // Very large and very small numbers may be written with all their zeros.
            let size = f64::try_from(value.clone()).map_or(f64::MAX, f64::abs);
            if size == 0.0 || (1e-5..1e16).contains(&size) { 26 } else { 345 }
        }
        ValueKind::Number => 24,
        _ => 5,
    };
    *size = size.saturating_add(own + 4 + indent.saturating_mul(depth));
    allow(*size)?;
    if matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable | ValueKind::Map) {
        if depth == MAX_DEPTH {
            return Err(exceed());
        }
        let is_map = value.kind() == ValueKind::Map;
        for item in value.try_iter().into_iter().flatten() {
            if is_map && let Ok(member) = value.get_item(&item) {
                add_size(&member, indent, depth + 1, size)?;
            }
            add_size(&item, indent, depth + 1, size)?;
        }
    }
    Ok(())
}

/// Records that the rendering has exceeded its budget. Its error then says so, whatever the template engine
/// reports.
fn exceed() -> Error {
    LEFT.set(None);
    exceeded()
}

fn exceeded() -> Error {
    Error::new(ErrorKind::InvalidOperation, "the rendering exceeds its memory budget")
}

/// The output of a rendering. Writing fails at the first byte beyond the limit.
#[derive(Default)]
pub(super) struct Sink(Vec<u8>);

impl Sink {
    pub(super) fn into_text(self) -> String {
        String::from_utf8(self.0).expect("templates write texts")
    }
}

impl io::Write for &mut Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if (self.0.len() + bytes.len()) as u64 > MAX_RENDERED {
            LEFT.set(None);
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The output of the template engine, counted as it is written: it may be a text that the template keeps.
pub(super) struct Counted<'a, 'b> {
    pub(super) out: &'a mut Output<'b>,
    /// Everything but RFC 3986's unreserved characters becomes `%XX`.
    pub(super) percent: bool,
}

impl Counted<'_, '_> {
    pub(super) fn text(&mut self, text: &str) -> Result<(), Error> {
        if !self.percent {
            charge(text.len() as u64)?;
            return self.out.write_str(text).map_err(Error::from);
        }
        for piece in super::place::percent_encoded(text) {
            charge(piece.len() as u64)?;
            self.out.write_str(piece)?;
        }
        Ok(())
    }
}

impl io::Write for Counted<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = std::str::from_utf8(bytes).map_err(io::Error::other)?;
        self.text(text).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
