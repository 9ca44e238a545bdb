//! Post-processing: megabytes of output a second, compared with a plain copy of the same rows from CSV to CSV.

use std::path::Path;

use job::file::Identity;
use job::run::RunRef;
use job::wire::seal::seal;
use job::{Batch, Invocation, LineId, LineResult, SegmentKey};
use serde_json::value::RawValue;

use crate::process::spent;
use crate::split::write;
use crate::step::{Speed, Store};
use crate::table::Row;
use crate::{Bench, Measured, files};

pub(crate) const JOB: &str = "[request]\nurl = \"https://api.example.com/v1/places?q={{ street }}\"\n\n\
                   [output]\ncolumns = { lat = \"$.lat\", lon = \"$.lon\" }\n\n\
                   [limits.\"api.example.com\"]\nrate = \"unlimited\"\n";
/// The values of every line's result.
const VALUES: [&str; 2] = ["38.7223", "-9.1393"];
/// Lines of a result segment: those of a second at a fast provider.
const FLUSH: u64 = 10_000;
/// Requests under way at once: the number of lines by which responses are out of order.
const IN_FLIGHT: u64 = 64;

pub(crate) fn measure(bench: &Bench) -> Measured<Vec<Row>> {
    let (lines, rounds) = if bench.quick { (600_000, 1) } else { (3_400_000, 3) };
    let (input, copy) = (bench.folder.join("people.csv"), bench.folder.join("copy.csv"));
    files::csv(&input, lines)?;
    let (mut ours, mut theirs) = (Speed::default(), Speed::default());
    for _ in 0..rounds {
        let store = Store::new(bench, JOB, &input)?;
        let run = store.preprocess()?;
        write_results(&store, &run)?;
        let (ok, spent_ours) = spent(|| store.postprocess(&run))?;
        let ((), spent_theirs) = spent(|| plain(&input, &copy))?;
        let bytes = store.output_bytes(&run)?;
        if (ok, bytes) != (lines, copy.metadata()?.len()) {
            return Err(format!("{ok} of {lines} lines succeeded; {bytes} bytes of output").into());
        }
        ours.add(bytes, spent_ours);
        theirs.add(bytes, spent_theirs);
    }
    let ((core, clock), (their_core, their_clock)) = (ours.medians(), theirs.medians());
    Ok(vec![
        Row::new("postprocess CSV, a core", core, "MB/s").reference(their_core).at_least(150.0),
        Row::new("postprocess CSV, elapsed", clock, "MB/s").reference(their_clock),
    ])
}

/// Writes the result segments of all batches, as workers do.
pub(crate) fn write_results(store: &Store, run: &RunRef) -> Measured<()> {
    for lane in &store.plan(run)?.lanes {
        for batch in &lane.batches {
            write_batch(store, run, &lane.name, *batch)?;
        }
    }
    Ok(())
}

/// The lines of a lane follow one another, since there is only one.
fn write_batch(store: &Store, run: &RunRef, lane: &str, batch: Batch) -> Measured<()> {
    let values = VALUES.map(|value| RawValue::from_string(value.to_owned()));
    let [lat, lon] = values;
    let (lat, lon) = (lat?, lon?);
    let millis = throughline::local::now();
    let invocation = Invocation::new(run.generation, millis, 0);
    let mut segments = vec![(Vec::new(), 0); usize::try_from(batch.lines.div_ceil(FLUSH) + 1)?];
    for at in 0..batch.lines {
        let n = batch.first.number() + at;
        let result = LineResult {
            n: LineId::nth(n),
            t: millis,
            ms: 40,
            tries: 1,
            status: 200,
            id: Some(Identity([7; 16])),
            v: Some(vec![&lat, &lon]),
            error: None,
            detail: None,
            earlier: Vec::new(),
        };
        let (body, lines) = &mut segments[usize::try_from((at + n * 31 % IN_FLIGHT) / FLUSH)?];
        serde_json::to_writer(&mut *body, &result)?;
        body.push(b'\n');
        *lines += 1;
    }
    for (k, (mut body, ok)) in (0..).zip(segments).filter(|(_, (_, lines))| *lines > 0) {
        let name =
            SegmentKey::Results { invocation: invocation.clone(), k, ok, failed: 0, throttled: 0, sent: 0 }
                .name();
        seal(&mut body);
        store.wait(store.objects.put(&(run.keys().batch_results(lane, batch.first) + &name), body))?;
    }
    Ok(())
}

fn plain(input: &Path, output: &Path) -> Measured<()> {
    let mut reader = csv::Reader::from_path(input)?;
    let mut header = reader.byte_headers()?.clone();
    ["lat", "lon", "error", "error_detail"].iter().for_each(|name| header.push_field(name.as_bytes()));
    let mut record = csv::ByteRecord::new();
    write(output, |out| {
        let mut writer = csv::Writer::from_writer(out);
        writer.write_byte_record(&header)?;
        while reader.read_byte_record(&mut record)? {
            VALUES.iter().chain(&["", ""]).for_each(|value| record.push_field(value.as_bytes()));
            writer.write_byte_record(&record)?;
        }
        Ok(writer.flush()?)
    })
}
