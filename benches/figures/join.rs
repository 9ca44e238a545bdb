//! The join of a run with the run before: lines a second of an edited file whose responses are all kept, compared
//! with the split of the same file, and the most memory that both take.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::sync::Arc;

use job::run::RunRef;
use job::wire::seal::seal;
use job::{Batch, Invocation, Item, Job, LineResult, Plan, Row as Line, SegmentKey};
use serde_json::value::RawValue;

use crate::process::{self, spent};
use crate::split::write;
use crate::step::Store;
use crate::table::Row;
use crate::{Bench, Measured, files};

const JOB: &str = "[request]\nurl = \"https://api.example.com/v1/places?q={{ street }}&id={{ id }}\"\n\n\
                   [output]\ncolumns = { lat = \"$.lat\", lon = \"$.lon\" }\n\n\
                   [limits.\"api.example.com\"]\nrate = \"unlimited\"\n";
/// The values of every line's result.
const VALUES: &str = "[\"38.7223\",\"-9.1393\"]";
/// Lines of a result segment: those of a second at a fast provider.
const FLUSH: usize = 10_000;

#[expect(clippy::cast_precision_loss, reason = "numbers of lines and bytes")]
pub(crate) fn measure(bench: &Bench) -> Measured<Vec<Row>> {
    let lines: u64 = if bench.quick { 1_000_000 } else { 10_000_000 };
    let (input, edited) = (bench.folder.join("people.csv"), bench.folder.join("edited"));
    files::csv(&input, lines)?;
    fs::create_dir_all(&edited)?;
    let edited = edited.join("people.csv");
    insert_a_line(&input, &edited)?;
    let mut store = Store::new(bench, JOB, &input)?;
    let (run, split) = spent(|| store.preprocess())?;
    let plan: Plan = serde_json::from_slice(&store.wait(store.objects.get(&run.keys().plan()))?)?;
    write_results(&store, &run, &plan)?;
    store.replace(JOB, &edited)?;
    process::forget_peak_memory()?;
    let (run, both) = spent(|| store.preprocess())?;
    let peak = process::own_peak_memory().ok_or("the peak of the memory is not known")?;
    let plan: Plan = serde_json::from_slice(&store.wait(store.objects.get(&run.keys().plan()))?)?;
    let kept = plan.continues.map_or(0, |continues| continues.kept);
    if kept != lines {
        return Err(format!("{kept} of {lines} responses were kept").into());
    }
    let (rate, reference) = (lines as f64 / (both.wall - split.wall), lines as f64 / split.wall);
    let core = lines as f64 / (both.cpu - split.cpu);
    Ok(vec![
        Row::new(format!("join of {lines} lines, elapsed, to the split"), rate, "lines/s")
            .reference(reference)
            .at_least(100_000.0),
        Row::new("join, a core, to the split", core, "lines/s").reference(lines as f64 / split.cpu),
        Row::new(format!("memory of split and join of {lines} lines"), peak as f64 / 1e6, "MB")
            .at_most(200.0),
    ])
}

/// One line more at the top, which moves all others.
fn insert_a_line(input: &Path, output: &Path) -> Measured<()> {
    let mut lines = BufReader::new(File::open(input)?);
    let mut header = String::new();
    lines.read_line(&mut header)?;
    write(output, |out| {
        writeln!(out, "{header}0,Zoe Zimmer,zoe@example.com,New Street 1,Lisbon,2026-01-01")?;
        std::io::copy(&mut lines, out)?;
        Ok(())
    })
}

/// Writes the result segments of all batches, as workers do: every line has succeeded.
fn write_results(store: &Store, run: &RunRef, plan: &Plan) -> Measured<()> {
    let job = Job::parse(JOB, "job.toml")?;
    let columns: Arc<[String]> = plan.input.columns.clone().into();
    for lane in &plan.lanes {
        for batch in &lane.batches {
            write_batch(store, run, &lane.name, *batch, &job, &columns)?;
        }
    }
    Ok(())
}

fn write_batch(
    store: &Store,
    run: &RunRef,
    lane: &str,
    batch: Batch,
    job: &Job,
    columns: &Arc<[String]>,
) -> Measured<()> {
    let items = store.wait(store.objects.get_range(&run.keys().items(lane), batch.from, batch.to))?;
    let t = throughline::local::now();
    let values: Vec<&RawValue> = serde_json::from_str(VALUES)?;
    let invocation = Invocation::new(run.generation, t, 0);
    let lines: Vec<&[u8]> = items.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
    for (k, lines) in (0..).zip(lines.chunks(FLUSH)) {
        let mut body = Vec::new();
        for line in lines {
            let Item { n, v, .. } = Item::parse(line)?;
            let row = Line::parse(columns, v.ok_or("an item has no fields")?)?;
            let id = job.identity(&Arc::new(row));
            let v = Some(values.clone());
            let result = LineResult {
                n,
                t,
                ms: 40,
                tries: 1,
                status: 200,
                id,
                v,
                error: None,
                detail: None,
                earlier: Vec::new(),
            };
            body.extend(result.to_line());
        }
        let ok = lines.len() as u64;
        let invocation = invocation.clone();
        let name = SegmentKey::Results { invocation, k, ok, failed: 0, throttled: 0, sent: ok }.name();
        seal(&mut body);
        store.wait(store.objects.put(&(run.keys().batch_results(lane, batch.first) + &name), body))?;
    }
    Ok(())
}
