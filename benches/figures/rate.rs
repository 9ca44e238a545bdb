//! Rate: how much of a limit is used, and whether it is ever exceeded, as the provider sees it.

use std::time::Duration;

use crate::server::Server;
use crate::table::Row;
use crate::{Bench, Measured, files, product};

/// More than 200, so that the rate is shared by three workers.
const IN_FLIGHT: u32 = 250;
const SECOND: Duration = Duration::from_secs(1);

pub(crate) fn measure(bench: &Bench) -> Measured<Vec<Row>> {
    // Beyond a minute every worker has a second batch, so the gap between two is in the figure.
    let seconds = if bench.quick { 10 } else { 61 };
    let mut rows = Vec::new();
    for rate in [200, 1000] {
        let arrivals = run(bench, rate, u64::from(rate) * seconds)?;
        let (used, fullest) = (used(&arrivals), fullest(&arrivals));
        rows.push(
            Row::new(format!("rate of {rate}/s, used"), used, "/s")
                .reference(rate.into())
                .ratio_at_least(0.97),
        );
        rows.push(
            Row::new(format!("rate of {rate}/s, fullest second"), fullest, "/s")
                .reference(rate.into())
                .ratio_at_most(1.02),
        );
    }
    Ok(rows)
}

fn run(bench: &Bench, rate: u32, lines: u64) -> Measured<Vec<Duration>> {
    let input = bench.folder.join("people.csv");
    files::csv(&input, lines)?;
    let server = Server::start()?;
    product::run(
        &bench.folder,
        &server.host,
        &format!("rate = \"{rate}/s\"\nin_flight = {IN_FLIGHT}"),
        &input,
        lines,
    )?;
    let arrivals = server.arrivals()?;
    if arrivals.len() as u64 == lines {
        Ok(arrivals)
    } else {
        Err(format!("{} requests for {lines} lines", arrivals.len()).into())
    }
}

/// Requests a second from the first to the last.
#[expect(clippy::cast_precision_loss, reason = "requests of a minute")]
fn used(arrivals: &[Duration]) -> f64 {
    let [first, .., last] = arrivals else { return 0.0 };
    (arrivals.len() - 1) as f64 / (*last - *first).as_secs_f64()
}

/// The most requests within any second.
#[expect(clippy::cast_precision_loss, reason = "requests of a second")]
fn fullest(arrivals: &[Duration]) -> f64 {
    let mut from = 0;
    let within = arrivals.iter().enumerate().map(|(at, arrival)| {
        while arrivals[from] + SECOND <= *arrival {
            from += 1;
        }
        at + 1 - from
    });
    within.max().unwrap_or(0) as f64
}
