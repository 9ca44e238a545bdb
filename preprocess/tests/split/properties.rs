//! Properties of every split.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::case::{FIXED, run, values};

fn csv_field() -> impl Strategy<Value = String> {
    prop::string::string_regex("[a-c\",;\n\r\té ]{0,6}").unwrap()
}

proptest! {
    #[test]
    fn csv_is_read_as_another_writer_wrote_it(rows in prop::collection::vec(prop::collection::vec(csv_field(), 3), 0..40), crlf: bool) {
        let mut writer = csv::WriterBuilder::new()
            .quote_style(csv::QuoteStyle::Always)
            .terminator(if crlf { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') })
            .from_writer(Vec::new());
        writer.write_record(["x", "y", "z"]).unwrap();
        for row in &rows {
            writer.write_record(row).unwrap();
        }
        let (_, lines) = run(FIXED, "x.csv", &writer.into_inner().unwrap());
        prop_assert_eq!(values(&lines), rows);
    }

    #[test]
    fn every_line_of_any_bytes_becomes_one_item(bytes in prop::collection::vec(prop::sample::select(b"ab\n\r\"{}:1\xff\xc3\xa9 ,".to_vec()), 0..300)) {
        let (_, lines) = run(&format!("[input]\nblank = \"keep\"\n{FIXED}"), "x.txt", &bytes);
        // In a file without LF a line ends with CR.
        let cr = !bytes.contains(&b'\n');
        let mut expected: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n' || (cr && *byte == b'\r')).collect();
        if expected.last().is_some_and(|last| last.is_empty()) {
            expected.pop();
        }
        prop_assert_eq!(lines.len(), expected.len());
        let last = expected.len();
        for (index, (line, expected)) in lines.iter().zip(expected).enumerate() {
            let ended = index + 1 < last || bytes.ends_with(b"\n");
            let expected = if ended { expected.strip_suffix(b"\r").unwrap_or(expected) } else { expected };
            let got = match &line.raw {
                Some(raw) => raw.clone(),
                None => line.v.as_ref().unwrap()[0].as_str().unwrap().as_bytes().to_vec(),
            };
            prop_assert_eq!(&got[..], expected);
        }
    }

    #[test]
    fn any_bytes_are_split_without_loss_in_every_format(
        bytes in prop::collection::vec(prop::sample::select(b"ab\n\r\"{}:1\xff ,'".to_vec()), 0..300),
        format in prop::sample::select(vec!["csv", "jsonl", "tsv"]),
        quote in prop::sample::select(vec!["", "quote = '\"'\n", "quote = \"'\"\n", "quote = \"none\"\n"]),
        keep: bool,
    ) {
        let blank = if keep { "keep" } else { "skip" };
        let job = format!("[input]\nformat = \"{format}\"\nheader = false\nblank = \"{blank}\"\n{quote}{FIXED}");
        let (plan, lines) = run(&job, "x", &bytes);
        // Every letter of the input is in exactly one record.
        let letters = |bytes: &[u8]| bytes.iter().filter(|byte| byte.is_ascii_lowercase() || **byte == b'1').count();
        let out: usize = lines.iter().map(|line| match &line.raw {
            Some(raw) => letters(raw),
            None => {
                let text = line.v.as_ref().unwrap().to_string();
                let text = ["\\n", "\\r", "\\t"].iter().fold(text, |text, escape| text.replace(escape, ""));
                letters(text.as_bytes())
            }
        }).sum();
        prop_assert_eq!(out, letters(&bytes));
        prop_assert_eq!(plan.input.bytes, bytes.len() as u64);
    }

    #[test]
    fn delimited_fields_are_read_as_they_were_escaped(rows in prop::collection::vec(prop::collection::vec(csv_field(), 2), 0..40), quote: bool) {
        let job = format!("[input]\ndelimiter = \";\"\nescape = 'e'\nquote = \"{}\"\nblank = \"keep\"\n{FIXED}", if quote { "'" } else { "none" });
        let special = |c: char| matches!(c, ';' | '\n' | '\r' | 'e' | '\'');
        let cell = |field: &String| field.chars().map(|c| if special(c) { format!("e{}", if c == '\r' { 'r' } else { c }) } else { c.to_string() }).collect::<String>();
        let cell = |field: &String| if quote { format!("'{}'", cell(field)) } else { cell(field) };
        let text: String = rows.iter().map(|row| format!("{}\n", row.iter().map(cell).collect::<Vec<_>>().join(";"))).collect();
        let (_, lines) = run(&job, "x.csv", format!("x;y\n{text}").as_bytes());
        prop_assert_eq!(values(&lines), rows);
    }

    #[test]
    fn a_json_array_is_read_as_it_was_written(rows in prop::collection::vec(("[a-c\"\\\\{}\\[\\], \n]{0,8}", any::<i32>()), 0..30), layout in 0..4) {
        let rows: Vec<_> = rows.iter().map(|(text, number)| serde_json::json!({"t": text, "n": [{"x": number}]})).collect();
        let text = match layout {
            0 => serde_json::to_string(&rows).unwrap(),
            1 => serde_json::to_string_pretty(&rows).unwrap(),
            2 => rows.iter().map(|row| format!("{row:#}\n")).collect(),
            _ => rows.iter().map(ToString::to_string).collect(),
        };
        let job = format!("[input]\nformat = \"json\"\n{FIXED}");
        let (_, lines) = run(&job, "x", text.as_bytes());
        prop_assert_eq!(lines.into_iter().map(|line| line.v.unwrap()).collect::<Vec<_>>(), rows);
    }

    #[test]
    fn text_of_any_encoding_is_split_as_utf_8_is(
        parts in prop::collection::vec(prop::sample::select(vec!["a", "é", ",", "\"", "\n", "\r\n", "1", "€,b\n"]), 0..60),
        format in prop::sample::select(vec!["csv", "txt"]),
        label in prop::sample::select(vec!["windows-1252", "utf-16le", "utf-16be", "gb18030"]),
    ) {
        let text = format!("x,y\n{}", parts.concat());
        let encoded = match label {
            "utf-16le" => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            "utf-16be" => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
            label => encoding_rs::Encoding::for_label(label.as_bytes()).unwrap().encode(&text).0.into_owned(),
        };
        let file = format!("x.{format}");
        let (_, expected) = run(FIXED, &file, text.as_bytes());
        let (_, lines) = run(&format!("[input]\nencoding = \"{label}\"\n{FIXED}"), &file, &encoded);
        prop_assert_eq!(lines, expected);
    }

    #[test]
    fn every_line_is_in_exactly_one_lane(hosts in prop::collection::vec(0u8..30, 0..500)) {
        let job = "[request]\nurl = \"http://h{{ line }}.test/\"\n[limits.\"h1.test\"]\nrate = \"1/s\"\nin_flight = 300\n[limits.default]\nrate = \"1/s\"\n";
        let input: String = hosts.iter().map(|host| format!("{host}\n")).collect();
        let (plan, lines) = run(job, "x.txt", input.as_bytes());
        let mut lanes: BTreeMap<&str, &str> = BTreeMap::new();
        for line in &lines {
            let host = line.v.as_ref().unwrap()[0].as_str().unwrap();
            prop_assert_eq!(*lanes.entry(host).or_insert(&line.lane), line.lane.as_str(), "a host has one lane");
            prop_assert_eq!(line.lane == "h1.test", host == "1");
        }
        prop_assert_eq!(plan.lanes.iter().map(|lane| lane.lines).sum::<u64>(), lines.len() as u64);
    }
}
