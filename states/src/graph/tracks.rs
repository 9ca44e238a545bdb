//! The tracks of horizontal lines in the channels between rows.

use super::layers::{Net, Rows, Side};
use super::places::Ports;

/// The tracks of all nets.
#[derive(Debug)]
pub(super) struct Tracks {
    /// The track of each net in its channel, from above.
    pub(super) of_net: Vec<usize>,
    /// The number of tracks of each channel.
    pub(super) count: Vec<usize>,
}

/// Lines whose distance is smaller than this would be taken for one.
const NEAR: f64 = 5.0;

/// A net with the places of its ends.
struct Placed {
    index: usize,
    from: f64,
    to: f64,
    upper: Vec<f64>,
    lower: Vec<f64>,
    /// The order in which nets take the tracks from above, so that few lines cross.
    preference: (bool, f64),
}

pub(super) fn of(rows: &Rows, xs: &[f64], ports: &Ports) -> Tracks {
    let mut tracks = Tracks { of_net: vec![0; rows.nets.len()], count: vec![0; rows.rows.len()] };
    for channel in 0..rows.rows.len() {
        let nets = rows.nets.iter().enumerate().filter(|(_, net)| net.channel == channel);
        let placed: Vec<Placed> = nets.map(|(index, net)| place(index, net, xs, ports)).collect();
        // Straight nets need no track.
        let bent: Vec<&Placed> = placed.iter().filter(|net| net.to - net.from >= 1.0).collect();
        tracks.count[channel] = assign(bent, &mut tracks.of_net);
    }
    tracks
}

fn place(index: usize, net: &Net, xs: &[f64], ports: &Ports) -> Placed {
    let ends: Vec<(Side, f64)> = net
        .tails
        .iter()
        .chain([&net.head])
        .map(|end| (end.side, xs[end.item] + ports.offset(index, *end)))
        .collect();
    let on = |side: Side| ends.iter().filter(|end| end.0 == side).map(|end| end.1).collect::<Vec<_>>();
    let head = ends.last().map_or(0.0, |end| end.1);
    let tail = ends.first().map_or(0.0, |end| end.1);
    Placed {
        index,
        from: ends.iter().map(|end| end.1).fold(f64::MAX, f64::min),
        to: ends.iter().map(|end| end.1).fold(f64::MIN, f64::max),
        upper: on(Side::Upper),
        lower: on(Side::Lower),
        preference: if head >= tail { (true, -tail) } else { (false, tail) },
    }
}

/// Assigns tracks and returns their number.
fn assign(mut open: Vec<&Placed>, of_net: &mut [usize]) -> usize {
    open.sort_by(|one, other| {
        one.preference.0.cmp(&other.preference.0).then(one.preference.1.total_cmp(&other.preference.1))
    });
    let mut track = 0;
    while !open.is_empty() {
        let mut taken: Vec<&Placed> = Vec::new();
        for net in &open {
            let free = |other: &&Placed| net.from > other.to + NEAR || net.to < other.from - NEAR;
            let first = open.iter().all(|other| other.index == net.index || !must_be_above(other, net));
            if first && taken.iter().all(free) {
                taken.push(net);
            }
        }
        if taken.is_empty() {
            // Two nets that should each be above the other: their lines overlap a little.
            taken.push(open[0]);
        }
        taken.iter().for_each(|net| of_net[net.index] = track);
        let chosen: Vec<usize> = taken.iter().map(|net| net.index).collect();
        open.retain(|net| !chosen.contains(&net.index));
        track += 1;
    }
    track
}

/// Whether a net's line from above and another's line to below are in the same place, so that they would overlap
/// if the first had the lower track.
fn must_be_above(net: &Placed, other: &Placed) -> bool {
    net.upper.iter().any(|x| other.lower.iter().any(|y| (x - y).abs() < NEAR))
}
