//! Items and results as slices of their lines: the same as [`Item`] and [`LineResult`], at a fraction of the
//! cost. Only the structure of a line is checked. A line that looks wrong is parsed by those two types, which
//! say what is wrong with it.

use std::borrow::Cow;
use std::sync::LazyLock;

use memchr::memmem::Finder;

use super::json::{members, text};
use super::{Item, LineResult};
use crate::file::Identity;
use crate::run::LineId;

static VALUE: LazyLock<Finder<'_>> = LazyLock::new(|| Finder::new(b",\"v\":"));
static ERROR: LazyLock<Finder<'_>> = LazyLock::new(|| Finder::new(b",\"error\":"));

/// The fields of an item that its row needs.
#[derive(Debug, PartialEq)]
pub struct ItemView<'a> {
    /// See [`Item::n`].
    pub n: LineId,
    /// See [`Item::v`].
    pub v: Option<&'a str>,
    /// See [`Item::error`].
    pub error: Option<Cow<'a, str>>,
    /// See [`Item::detail`].
    pub detail: Option<Cow<'a, str>>,
    /// See [`Item::raw`].
    pub raw: Option<Cow<'a, str>>,
}

/// The fields of a result that its row and the counts need.
#[derive(Debug, Default, PartialEq)]
pub struct ResultView<'a> {
    /// See [`LineResult::n`].
    pub n: LineId,
    /// See [`LineResult::t`].
    pub t: u64,
    /// See [`LineResult::ms`].
    pub ms: u32,
    /// See [`LineResult::tries`].
    pub tries: u32,
    /// See [`LineResult::status`].
    pub status: u16,
    /// See [`LineResult::id`].
    pub id: Option<Identity>,
    /// See [`LineResult::v`]: a JSON array.
    pub v: Option<&'a str>,
    /// See [`LineResult::error`].
    pub error: Option<Cow<'a, str>>,
    /// See [`LineResult::detail`].
    pub detail: Option<Cow<'a, str>>,
}

/// Reads an item whose id is known, from [`line_id`].
///
/// # Errors
/// As [`Item::parse`].
pub fn read_item(line: &[u8], n: LineId) -> Result<ItemView<'_>, serde_json::Error> {
    if let Some(view) =
        std::str::from_utf8(line).ok().and_then(|line| sound_item(line, n).or_else(|| item_of(line, n)))
    {
        return Ok(view);
    }
    let Item { n, v, error, detail, raw, .. } = Item::parse(line)?;
    Ok(ItemView { n, v: v.map(|v| v.get()), error, detail, raw })
}

/// Reads a result.
///
/// # Errors
/// As [`LineResult::parse`].
pub fn read_result(line: &[u8]) -> Result<ResultView<'_>, serde_json::Error> {
    if let Some(view) =
        std::str::from_utf8(line).ok().and_then(|line| success(line).or_else(|| result_of(line)))
    {
        return Ok(view);
    }
    LineResult::parse(line)?;
    Err(serde::de::Error::custom("it is not as a worker writes it"))
}

/// An item as [`super::write_item`] writes it: `v` comes last.
fn sound_item(line: &str, n: LineId) -> Option<ItemView<'_>> {
    let at = VALUE.find(line.as_bytes())?;
    let v = last_value(line, at + VALUE.needle().len())?;
    Some(ItemView { n, v: Some(v), error: None, detail: None, raw: None })
}

/// A result as [`super::write_values`] writes it: five numbers, the identity, then `v`.
fn success(line: &str) -> Option<ResultView<'_>> {
    let mut rest = line;
    let mut next = |name: &str| {
        rest = rest.strip_prefix(name)?;
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, after) = rest.split_at(digits);
        rest = after;
        number.parse::<u64>().ok()
    };
    let (n, t, ms, tries, status) =
        (next("{\"n\":")?, next(",\"t\":")?, next(",\"ms\":")?, next(",\"tries\":")?, next(",\"status\":")?);
    let id = match rest.strip_prefix(",\"id\":\"") {
        Some(text) => {
            let (id, after) = text.split_once('"')?;
            rest = after;
            Some(id.parse().ok()?)
        }
        None => None,
    };
    let at = line.len() - rest.strip_prefix(",\"v\":")?.len();
    let v = last_value(line, at).filter(|v| v.starts_with('['))?;
    Some(ResultView {
        n: LineId::nth(n),
        t,
        ms: ms.try_into().ok()?,
        tries: tries.try_into().ok()?,
        status: status.try_into().ok()?,
        id,
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

fn item_of(line: &str, n: LineId) -> Option<ItemView<'_>> {
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

fn result_of(line: &str) -> Option<ResultView<'_>> {
    let (mut view, mut n) = (ResultView::default(), None);
    let mut members = members(line);
    for (key, (start, end)) in members.by_ref() {
        let value = &line[start..end];
        match key {
            "n" => n = Some(value.parse().ok()?),
            "t" => view.t = value.parse().ok()?,
            "ms" => view.ms = value.parse().ok()?,
            "tries" => view.tries = value.parse().ok()?,
            "status" => view.status = value.parse().ok()?,
            "id" => view.id = string(value)?.map(|id| id.parse()).transpose().ok()?,
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

/// The id of the line of an item or a result as the steps write them, `{"n":17,…`; `None` when the line must
/// be parsed to tell.
pub fn line_id(line: &[u8]) -> Option<LineId> {
    let digits = line.strip_prefix(b"{\"n\":")?;
    let mut n: u64 = 0;
    for (at, byte) in digits.iter().enumerate() {
        match byte {
            b'0'..=b'9' => n = n.checked_mul(10)?.checked_add(u64::from(byte - b'0'))?,
            b',' | b'}' if at > 0 => return Some(LineId::nth(n)),
            _ => return None,
        }
    }
    None
}
