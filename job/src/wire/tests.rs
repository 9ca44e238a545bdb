//! The writers of lines, and their readers, agree.
#![allow(clippy::unwrap_used)]

use std::borrow::Cow;

use proptest::prelude::*;
use serde_json::value::{RawValue, to_raw_value};

use super::{
    Item, ItemView, LineResult, ResultView, line_id, read_item, read_result, write_item, write_values,
};
use crate::file::Identity;
use crate::run::LineId;

type Texts = (Option<String>, Option<String>, Option<String>);

fn any_id() -> impl Strategy<Value = LineId> {
    any::<u64>().prop_map(LineId::nth)
}

fn any_identity() -> impl Strategy<Value = Option<Identity>> {
    any::<Option<[u8; 16]>>().prop_map(|id| id.map(Identity))
}

fn cow(text: &Option<String>) -> Option<Cow<'_, str>> {
    text.as_deref().map(Cow::Borrowed)
}

fn raw_values(values: &[(String, i32)]) -> Vec<Box<RawValue>> {
    values.iter().map(|value| to_raw_value(value).unwrap()).collect()
}

proptest! {
    #[test]
    fn a_written_item_is_read_by_both_readers(n in any_id(), at: u64, key: Option<String>, fields: Vec<String>) {
        let value = serde_json::to_string(&fields).unwrap();
        let mut line = Vec::new();
        write_item(&mut line, n, at, key.as_deref(), value.as_bytes());
        prop_assert_eq!(line.pop(), Some(b'\n'));
        prop_assert_eq!(line_id(&line), Some(n));
        let Item { n: read, at: offset, key: paced_by, v, error, detail, raw } = Item::parse(&line).unwrap();
        prop_assert_eq!((read, offset, paced_by.as_deref(), v.map(RawValue::get)), (n, at, key.as_deref(), Some(value.as_str())));
        prop_assert_eq!((&error, &detail, &raw), (&None, &None, &None));
        prop_assert_eq!(read_item(&line, n).unwrap(), ItemView { n, v: Some(&value), error, detail, raw });
    }

    #[test]
    fn the_fast_reader_of_items_agrees_with_serde(n in any_id(), at: u64, fields: Option<Vec<String>>, texts: Texts) {
        let (error, detail, raw) = texts;
        let fields = fields.map(|fields| to_raw_value(&fields).unwrap());
        let (key, error, detail, raw) = (cow(&detail), cow(&error), cow(&detail), cow(&raw));
        let whole = Item { n, at, key, v: fields.as_deref(), error, detail, raw };
        let line = serde_json::to_vec(&whole).unwrap();
        prop_assert_eq!(line_id(&line), Some(n));
        let Item { v, error, detail, raw, .. } = whole;
        prop_assert_eq!(read_item(&line, n).unwrap(), ItemView { n, v: v.map(RawValue::get), error, detail, raw });
    }

    #[test]
    fn a_written_success_is_read_by_both_readers(
        n in any_id(),
        (t, ms, tries, status) in any::<(u64, u32, u32, u16)>(),
        id in any_identity(),
        values in prop::collection::vec(any::<(String, i32)>(), 0..4),
    ) {
        let figures = LineResult { n, t, ms, tries, status, id, v: None, error: None, detail: None, earlier: Vec::new() };
        let values = serde_json::to_string(&values).unwrap();
        let line = write_values(&figures, values.as_bytes());
        let line = line.strip_suffix(b"\n").unwrap();
        prop_assert_eq!(line_id(line), Some(n));
        let whole = LineResult::parse(line).unwrap();
        prop_assert_eq!((whole.n, whole.t, whole.ms, whole.tries, whole.status, whole.id, whole.ok()), (n, t, ms, tries, status, id, true));
        prop_assert_eq!(serde_json::to_string(&whole.v.unwrap()).unwrap(), values.as_str());
        let expected = ResultView { n, t, ms, tries, status, id, v: Some(&values), error: None, detail: None };
        prop_assert_eq!(read_result(line).unwrap(), expected);
    }

    #[test]
    fn the_fast_reader_of_results_agrees_with_serde(
        n in any_id(),
        (t, ms, tries, status) in any::<(u64, u32, u32, u16)>(),
        id in any_identity(),
        values in prop::option::of(prop::collection::vec(any::<(String, i32)>(), 0..4)),
        (error, detail, _) in any::<Texts>(),
    ) {
        let raws = values.as_deref().map(raw_values);
        let v = raws.as_ref().map(|raws| raws.iter().map(AsRef::as_ref).collect());
        let whole = LineResult { n, t, ms, tries, status, id, v, error: cow(&error), detail: cow(&detail), earlier: Vec::new() };
        let line = whole.to_line();
        let line = line.strip_suffix(b"\n").unwrap();
        let array = whole.v.as_ref().map(|values| serde_json::to_string(values).unwrap());
        let (error, detail) = (whole.error, whole.detail);
        prop_assert_eq!(read_result(line).unwrap(), ResultView { n, t, ms, tries, status, id, v: array.as_deref(), error, detail });
    }

    #[test]
    fn a_line_that_was_cut_is_an_error(n in any_id(), text: String, cut in 1_usize..40) {
        let v = to_raw_value(&[text]).unwrap();
        let whole = Item { n, at: 0, key: None, v: Some(&v), error: None, detail: None, raw: None };
        let line = serde_json::to_vec(&whole).unwrap();
        let line = &line[..line.len().saturating_sub(cut)];
        prop_assert!(read_item(line, n).is_err());
    }
}
