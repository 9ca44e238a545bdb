//! Pictures of figures over time, as SVG without script: they are styled by the sheet, and a page without script has them too.

use std::fmt::Write;

use crate::jobs::{Cell, LaneSecond};

/// The size of a picture in its own units; pages stretch it.
const WIDTH: f64 = 600.0;
const HEIGHT: f64 = 100.0;
/// The points of a line. More seconds share a point.
const POINTS: usize = 120;

/// The figures of a lane over its last minutes.
pub(super) struct Chart {
    pub(super) svg: String,
    /// What the top of the picture stands for.
    pub(super) most: String,
    /// When it begins, in words.
    pub(super) from: String,
}

/// Requests a second: sent, allowed, and those whose response asked to slow down.
pub(super) fn rates(seconds: &[LaneSecond]) -> Chart {
    let sent = points(seconds, |second| f64::from(second.requests));
    let allowed = points(seconds, |second| f64::from(second.allowed));
    let throttled = points(seconds, |second| f64::from(second.throttled));
    let most = round_up(sent.iter().chain(&allowed).chain(&throttled).copied().fold(1.0, f64::max));
    let svg = svg(&[
        ("allowed", steps(&allowed, most)),
        ("sent", line(&sent, most)),
        ("throttled", bars(&throttled, most)),
    ]);
    Chart { svg, most: format!("{most}/s"), from: from(seconds.len()) }
}

/// The median of the responses' times.
pub(super) fn latencies(seconds: &[LaneSecond]) -> Chart {
    let median = points(seconds, |second| f64::from(second.latency_p50));
    let most = round_up(median.iter().copied().fold(10.0, f64::max));
    Chart {
        svg: svg(&[("median", line(&median, most))]),
        most: format!("{most} ms"),
        from: from(seconds.len()),
    }
}

/// The batches of a run, left to right.
pub(super) fn strip(cells: &[Cell]) -> String {
    let class = |cell: Cell| match cell {
        Cell::Waiting => "waiting",
        Cell::Working => "working",
        Cell::Done => "done",
        Cell::Failed => "failed",
    };
    let width = WIDTH / float(cells.len().max(1));
    let mut paths = Vec::new();
    for kind in [Cell::Waiting, Cell::Working, Cell::Done, Cell::Failed] {
        let mut path = String::new();
        for at in cells.iter().enumerate().filter(|(_, cell)| **cell == kind).map(|(at, _)| at) {
            let gap = if cells.len() > 120 { 0.3 } else { 1.0 };
            let _ = write!(path, "M{:.1} 0h{:.1}v100h-{:.1}z", float(at) * width, width - gap, width - gap);
        }
        paths.push((class(kind), path));
    }
    svg(&paths)
}

/// The seconds as points, oldest first: the mean of those that share a point.
fn points(seconds: &[LaneSecond], of: impl Fn(&LaneSecond) -> f64) -> Vec<f64> {
    let shared = seconds.len().div_ceil(POINTS).max(1);
    let mean = |some: &[LaneSecond]| some.iter().map(&of).sum::<f64>() / float(some.len());
    // From the newest on, so that a point keeps its seconds as long as possible.
    let mut points: Vec<f64> = seconds.rchunks(shared).map(mean).collect();
    points.reverse();
    points
}

fn svg(paths: &[(&str, String)]) -> String {
    let mut svg =
        format!("<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" preserveAspectRatio=\"none\" aria-hidden=\"true\">");
    for (class, path) in paths.iter().filter(|(_, path)| !path.is_empty()) {
        let _ = write!(svg, "<path class=\"{class}\" d=\"{path}\"/>");
    }
    svg + "</svg>"
}

fn line(values: &[f64], most: f64) -> String {
    let mut path = String::new();
    for (at, value) in values.iter().enumerate() {
        let _ = write!(
            path,
            "{}{:.1} {:.1}",
            if at == 0 { 'M' } else { 'L' },
            x(at, values.len()),
            y(*value, most)
        );
    }
    path
}

/// A line of steps; seconds without a value are left out.
fn steps(values: &[f64], most: f64) -> String {
    let mut path = String::new();
    let mut before = None;
    for (at, value) in values.iter().enumerate() {
        if *value <= 0.0 {
            before = None;
            continue;
        }
        let (x, y) = (x(at, values.len()), y(*value, most));
        let _ = match before {
            None => write!(path, "M{x:.1} {y:.1}"),
            Some(_) => write!(path, "H{x:.1}V{y:.1}"),
        };
        before = Some(y);
    }
    path
}

fn bars(values: &[f64], most: f64) -> String {
    let mut path = String::new();
    for (at, value) in values.iter().enumerate().filter(|(_, value)| **value > 0.0) {
        let _ = write!(path, "M{:.1} {HEIGHT}V{:.1}", x(at, values.len()), y(*value, most).min(HEIGHT - 4.0));
    }
    path
}

fn x(at: usize, all: usize) -> f64 {
    // Two minutes fill the picture; a younger lane begins on its right.
    let places = all.max(POINTS);
    WIDTH * float(places - all + at) / float(places - 1)
}

fn y(value: f64, most: f64) -> f64 {
    HEIGHT - (HEIGHT - 4.0) * (value / most).clamp(0.0, 1.0)
}

/// The next of 1, 2, 5, 10, 20, 50 and so on.
fn round_up(value: f64) -> f64 {
    let decade = 10_f64.powf(value.log10().floor());
    let found = [1.0, 2.0, 5.0, 10.0].into_iter().map(|step| step * decade).find(|step| *step >= value);
    found.unwrap_or(value)
}

fn from(seconds: usize) -> String {
    match seconds.max(POINTS) {
        120 => "2 minutes ago".to_owned(),
        seconds => format!("{} minutes ago", seconds.div_ceil(60)),
    }
}

#[expect(clippy::cast_precision_loss, reason = "places in a picture")]
fn float(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(number: usize) -> Vec<LaneSecond> {
        let second =
            LaneSecond { requests: 7, throttled: 1, allowed: 8.0, latency_p50: 30, ..LaneSecond::default() };
        vec![second; number]
    }

    #[test]
    fn a_picture_is_small_whatever_it_shows() {
        for number in [0, 1, 119, 121, 600] {
            let (rates, latencies) = (rates(&seconds(number)), latencies(&seconds(number)));
            assert!(rates.svg.len() + latencies.svg.len() < 8_000, "{number}: {}", rates.svg.len());
            assert!(!rates.svg.contains("NaN") && !latencies.svg.contains("inf"), "{number}");
        }
        assert_eq!((rates(&seconds(9)).most, latencies(&seconds(9)).most), ("10/s".into(), "50 ms".into()));
        assert_eq!(rates(&seconds(600)).from, "10 minutes ago");
        assert!(strip(&vec![Cell::Done; 240]).len() < 8_000);
    }

    #[test]
    fn the_newest_second_is_at_the_right_edge() {
        for number in [1, 60, 600] {
            let svg = rates(&seconds(number)).svg;
            assert!(svg.contains("600.0 "), "{number}: {svg}");
        }
    }
}
