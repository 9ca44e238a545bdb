//! Formats, compressions, encodings and line ends, as they are detected.

use std::io::Write;

use job::file::{Compression, Format};

use crate::case::{FIXED, errors, job, refusal, run, try_run, values};

#[test]
fn empty_files_have_no_lines() {
    for (file, input, columns) in [
        ("x.csv", &b""[..], vec![]),
        ("x.csv", b"a,b\n", vec!["a", "b"]),
        ("x.txt", b"", vec![]),
        ("x.jsonl", b"\n", vec![]),
        ("x.csv", b"\xef\xbb\xbf", vec![]),
    ] {
        let (plan, lines) = run("[request]\nurl = \"http://h/{{ b }}\"\n", file, input);
        assert_eq!((plan.input.lines, plan.lanes.len(), lines.len()), (0, 0, 0));
        assert_eq!(plan.input.columns, columns);
    }
}

#[test]
fn formats_and_compressions_are_detected() {
    let gz = |bytes: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let bz = |bytes: &[u8]| {
        let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let zst = |bytes: &[u8]| zstd::encode_all(bytes, 1).unwrap();
    for (file, compress, compression) in [
        ("x.csv.gz", &gz as &dyn Fn(&[u8]) -> Vec<u8>, Compression::Gzip),
        ("x.csv.bz2", &bz, Compression::Bzip2),
        ("x.csv.zst", &zst, Compression::Zstd),
        ("x.csv", &zst, Compression::Zstd),
    ] {
        let two_members = [compress(b"a,b\n1,\"2\n"), compress(b"3\"\n4,5\n")].concat();
        let (plan, lines) = run(FIXED, file, &two_members);
        assert_eq!((plan.input.compression, plan.input.format), (compression, Format::Csv));
        assert_eq!(values(&lines), [["1", "2\n3"], ["4", "5"]]);
    }
    for (file, input, format) in [
        ("x.tsv", "a\tb\n1\t2\n", Format::Tsv),
        ("x.ndjson", "{}", Format::Jsonl),
        ("data", "\n{\"a\":1}\n", Format::Jsonl),
        ("data", "a,b\n", Format::Text),
    ] {
        assert_eq!(run(FIXED, file, input.as_bytes()).0.input.format, format, "{file}");
    }
}

#[test]
fn an_input_that_cannot_be_read_is_refused_with_the_reason() {
    let cut = &{
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
        encoder.write_all(&[b'x'; 200_000]).unwrap();
        encoder.finish().unwrap()
    }[..150_000];
    for (file, input, part) in [
        ("x.csv", &b"\xff\xfe\0\0a\0\0\0"[..], "UTF-32"),
        ("x.csv", b"PK\x03\x04", "ZIP"),
        ("x.csv.gz", cut, "complete?"),
        ("x.csv", b"a,\xff\n1,2\n", "header"),
    ] {
        let error = try_run(FIXED, file, input).unwrap_err();
        assert!(error.message.contains(part) && error.message.contains(file), "{error}");
        assert_eq!(error.name.as_str(), "Input.Unreadable");
    }
    let error = try_run("[request]\nurl = \"http://h/{{ c }}\"\n", "x.csv", &b"a,b\n1,2\n"[..]).unwrap_err();
    assert!(error.message.contains("job.toml:2:20") && error.message.contains("it has: a, b"), "{error}");
}

#[test]
fn encodings_are_detected_or_set_by_the_job() {
    let le = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let be = |text: &str| text.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<u8>>();
    let text = "id,größe\r\n1,\"1,5 €\"\r\n2,x\r\n";
    for (encoded, encoding) in [
        (text.as_bytes().to_vec(), "UTF-8"),
        (format!("\u{feff}{text}").into_bytes(), "UTF-8"),
        (le(&format!("\u{feff}{text}")), "UTF-16LE"),
        (be(&format!("\u{feff}{text}")), "UTF-16BE"),
        (le(text), "UTF-16LE"),
        (be(text), "UTF-16BE"),
    ] {
        let (plan, lines) = run(FIXED, "x.csv", &encoded);
        assert_eq!(plan.input.encoding, encoding);
        assert_eq!(plan.input.columns, ["id", "größe"]);
        assert_eq!(values(&lines), [["1", "1,5 €"], ["2", "x"]]);
    }
    let (_, lines) = run(FIXED, "x", &le("https://a.example/ü\nhttps://b.example/\n"));
    assert_eq!(values(&lines), [["https://a.example/ü"], ["https://b.example/"]]);

    let latin = b"id,gr\xf6\xdfe\n1,\"1,5 \x80\"\n2,x\n";
    let (_, lines) = run(&job("encoding = \"cp1252\""), "x.csv", latin);
    assert_eq!(values(&lines), [["1", "1,5 €"], ["2", "x"]]);
    let message = refusal(FIXED, "x.csv", latin);
    assert!(
        message.starts_with("x.csv:1: the header is not UTF-8 (byte 0xf6 in column 2): set input.encoding"),
        "{message}"
    );
    let (_, lines) = run(&job("encoding = \"shift_jis\""), "x.txt", b"\x82\xa0\n\xff\nb\n");
    assert_eq!(errors(&lines), [None, Some("decode"), None]);
}

#[test]
fn cr_ends_a_line_in_a_file_without_lf() {
    for (file, input) in [("x.txt", &b"one\rtwo\r\rthree"[..]), ("x.csv", b"h\rone\rtwo\r\rthree\r")] {
        let (plan, lines) = run(FIXED, file, input);
        assert_eq!(values(&lines), [["one"], ["two"], ["three"]], "{file}");
        assert_eq!(plan.input.blank, 1);
    }
    assert_eq!(values(&run(FIXED, "x.txt", b"a\rb\nc\n").1), [["a\rb"], ["c"]]);
}

#[test]
fn data_after_the_compressed_data_is_padding_or_garbage() {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(b"one\ntwo\n").unwrap();
    let gz = encoder.finish().unwrap();
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    encoder.write_all(b"one\ntwo\n").unwrap();
    let bz = encoder.finish().unwrap();
    let zst = zstd::encode_all(&b"one\ntwo\n"[..], 1).unwrap();
    let skippable = b"\x53\x2a\x4d\x18\x03\0\0\0abc";
    for (data, after, lines, notes) in [
        (&gz, &[0; 700][..], 2, 0),
        (&gz, b"trailing garbage", 2, 1),
        (&gz, b"\0\0\0garbage", 2, 1),
        (&gz, &gz, 4, 0),
        (&bz, &[0; 700], 2, 0),
        (&bz, b"garbage", 2, 1),
        (&bz, &bz, 4, 0),
        (&zst, &[0; 700], 2, 0),
        (&zst, b"garbage", 2, 1),
        (&zst, skippable, 2, 0),
        (&skippable.to_vec(), &zst, 2, 0),
    ] {
        let (plan, got) = run(FIXED, "x.txt", &[data.as_slice(), after].concat());
        assert_eq!((got.len(), plan.input.notes.len()), (lines, notes), "{:?}", plan.input.notes);
    }
    let error = try_run(FIXED, "x.txt.gz", &[&gz[..], &gz[..10]].concat()[..]).unwrap_err();
    assert!(error.message.contains("complete?"), "a truncated member is not garbage: {error}");
}
