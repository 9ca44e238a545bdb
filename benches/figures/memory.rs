//! Memory: the most that a run holds, and whether that depends on the number of lines.

use crate::bare::IN_FLIGHT;
use crate::server::Server;
use crate::table::Row;
use crate::{Bench, Measured, files, product};

pub(crate) fn measure(bench: &Bench) -> Measured<Vec<Row>> {
    let (few, many) = if bench.quick { (20_000, 200_000) } else { (100_000, 1_000_000) };
    let (few_peak, many_peak) = (peak(bench, few)?, peak(bench, many)?);
    Ok(vec![
        Row::new(format!("memory of {many} lines"), many_peak, "MB").at_most(200.0),
        Row::new(format!("memory of {many} lines, to {few}"), many_peak, "MB")
            .reference(few_peak)
            .ratio_within(0.2),
    ])
}

/// Megabytes.
#[expect(clippy::cast_precision_loss, reason = "far below 2^52 bytes")]
fn peak(bench: &Bench, lines: u64) -> Measured<f64> {
    let input = bench.folder.join("people.csv");
    files::csv(&input, lines)?;
    let server = Server::start()?;
    let run = product::run(
        &bench.folder,
        &server.host,
        &format!("rate = \"unlimited\"\nin_flight = {IN_FLIGHT}"),
        &input,
        lines,
    )?;
    Ok(run.ended.peak as f64 / 1e6)
}
