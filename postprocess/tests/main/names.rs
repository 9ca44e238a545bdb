use job::file::{Compression, Format, OutputFormat};
use postprocess::{failed_key, output_key, report_key};

use crate::world::Fixture;

fn check(
    file: &str,
    format: Format,
    compression: Compression,
    output: OutputFormat,
    expected_output: &str,
    expected_failed: &str,
) {
    let mut fixture = Fixture::new(format, &[], &[]).output(output);
    fixture.run.file = file.to_owned();
    fixture.plan.input.compression = compression;
    assert_eq!(output_key(&fixture.run, &fixture.plan), format!("jobs/places/output/{expected_output}"));
    assert_eq!(failed_key(&fixture.run, &fixture.plan), format!("jobs/places/failed/{expected_failed}"));
    assert_eq!(report_key(&fixture.run), format!("jobs/places/report/{file}.json"));
}

#[test]
fn output_keys_follow_the_name_of_the_input() {
    use Compression::{Bzip2, Gzip, None, Zstd};
    use OutputFormat::{Csv, Jsonl};
    check("a.csv", Format::Csv, None, Csv, "a.csv", "a.csv");
    check("a.csv.gz", Format::Csv, Gzip, Csv, "a.csv", "a.csv");
    check("a.csv.GZ", Format::Csv, Gzip, Jsonl, "a.jsonl", "a.csv");
    check("a.txt.zst", Format::Text, Zstd, Csv, "a.csv", "a.txt");
    check("a.b.bz2", Format::Text, Bzip2, Csv, "a.b.csv", "a.b");
    check("names.txt", Format::Text, None, Csv, "names.csv", "names.txt");
    check("names.txt", Format::Text, None, Jsonl, "names.jsonl", "names.txt");
    check("names", Format::Text, None, Csv, "names.csv", "names");
    check("v1.2/names", Format::Text, None, Csv, "v1.2/names.csv", "v1.2/names");
    check("x.csv", Format::Csv, None, Jsonl, "x.jsonl", "x.csv");
    check("x.tsv", Format::Tsv, None, Csv, "x.csv", "x.tsv");
    check("x.jsonl", Format::Jsonl, None, Csv, "x.csv", "x.jsonl");
    check("x.ndjson", Format::Jsonl, None, Jsonl, "x.ndjson", "x.ndjson");
    check("2026.11", Format::Csv, None, Csv, "2026.11", "2026.11");
    check("2026.11", Format::Csv, None, Jsonl, "2026.11.jsonl", "2026.11");
    // The content is compressed although the name does not say so; then a name that is only an extension.
    check("data.bin", Format::Csv, Gzip, Csv, "data.bin", "data.bin");
    check("a.csv.gz", Format::Csv, None, Csv, "a.csv.gz", "a.csv.gz");
    check(".gz", Format::Csv, Gzip, Csv, ".gz", ".gz");
}
