//! Pre-processing: megabytes of decompressed input a second, compared with a plain reader that writes each record as JSON.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;
use serde::Serializer;
use serde_json::value::RawValue;

use crate::process::spent;
use crate::step::{Speed, Store};
use crate::table::Row;
use crate::{Bench, Measured, files};

/// Every line has the same provider, which no limit slows down: large batches, one lane.
const ONE_HOST: &str = "[request]\nurl = \"https://api.example.com/v1/places?q={{ street }}\"\n\n[limits.\"api.example.com\"]\nrate = \"unlimited\"\n";
/// The line decides: many lanes, and every URL is taken apart.
const ANY_HOST: &str = "[request]\nurl = \"{{ line }}\"\n";

/// An input, and the plain reader for it.
struct Subject {
    name: &'static str,
    job: &'static str,
    path: PathBuf,
    /// Bytes, decompressed.
    bytes: u64,
    plain: fn(&Path, &Path) -> Measured<()>,
}

pub(crate) fn measure(bench: &Bench) -> Measured<Vec<Row>> {
    let (lines, rounds) = if bench.quick { (600_000, 1) } else { (3_400_000, 3) };
    let file = |name: &str| bench.folder.join(name);
    files::csv(&file("people.csv"), lines)?;
    let csv = subject("preprocess CSV", ONE_HOST, file("people.csv"), plain_csv)?;
    files::gzip(&csv.path, &file("people.csv.gz"))?;
    let gzip = Subject {
        bytes: csv.bytes,
        ..subject("preprocess CSV in gzip", ONE_HOST, file("people.csv.gz"), plain_gzip)?
    };
    files::jsonl(&file("people.jsonl"), lines / 2)?;
    let jsonl = subject("preprocess JSONL", ONE_HOST, file("people.jsonl"), plain_jsonl)?;
    files::urls(&file("urls.txt"), lines / 2)?;
    let urls = subject("preprocess URLs", ANY_HOST, file("urls.txt"), plain_text)?;
    let mut rows = Vec::new();
    for (subject, target) in [(csv, Some(150.0)), (gzip, None), (jsonl, Some(150.0)), (urls, None)] {
        let (mut ours, mut theirs) = (Speed::default(), Speed::default());
        for _ in 0..rounds {
            let store = Store::new(bench, subject.job, &subject.path)?;
            ours.add(subject.bytes, spent(|| store.preprocess())?.1);
            let output = file("plain.jsonl");
            theirs.add(subject.bytes, spent(|| (subject.plain)(&subject.path, &output))?.1);
        }
        let ((core, clock), (their_core, their_clock)) = (ours.medians(), theirs.medians());
        let row = Row::new(format!("{}, a core", subject.name), core, "MB/s").reference(their_core);
        rows.push(match target {
            Some(target) => row.at_least(target),
            None => row,
        });
        rows.push(Row::new(format!("{}, elapsed", subject.name), clock, "MB/s").reference(their_clock));
    }
    Ok(rows)
}

fn subject(
    name: &'static str,
    job: &'static str,
    path: PathBuf,
    plain: fn(&Path, &Path) -> Measured<()>,
) -> Measured<Subject> {
    Ok(Subject { name, job, bytes: path.metadata()?.len(), path, plain })
}

fn plain_csv(input: &Path, output: &Path) -> Measured<()> {
    csv_records(File::open(input)?, output)
}

fn plain_gzip(input: &Path, output: &Path) -> Measured<()> {
    csv_records(MultiGzDecoder::new(BufReader::with_capacity(128 << 10, File::open(input)?)), output)
}

fn csv_records(input: impl Read, output: &Path) -> Measured<()> {
    let mut reader = csv::Reader::from_reader(input);
    let mut record = csv::ByteRecord::new();
    write(output, |out| {
        while reader.read_byte_record(&mut record)? {
            let texts: Result<Vec<&str>, _> = record.iter().map(str::from_utf8).collect();
            json_line(out, &texts?)?;
        }
        Ok(())
    })
}

fn plain_jsonl(input: &Path, output: &Path) -> Measured<()> {
    write(output, |out| {
        lines(input, |line| {
            let object: &RawValue = serde_json::from_slice(line)?;
            Ok(writeln!(out, "{object}")?)
        })
    })
}

fn plain_text(input: &Path, output: &Path) -> Measured<()> {
    write(output, |out| lines(input, |line| json_line(out, &[str::from_utf8(line)?])))
}

fn lines(input: &Path, mut each: impl FnMut(&[u8]) -> Measured<()>) -> Measured<()> {
    let mut reader = BufReader::with_capacity(128 << 10, File::open(input)?);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line)? > 0 {
        each(line.strip_suffix(b"\n").unwrap_or(&line))?;
        line.clear();
    }
    Ok(())
}

fn json_line(out: &mut impl Write, texts: &[&str]) -> Measured<()> {
    serde_json::Serializer::new(&mut *out).collect_seq(texts)?;
    Ok(out.write_all(b"\n")?)
}

/// On disk when it returns, as the step's objects are.
pub(crate) fn write(path: &Path, content: impl FnOnce(&mut BufWriter<File>) -> Measured<()>) -> Measured<()> {
    let mut out = BufWriter::with_capacity(128 << 10, File::create(path)?);
    content(&mut out)?;
    let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    Ok(file.sync_all()?)
}
