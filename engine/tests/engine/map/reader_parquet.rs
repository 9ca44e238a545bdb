//! Parquet.

use std::sync::Arc;

use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use serde_json::json;

use super::{machine, output, reader};
use crate::fake::Fake;

/// Rows of a number and a text that may be missing, `size` to a row group.
fn table(rows: &[(i64, Option<&str>)], size: usize, compression: parquet::basic::Compression) -> Vec<u8> {
    let schema = "message m { required int64 n; optional binary s (UTF8); }";
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let properties = Arc::new(WriterProperties::builder().set_compression(compression).build());
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, properties).unwrap();
    for rows in rows.chunks(size) {
        let mut group = writer.next_row_group().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        let numbers: Vec<i64> = rows.iter().map(|(n, _)| *n).collect();
        column.typed::<Int64Type>().write_batch(&numbers, None, None).unwrap();
        column.close().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        let texts: Vec<ByteArray> = rows.iter().filter_map(|(_, s)| s.map(ByteArray::from)).collect();
        let levels: Vec<i16> = rows.iter().map(|(_, s)| i16::from(s.is_some())).collect();
        column.typed::<ByteArrayType>().write_batch(&texts, Some(&levels), None).unwrap();
        column.close().unwrap();
        group.close().unwrap();
    }
    writer.into_inner().unwrap()
}

#[test]
fn each_row_of_each_row_group_is_an_object() {
    use parquet::basic::Compression;
    let rows = [(1, Some("a")), (2, None), (9007199254740993, Some("é")), (4, Some(""))];
    let expected = json!([{"n": 1, "s": "a"}, {"n": 2, "s": null}, {"n": 9007199254740993_i64, "s": "é"}, {"n": 4, "s": ""}]);
    for compression in [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(Default::default()),
        Compression::ZSTD(Default::default()),
    ] {
        let host = Fake::echo();
        host.put("b", "file", table(&rows, 3, compression));
        assert_eq!(
            output(&machine(reader(json!({"InputType": "PARQUET"}))), json!({}), &host),
            expected,
            "{compression}"
        );
    }
}

#[test]
fn file_that_is_not_parquet_fails_the_reader() {
    let host = Fake::echo();
    let definition = machine(reader(json!({"InputType": "PARQUET"})));
    for body in ["", "no", "no parquet, but longer", "\u{1}\u{1}\u{0}\u{0}PAR1"] {
        host.put("b", "file", body);
        assert_eq!(output(&definition, json!({}), &host)[0], "States.ItemReaderFailed", "{body}");
    }
}
