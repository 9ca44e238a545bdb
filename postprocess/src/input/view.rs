//! Items and records as slices of their lines: what [`Item`] and [`Record`] say, at a fraction of the cost. A line is
//! only checked as far as its structure; one that looks wrong is left to those two, which say what is wrong with it.

use std::borrow::Cow;
use std::sync::LazyLock;

use job::{Item, Record};
use memchr::memmem::Finder;

use crate::json::{members, text};

static VALUE: LazyLock<Finder<'_>> = LazyLock::new(|| Finder::new(b",\"v\":"));
static ERROR: LazyLock<Finder<'_>> = LazyLock::new(|| Finder::new(b",\"error\":"));

/// An item, as far as rows need it.
#[derive(Debug, PartialEq)]
pub(crate) struct ItemView<'a> {
    pub(crate) n: u64,
    pub(crate) v: Option<&'a str>,
    pub(crate) error: Option<Cow<'a, str>>,
    pub(crate) detail: Option<Cow<'a, str>>,
    pub(crate) raw: Option<Cow<'a, str>>,
}

/// A record, as far as rows and counts need it.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct RecordView<'a> {
    pub(crate) n: u64,
    pub(crate) t: u64,
    pub(crate) ms: u32,
    pub(crate) tries: u32,
    /// A JSON array.
    pub(crate) v: Option<&'a str>,
    pub(crate) error: Option<Cow<'a, str>>,
    pub(crate) detail: Option<Cow<'a, str>>,
}

/// Reads an item whose number is known.
pub(crate) fn item(line: &[u8], n: u64) -> Result<ItemView<'_>, serde_json::Error> {
    if let Some(view) =
        std::str::from_utf8(line).ok().and_then(|line| sound_item(line, n).or_else(|| item_of(line, n)))
    {
        return Ok(view);
    }
    let Item { n, v, error, detail, raw, .. } = Item::parse(line)?;
    Ok(ItemView { n, v: v.map(|v| v.get()), error, detail, raw })
}

/// Reads a record.
pub(crate) fn record(line: &[u8]) -> Result<RecordView<'_>, serde_json::Error> {
    if let Some(view) =
        std::str::from_utf8(line).ok().and_then(|line| success(line).or_else(|| record_of(line)))
    {
        return Ok(view);
    }
    Record::parse(line)?;
    Err(serde::de::Error::custom("it is not as a worker writes it"))
}

/// An item as the pre-processing writes it for a line that it could read: `v` comes last.
fn sound_item(line: &str, n: u64) -> Option<ItemView<'_>> {
    let at = VALUE.find(line.as_bytes())?;
    let v = last_value(line, at + VALUE.needle().len())?;
    Some(ItemView { n, v: Some(v), error: None, detail: None, raw: None })
}

/// A record as the worker writes it for a success: five numbers, then `v`.
fn success(line: &str) -> Option<RecordView<'_>> {
    let mut rest = line;
    let mut next = |name: &str| {
        rest = rest.strip_prefix(name)?;
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, behind) = rest.split_at(digits);
        rest = behind;
        number.parse::<u64>().ok()
    };
    let (n, t, ms, tries, _status) =
        (next("{\"n\":")?, next(",\"t\":")?, next(",\"ms\":")?, next(",\"tries\":")?, next(",\"status\":")?);
    let at = line.len() - rest.strip_prefix(",\"v\":")?.len();
    let v = last_value(line, at).filter(|v| v.starts_with('['))?;
    Some(RecordView {
        n,
        t,
        ms: ms.try_into().ok()?,
        tries: tries.try_into().ok()?,
        v: Some(v),
        error: None,
        detail: None,
    })
}

/// The array or object that begins at `at` and is all of the line but its last brace, if no error follows it.
fn last_value(line: &str, at: usize) -> Option<&str> {
    let value = line.get(at..)?.strip_suffix('}')?;
    let whole = matches!((value.as_bytes().first()?, value.as_bytes().last()?), (b'[', b']') | (b'{', b'}'));
    (whole && value.len() > 1 && ERROR.find(value.as_bytes()).is_none()).then_some(value)
}

fn item_of(line: &str, n: u64) -> Option<ItemView<'_>> {
    let mut view = ItemView { n, v: None, error: None, detail: None, raw: None };
    let mut members = members(line);
    for (key, (start, end)) in members.by_ref() {
        let value = &line[start..end];
        match key {
            "v" => view.v = Some(value).filter(|value| value.starts_with(['{', '['])),
            "error" => view.error = string(value)?,
            "detail" => view.detail = string(value)?,
            "raw" => view.raw = string(value)?,
            _ => {}
        }
    }
    members.ended_well().then_some(view)
}

fn record_of(line: &str) -> Option<RecordView<'_>> {
    let (mut view, mut n) = (RecordView::default(), None);
    let mut members = members(line);
    for (key, (start, end)) in members.by_ref() {
        let value = &line[start..end];
        match key {
            "n" => n = Some(value.parse().ok()?),
            "t" => view.t = value.parse().ok()?,
            "ms" => view.ms = value.parse().ok()?,
            "tries" => view.tries = value.parse().ok()?,
            "v" if value.starts_with('[') => view.v = Some(value),
            "error" => view.error = string(value)?,
            "detail" => view.detail = string(value)?,
            _ => {}
        }
    }
    view.n = n?;
    members.ended_well().then_some(view)
}

/// A string, or `Some(None)` for null.
fn string(value: &str) -> Option<Option<Cow<'_, str>>> {
    if value == "null" {
        return Some(None);
    }
    value.strip_prefix('"')?.strip_suffix('"').map(|inner| Some(text(inner)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;
    use serde_json::value::{RawValue, to_raw_value};

    use super::*;

    type Texts = (Option<String>, Option<String>, Option<String>);

    proptest! {
        #[test]
        fn an_item_says_what_it_says_to_serde(n: u64, at: u64, fields: Option<Vec<String>>, texts: Texts) {
            let (error, detail, raw) = texts;
            let fields = fields.map(|fields| to_raw_value(&fields).unwrap());
            let cow = |text: &Option<String>| text.clone().map(Cow::Owned);
            let (key, error, detail, raw) = (cow(&detail), cow(&error), cow(&detail), cow(&raw));
            let whole = Item { n, at, key, v: fields.as_deref(), error, detail, raw };
            let line = serde_json::to_vec(&whole).unwrap();
            let Item { v, error, detail, raw, .. } = whole;
            prop_assert_eq!(super::item(&line, n).unwrap(), ItemView { n, v: v.map(RawValue::get), error, detail, raw });
        }

        #[test]
        fn a_record_says_what_it_says_to_serde(
            (n, t, ms, tries, status) in any::<(u64, u64, u32, u32, u16)>(),
            values in prop::option::of(prop::collection::vec(any::<(String, i32)>(), 0..4)),
            (error, detail, _) in any::<Texts>(),
        ) {
            let raws: Option<Vec<Box<RawValue>>> = values.map(|values| values.iter().map(|value| to_raw_value(value).unwrap()).collect());
            let cow = |text: &Option<String>| text.clone().map(Cow::Owned);
            let v = raws.as_ref().map(|raws| raws.iter().map(AsRef::as_ref).collect());
            let whole = Record { n, t, ms, tries, status, v, error: cow(&error), detail: cow(&detail) };
            let line = serde_json::to_string(&whole).unwrap();
            let array = whole.v.as_ref().map(|values| serde_json::to_string(values).unwrap());
            let (error, detail) = (whole.error, whole.detail);
            prop_assert_eq!(super::record(line.as_bytes()).unwrap(), RecordView { n, t, ms, tries, v: array.as_deref(), error, detail });
        }

        #[test]
        fn a_line_that_was_cut_is_no_line(n: u64, text: String, cut in 1_usize..40) {
            let v = to_raw_value(&[text]).unwrap();
            let whole = Item { n, at: 0, key: None, v: Some(&v), error: None, detail: None, raw: None };
            let line = serde_json::to_vec(&whole).unwrap();
            let line = &line[..line.len().saturating_sub(cut)];
            prop_assert!(item(line, n).is_err());
        }
    }
}
