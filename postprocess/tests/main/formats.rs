//! The content of the output and of the file of failed lines, for each format.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use job::file::{Format, OutputFormat};
use serde_json::{Value, json};

use crate::world::{Fixture, Left, World, bad, ok};

fn v(values: Value) -> Value {
    json!({ "v": values })
}

async fn check(mut fixture: Fixture, output: &str, failed: &str) -> Left {
    let left = World::new().merge(&mut fixture).await;
    assert_eq!(left.output.as_deref(), Some(output));
    assert_eq!(left.failed.as_deref().unwrap_or_default(), failed);
    left
}

#[tokio::test]
async fn csv_to_csv_quotes_only_cells_that_need_it() {
    let lines = [
        (v(json!(["plain", "1"])), ok(json!([true]))),
        (v(json!(["a,b", "say \"hi\""])), ok(json!(["x,y"]))),
        (v(json!(["two\r\nlines", "Zürich 😀"])), ok(json!([null]))),
        (v(json!(["tab\there", "back\\slash"])), ok(json!([{ "lat": 1.5, "of": ["a", null] }]))),
        (v(json!(["", ""])), bad("http_404", "no, \"never\"\nagain")),
        (v(json!(["a,b", "q\"q\nq"])), None),
    ];
    check(
        Fixture::new(Format::Csv, &["na,me", "b"], &lines),
        "\"na,me\",b,x,error,error_detail\n\
         plain,1,true,,\n\
         \"a,b\",\"say \"\"hi\"\"\",\"x,y\",,\n\
         \"two\r\nlines\",Zürich 😀,,,\n\
         tab\there,back\\slash,\"{\"\"lat\"\":1.5,\"\"of\"\":[\"\"a\"\",null]}\",,\n\
         ,,,http_404,\"no, \"\"never\"\"\nagain\"\n\
         \"a,b\",\"q\"\"q\nq\",,not_processed,no result was found for this line\n",
        "\"na,me\",b\n\"\",\n\"a,b\",\"q\"\"q\nq\"\n",
    )
    .await;
}

#[tokio::test]
async fn another_parser_reads_the_output_back() {
    let values = [
        "",
        " ",
        "a",
        "\"",
        "\"\"",
        ",",
        "\n",
        "\r",
        "\r\n",
        "a\"b,c\nd",
        "\\",
        "\\\"",
        "\u{0}",
        "\u{7f}",
        "é,",
        "\u{1f600}\"",
        "=1+1",
    ];
    let lines: Vec<_> = values.iter().map(|value| (v(json!([value])), ok(json!([value])))).collect();
    let left = World::new().merge(&mut Fixture::new(Format::Csv, &["a"], &lines)).await;
    let output = left.output.unwrap();
    let mut reader = csv::Reader::from_reader(output.as_bytes());
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), values.len());
    for (row, value) in rows.iter().zip(values) {
        assert_eq!(row.iter().collect::<Vec<_>>(), [value, value, "", ""]);
    }
}

#[tokio::test]
async fn csv_to_jsonl_writes_fields_as_strings() {
    let lines = [
        (v(json!(["1", "a\"b\n"])), ok(json!([2.50]))),
        (v(json!(["", "é"])), ok(json!([[1, "two"]]))),
        (v(json!(["3", "c"])), bad("timeout", "after 10 s")),
    ];
    check(
        Fixture::new(Format::Csv, &["n\"o", "t"], &lines).output(OutputFormat::Jsonl),
        "{\"n\\\"o\":\"1\",\"t\":\"a\\\"b\\n\",\"x\":2.5,\"error\":null,\"error_detail\":null}\n\
         {\"n\\\"o\":\"\",\"t\":\"é\",\"x\":[1,\"two\"],\"error\":null,\"error_detail\":null}\n\
         {\"n\\\"o\":\"3\",\"t\":\"c\",\"x\":null,\"error\":\"timeout\",\"error_detail\":\"after 10 s\"}\n",
        "\"n\"\"o\",t\n3,c\n",
    )
    .await;
}

#[tokio::test]
async fn csv_without_a_header_gets_one_but_not_its_failed_lines() {
    let lines = [(v(json!(["a", "b"])), bad("connect", "refused")), (v(json!(["c", "d"])), ok(json!(["e"])))];
    let mut fixture = Fixture::new(Format::Csv, &["c1", "c2"], &lines);
    fixture.plan.input.header = false;
    fixture.plan.input.delimiter = b';';
    check(fixture, "c1,c2,x,error,error_detail\na,b,,connect,refused\nc,d,e,,\n", "a;b\n").await;
}

#[tokio::test]
async fn failed_lines_of_tsv_are_tsv() {
    let lines = [
        (v(json!(["a,b", "\"c\" d"])), bad("connect", "refused")),
        (v(json!(["c", "d"])), ok(json!(["e\tf"]))),
    ];
    check(
        Fixture::new(Format::Tsv, &["a", "b"], &lines),
        "a,b,x,error,error_detail\n\"a,b\",\"\"\"c\"\" d\",,connect,refused\nc,d,e\tf,,\n",
        "a\tb\na,b\t\"c\" d\n",
    )
    .await;
    check(
        Fixture::new(Format::Tsv, &["a", "b"], &lines).output(OutputFormat::Jsonl),
        "{\"a\":\"a,b\",\"b\":\"\\\"c\\\" d\",\"x\":null,\"error\":\"connect\",\"error_detail\":\"refused\"}\n\
         {\"a\":\"c\",\"b\":\"d\",\"x\":\"e\\tf\",\"error\":null,\"error_detail\":null}\n",
        "a\tb\na,b\t\"c\" d\n",
    )
    .await;
}

#[tokio::test]
async fn failed_lines_are_quoted_and_escaped_like_the_input() {
    let lines = [(v(json!(["it's\tso", "a\\b\r\nc"])), bad("connect", "refused"))];
    let output = "a,b,x,error,error_detail\nit's\tso,\"a\\b\r\nc\",,connect,refused\n";
    for (quote, escape, failed) in [
        (Some(b'"'), None, "a\tb\n\"it's\tso\"\t\"a\\b\r\nc\"\n"),
        (Some(b'\''), None, "a\tb\n'it''s\tso'\t'a\\b\r\nc'\n"),
        (Some(b'"'), Some(b'\\'), "a\tb\n\"it's\tso\"\t\"a\\\\b\r\nc\"\n"),
        (None, Some(b'\\'), "a\tb\nit's\\\tso\ta\\\\b\\r\\\nc\n"),
    ] {
        let mut fixture = Fixture::new(Format::Tsv, &["a", "b"], &lines);
        (fixture.plan.input.quote, fixture.plan.input.escape) = (quote, escape);
        check(fixture, output, failed).await;
    }
}

#[tokio::test]
async fn failed_lines_of_a_decoded_input_begin_with_a_byte_order_mark_and_the_preamble() {
    let lines = [
        (v(json!(["ü", "1"])), bad("connect", "refused")),
        (v(json!(["x", "2"])), bad("connect", "refused")),
    ];
    let mut fixture = Fixture::new(Format::Csv, &["a", "b"], &lines);
    fixture.plan.input.encoding = "windows-1252".to_owned();
    fixture.plan.input.preamble = "A title\n\n".to_owned();
    let output = "a,b,x,error,error_detail\nü,1,,connect,refused\nx,2,,connect,refused\n";
    check(fixture, output, "\u{feff}A title\n\na,b\nü,1\nx,2\n").await;
}

#[tokio::test]
async fn a_tsv_row_is_one_line_without_quotes() {
    let lines = [
        (v(json!(["a,\"b\"", "tab\there"])), bad("connect", "two\nlines")),
        (v(json!(["back\\slash", "\r\n"])), ok(json!([{ "k": "e\tf" }]))),
        (v(json!(["", "-5"])), ok(json!([null]))),
    ];
    check(
        Fixture::new(Format::Csv, &["a\tb", "c"], &lines).output(OutputFormat::Tsv),
        "a\\tb\tc\tx\terror\terror_detail\n\
         a,\"b\"\ttab\\there\t\tconnect\ttwo\\nlines\n\
         back\\\\slash\t\\r\\n\t{\"k\":\"e\\\\tf\"}\t\t\n\
         \t-5\t\t\t\n",
        "a\tb,c\n\"a,\"\"b\"\"\",tab\there\n",
    )
    .await;
    let left = World::new()
        .merge(&mut Fixture::new(Format::Tsv, &["a", "b"], &lines).output(OutputFormat::Tsv))
        .await;
    assert_eq!(left.report.outputs.output, "jobs/places/output/names.tsv");
}

#[tokio::test]
async fn cells_that_begin_like_formulas_are_guarded_unless_they_are_numbers() {
    let lines = [
        (v(json!(["=1+1", "+cmd|' /C calc'!A0"])), ok(json!(["@SUM(A1)"]))),
        (v(json!(["-5", "+41"])), ok(json!([-1.5]))),
        (v(json!(["-5e-3", "-"])), ok(json!(["-inf"]))),
        (v(json!(["\tx", "\rx"])), ok(json!(["=a,b"]))),
        (v(json!(["\nx", "a=b"])), ok(json!(["=\"x\""]))),
        (v(json!(["+41 44 1", "-1-1"])), bad("http_400", "=oops")),
    ];
    check(
        Fixture::new(Format::Csv, &["=a", "b"], &lines).styled("guard_formulas = true"),
        "'=a,b,x,error,error_detail\n\
         '=1+1,'+cmd|' /C calc'!A0,'@SUM(A1),,\n\
         -5,+41,-1.5,,\n\
         -5e-3,'-,'-inf,,\n\
         '\tx,\"'\rx\",\"'=a,b\",,\n\
         \"'\nx\",a=b,\"'=\"\"x\"\"\",,\n\
         '+41 44 1,'-1-1,,http_400,'=oops\n",
        // It is run again: every value is as it was.
        "=a,b\n+41 44 1,-1-1\n",
    )
    .await;
    let left = World::new()
        .merge(
            &mut Fixture::new(Format::Csv, &["a"], &lines[3..5])
                .output(OutputFormat::Tsv)
                .styled("guard_formulas = true"),
        )
        .await;
    assert_eq!(
        left.output.as_deref(),
        Some("a\tx\terror\terror_detail\n'\\tx\t'=a,b\t\t\n'\\nx\t'=\"x\"\t\t\n")
    );
}

#[tokio::test]
async fn a_byte_order_mark_is_written_once_before_the_header() {
    let lines = [(v(json!(["a"])), bad("timeout", "late")), (v(json!(["b"])), bad("timeout", "late"))];
    check(
        Fixture::new(Format::Csv, &["c"], &lines).styled("bom = true"),
        "\u{feff}c,x,error,error_detail\na,,timeout,late\nb,,timeout,late\n",
        "\u{feff}c\na\nb\n",
    )
    .await;
    let mut headless = Fixture::new(Format::Csv, &["c1"], &lines).styled("bom = true");
    headless.plan.input.header = false;
    check(headless, "\u{feff}c1,x,error,error_detail\na,,timeout,late\nb,,timeout,late\n", "\u{feff}a\nb\n")
        .await;
    let text = Fixture::new(Format::Text, &["line"], &lines).styled("bom = true");
    check(text, "\u{feff}line,x,error,error_detail\na,,timeout,late\nb,,timeout,late\n", "a\nb\n").await;
}

#[tokio::test]
async fn text_is_written_to_csv_and_jsonl() {
    let lines = [
        (v(json!(["one, two"])), ok(json!([1]))),
        (v(json!([""])), bad("http_500", "oops")),
        (v(json!(["ends in CR\r"])), bad("http_500", "oops")),
        (json!({ "error": "decode", "detail": "not UTF-8", "raw": STANDARD.encode(b"caf\xe9") }), None),
    ];
    let left = check(
        Fixture::new(Format::Text, &["line"], &lines),
        "line,x,error,error_detail\n\
         \"one, two\",1,,\n,,http_500,oops\n\"ends in CR\r\",,http_500,oops\ncaf\u{fffd},,decode,not UTF-8\n",
        "\nends in CR\r\r\ncaf\u{e9}\n",
    )
    .await;
    assert_eq!(left.report.outputs.output, "jobs/places/output/names.csv");
    check(
        Fixture::new(Format::Text, &["line"], &lines[3..]).output(OutputFormat::Jsonl),
        "{\"line\":\"caf\u{fffd}\",\"x\":null,\"error\":\"decode\",\"error_detail\":\"not UTF-8\"}\n",
        "caf\u{e9}\n",
    )
    .await;
}

#[tokio::test]
async fn jsonl_to_jsonl_keeps_the_objects_own_keys() {
    let lines = [
        (v(json!({ "b": 1, "a": { "deep": [1, 2] } })), ok(json!(["é"]))),
        (v(json!({})), bad("extract", "not JSON")),
        (v(json!({ "x": "gives way", "error": 1, "error_detail": 2, "keep": null })), ok(json!([7]))),
        (json!({ "error": "parse", "detail": "not an object", "raw": STANDARD.encode("[1, 2]") }), None),
    ];
    check(
        Fixture::new(Format::Jsonl, &["b", "a", "x", "error", "error_detail", "keep"], &lines),
        "{\"b\":1,\"a\":{\"deep\":[1,2]},\"x\":\"é\",\"error\":null,\"error_detail\":null}\n\
         {\"x\":null,\"error\":\"extract\",\"error_detail\":\"not JSON\"}\n\
         {\"keep\":null,\"x\":7,\"error\":null,\"error_detail\":null}\n\
         {\"x\":null,\"error\":\"parse\",\"error_detail\":\"not an object\"}\n",
        "{}\n[1, 2]\n",
    )
    .await;
}

#[tokio::test]
async fn an_object_of_many_keys_has_each_once() {
    let keys: Vec<String> = (0..40).map(|n| format!("k{n}")).collect();
    let members = |keys: &[String]| keys.iter().map(|key| format!("\"{key}\":0,")).collect::<String>();
    // Each key again after all others, written with an escape and with another value.
    let again: String = (0..40).map(|n| format!("\"\\u006b{n}\":{n},")).collect();
    let own = members(&["error".to_owned()]);
    let object = format!("{{{}{own}{}}}", members(&keys), again.trim_end_matches(','));
    let columns: Vec<&str> = keys.iter().map(String::as_str).collect();
    let (world, mut fixture) =
        (World::new(), Fixture::new(Format::Jsonl, &columns, &[(json!({}), ok(json!([1])))]));
    write_item(&world, &mut fixture, &object).await;
    let response = world.call(&fixture).await.unwrap();
    let output = world.left(&fixture, response).await.output.unwrap();
    assert_eq!(output, format!("{{{again}\"x\":1,\"error\":null,\"error_detail\":null}}\n"));
}

/// Writes a run of one line. The object is in the items exactly as it is here.
async fn write_item(world: &World, fixture: &mut Fixture, object: &str) {
    world.write(fixture).await;
    let item = format!("{{\"n\":1,\"at\":0,\"v\":{object}}}\n");
    fixture.plan.lanes[0].bytes = item.len() as u64;
    world.objects.put(&fixture.run.keys().items("lane"), item).await.unwrap();
    world.objects.put(&fixture.run.keys().plan(), serde_json::to_vec(&fixture.plan).unwrap()).await.unwrap();
}

#[tokio::test]
async fn jsonl_to_csv_writes_a_column_for_every_key() {
    let lines = [
        (v(json!({ "b": 1, "a": "t,ext" })), ok(json!(["one"]))),
        (v(json!({ "a": null, "c": { "k": [true, "s p"] }, "b": 2.5 })), ok(json!([2]))),
        (v(json!({ "x": "gives way", "unlisted": 1 })), bad("connect", "refused")),
        (json!({ "error": "parse", "detail": "not an object", "raw": STANDARD.encode("nonsense") }), None),
    ];
    check(
        Fixture::new(Format::Jsonl, &["b", "a", "c", "x"], &lines).output(OutputFormat::Csv),
        "b,a,c,x,error,error_detail\n\
         1,\"t,ext\",,one,,\n\
         2.5,,\"{\"\"k\"\":[true,\"\"s p\"\"]}\",2,,\n\
         ,,,,connect,refused\n\
         ,,,,parse,not an object\n",
        "{\"x\":\"gives way\",\"unlisted\":1}\nnonsense\n",
    )
    .await;
}

#[tokio::test]
async fn jsonl_values_keep_their_spelling() {
    // White space, escaped keys and a key twice: what serde_json would not keep.
    let object =
        r#"{ "k\u0065y" : "\u00e9\/" , "a" : [ 1,  "x y" ], "n": 1.10, "key": "last", "\u0078": 0 }"#;
    let mut fixture = Fixture::new(Format::Jsonl, &["key", "a", "n"], &[(json!({}), ok(json!(["v"])))]);
    let world = World::new();
    write_item(&world, &mut fixture, object).await;
    let response = world.call(&fixture).await.unwrap();
    let output = world.left(&fixture, response).await.output.unwrap();
    let expected = r#"{"a":[ 1,  "x y" ],"n":1.10,"key":"last","x":"v","error":null,"error_detail":null}"#;
    assert_eq!(output, format!("{expected}\n"));

    let mut fixture = fixture.output(OutputFormat::Csv);
    fixture.run.id = "another".to_owned();
    write_item(&world, &mut fixture, object).await;
    let response = world.call(&fixture).await.unwrap();
    let output = world.left(&fixture, response).await.output.unwrap();
    assert_eq!(output, "key,a,n,x,error,error_detail\nlast,\"[1,\"\"x y\"\"]\",1.10,v,,\n");
}

#[tokio::test]
async fn failed_lines_that_are_not_records_are_written_as_they_were() {
    let raw = |bytes: &[u8]| STANDARD.encode(bytes);
    let lines = [
        (
            json!({ "v": ["caf\u{fffd}", "b"], "error": "decode", "detail": "not UTF-8", "raw": raw(b"\"caf\xe9\",b") }),
            None,
        ),
        (json!({ "v": ["short", ""], "error": "parse", "detail": "1 field", "raw": raw(b"short") }), None),
        (json!({ "error": "too_large", "raw": raw(b"begin") }), None),
        (json!({ "v": ["no", "route"], "error": "render", "detail": "empty host" }), ok(json!(["ignored"]))),
    ];
    check(
        Fixture::new(Format::Csv, &["a", "b"], &lines),
        "a,b,x,error,error_detail\n\
         caf\u{fffd},b,,decode,not UTF-8\nshort,,,parse,1 field\n,,,too_large,\nno,route,,render,empty host\n",
        "a,b\n\"caf\u{e9}\",b\nshort\nbegin\nno,route\n",
    )
    .await;
}

#[tokio::test]
async fn a_failed_record_of_one_empty_cell_is_not_a_blank_line() {
    let lines = [(v(json!([""])), bad("connect", "refused"))];
    check(
        Fixture::new(Format::Csv, &["a"], &lines),
        "a,x,error,error_detail\n,,connect,refused\n",
        "a\n\"\"\n",
    )
    .await;
}

#[tokio::test]
async fn an_empty_input_has_an_empty_output() {
    for format in [Format::Text, Format::Csv, Format::Tsv, Format::Jsonl] {
        for output in [OutputFormat::Csv, OutputFormat::Jsonl] {
            let mut fixture = Fixture::new(format, &[], &[]).output(output);
            fixture.plan.lanes.clear();
            let left = check(fixture, "", "").await;
            assert_eq!(left.report.message, "the input has no lines");
        }
    }
}

#[tokio::test]
async fn an_input_of_only_a_header_has_an_output_of_only_a_header() {
    check(Fixture::new(Format::Csv, &["a", "b"], &[]), "a,b,x,error,error_detail\n", "").await;
    check(Fixture::new(Format::Csv, &["a", "b"], &[]).output(OutputFormat::Jsonl), "", "").await;
}

#[tokio::test]
async fn missing_values_are_padded_and_surplus_values_dropped() {
    let lines = [
        (v(json!(["only one"])), ok(json!([]))),
        (v(json!(["one", "two", "three"])), ok(json!([1, 2]))),
        (v(json!(["one", "two"])), Some(json!({ "tries": 1 }))),
    ];
    check(
        Fixture::new(Format::Csv, &["a", "b"], &lines),
        "a,b,x,error,error_detail\nonly one,,,,\none,two,1,,\none,two,,,\n",
        "",
    )
    .await;
}
