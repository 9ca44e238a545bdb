#![allow(clippy::unwrap_used)]
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn written(text: &str) -> String {
    Tape::parse(text).unwrap().root(text).compact()
}

#[test]
fn numbers_keep_their_digits() {
    for number in [
        "12345678901234567890123",
        "12.50",
        "1.0",
        "0.10",
        "1e400",
        "1E5",
        "-0",
        "-0.0",
        "1e-7",
        "0",
        "89014103211118510720",
    ] {
        assert_eq!(written(number), number);
        assert_eq!(written(&format!(" {{ \"a\" : [ {number} ] }} ")), format!("{{\"a\":[{number}]}}"));
        assert!(Tape::parse(number).unwrap().root(number).value().is_number());
    }
}

#[test]
fn special_keys_of_serde_json_are_data() {
    for key in
        ["$serde_json::private::RawValue", "$serde_json::private::Number", "$serde_json::private::Unknown"]
    {
        let text = format!(r#"{{"{key}":"[1]"}}"#);
        assert_eq!(written(&text), text);
        let mut expected = serde_json::Map::new();
        expected.insert(key.to_owned(), json!("[1]"));
        assert_eq!(value(&text).unwrap(), Value::Object(expected));
    }
}

#[test]
fn nan_and_infinity_are_read_as_their_names() {
    assert_eq!(
        written(r#"{"a":NaN,"b":[Infinity,-Infinity],"c":"\ud83d!","d":"\ud83d\ude00","e":-1}"#),
        r#"{"a":"NaN","b":["Infinity","-Infinity"],"c":"�!","d":"😀","e":-1}"#
    );
    assert!(value("[NaN]").is_err() && value("NaN").is_err());
    for text in ["nan", "inf", "-NaN", "Infinit", "+1", "undefined", "NaNa"] {
        assert!(Tape::parse(text).is_err(), "{text}");
    }
}

#[test]
fn text_that_is_not_json_is_refused_as_in_serde() {
    let deep = "[".repeat(129) + &"]".repeat(129);
    let texts = [
        "",
        " ",
        "{",
        "}",
        "[",
        "]",
        "[1",
        "[1,",
        "[1,]",
        "[,1]",
        "[1 2]",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{a:1}",
        "{1:1}",
        "{\"a\" 1}",
        "{\"a\":1]",
        "[1}",
        "01",
        "1.",
        ".1",
        "-",
        "1e",
        "1e+",
        "--1",
        "+1",
        "0x1",
        "tru",
        "truee",
        "nulls",
        "\"",
        "\"\\\"",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\u12g4\"",
        "\"\n\"",
        "\"\t\"",
        "1 2",
        "{} {}",
        "[]]",
        "'a'",
        "\u{feff}1",
        "\u{a0}1",
        &deep,
    ];
    for text in texts {
        assert!(Tape::parse(text).is_err(), "{text:?}");
        assert!(serde_json::from_str::<Value>(text).is_err(), "{text:?}");
    }
    assert_eq!(
        Tape::parse("{\n \"a\": tru}").unwrap_err().to_string(),
        "expected a value at line 2 column 7"
    );
}

#[test]
fn members_and_items_are_found() {
    let text = r#"{"a":1,"b\u0063":[10,[20],30],"a":2,"":{}}"#;
    let tape = Tape::parse(text).unwrap();
    let root = tape.root(text);
    assert_eq!(root.get("a").map(Json::raw), Some("2"), "the last one counts");
    let array = root.get("bc").unwrap();
    assert_eq!(
        [0, 1, 2, 3, -1, -3, -4].map(|n| array.index(n).map(Json::raw)),
        [Some("10"), Some("[20]"), Some("30"), None, Some("30"), Some("10"), None]
    );
    assert_eq!(root.members().map(|(key, _)| key.into_owned()).collect::<Vec<_>>(), ["a", "bc", "a", ""]);
    assert_eq!(
        (array.get("a").is_none(), root.index(0).is_none(), root.get("").unwrap().members().count()),
        (true, true, 0)
    );
}

#[test]
fn a_tape_has_twelve_bytes_for_each_value() {
    let text = format!("[{}1]", "1,".repeat(100_000));
    assert!(Tape::parse(&text).unwrap().size() <= 24 * 131_072, "twelve bytes a value");
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_filter_map("finite", |f| serde_json::Number::from_f64(f).map(Value::from)),
        any::<String>().prop_map(Value::from)
    ];
    leaf.prop_recursive(4, 30, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn values_are_read_as_in_serde(tree in any_value(), pretty: bool) {
        let text = if pretty { serde_json::to_string_pretty(&tree).unwrap() } else { tree.to_string() };
        prop_assert_eq!(&value(&text).unwrap(), &tree);
        prop_assert_eq!(written(&text), tree.to_string());
    }

    #[test]
    fn only_odd_values_are_read_that_serde_refuses(junk in r#"[\[\]{}",:0-9eE.\-+tfn\\u d8a\x00-\x20é]{0,16}"#) {
        match (Tape::parse(&junk), serde_json::from_str::<Value>(&junk)) {
            (Ok(tape), Ok(tree)) => prop_assert_eq!(tape.root(&junk).value(), tree),
            (Err(_), Err(_)) => {}
            // Only what is said to be odd, or a number that 64 bits cannot hold.
            (Ok(tape), Err(error)) => prop_assert!(!tape.is_strict() || error.to_string().contains("out of range"), "{:?} {}", junk, error),
            (Err(error), Ok(_)) => prop_assert!(false, "{:?} {}", junk, error),
        }
    }

    #[test]
    fn strings_are_read_without_their_escapes(text: String) {
        let quoted = Value::from(text.as_str()).to_string();
        prop_assert_eq!(unescape(&quoted[1..quoted.len() - 1]), text.as_str());
        let escaped: String = text.encode_utf16().map(|unit| format!("\\u{unit:04X}")).collect();
        prop_assert_eq!(unescape(&escaped), text.as_str());
    }
}
