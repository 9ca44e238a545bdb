//! Throughput: lines a second against a server that responds at once, compared with the bare loop over the
//! same requests.

use crate::bare::{self, IN_FLIGHT};
use crate::server::Server;
use crate::table::{Row, median};
use crate::{Bench, Measured, files, product};

pub(crate) fn measure(bench: &Bench) -> Measured<Vec<Row>> {
    let (lines, rounds) = if bench.quick { (50_000, 1) } else { (200_000, 3) };
    let (input, expected) = (bench.folder.join("people.csv"), bench.folder.join("expected.csv"));
    files::csv(&input, lines)?;
    let server = Server::start()?;
    let (mut ours, mut theirs) = (Samples::default(), Samples::default());
    let mut sending = Vec::new();
    for _ in 0..rounds {
        let run = product::run(
            &bench.folder,
            &server.host,
            &format!("rate = \"unlimited\"\nin_flight = {IN_FLIGHT}"),
            &input,
            lines,
        )?;
        ours.add(&run.ended, lines);
        sending.push(
            run.summary["lanes"][0]["requests_per_second"]
                .as_f64()
                .ok_or("the report has no requests per second")?,
        );
        let bare = bare::start(bench, &server.host, &input, &expected)?;
        theirs.add(&bare, lines);
        if !files::same(&run.output, &expected)? {
            return Err("throughline and the bare loop do not write the same".into());
        }
    }
    let theirs_per_second = median(theirs.per_second);
    Ok(vec![
        Row::new("throughput", median(ours.per_second), "lines/s")
            .reference(theirs_per_second)
            .ratio_at_least(0.5),
        Row::new("throughput, while it sends", median(sending), "lines/s").reference(theirs_per_second),
        Row::new("throughput, CPU", median(ours.cpu_micros), "µs/line").reference(median(theirs.cpu_micros)),
    ])
}

#[derive(Default)]
struct Samples {
    per_second: Vec<f64>,
    cpu_micros: Vec<f64>,
}

impl Samples {
    #[expect(clippy::cast_precision_loss, reason = "lines of a file")]
    fn add(&mut self, ended: &crate::process::Ended, lines: u64) {
        self.per_second.push(lines as f64 / ended.spent.wall);
        self.cpu_micros.push(ended.spent.cpu * 1e6 / lines as f64);
    }
}
