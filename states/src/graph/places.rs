//! The horizontal places of items, and the ports of nodes.

use std::collections::HashMap;

use super::layers::{End, Item, Rows, Side, What};

/// The space between two nodes, and between other items.
const NODES: f64 = 28.0;
const OTHERS: f64 = 10.0;
const SWEEPS: usize = 40;
/// The largest distance of two ports.
const PORT: f64 = 30.0;
/// The largest bend that is removed.
const BEND: f64 = 14.0;

/// The offsets of ports from the middle of their node, by net and side.
#[derive(Debug, Default)]
pub(super) struct Ports(HashMap<(usize, usize, Side), f64>);

impl Ports {
    /// Gives each net of a node its own port, in the order of the other ends.
    pub(super) fn of(rows: &Rows, xs: &[f64]) -> Self {
        let mut by_node: HashMap<(usize, Side), Vec<(f64, usize)>> = HashMap::new();
        let main = |net: usize| {
            let net = &rows.nets[net];
            !net.caught
                && net.head.side == Side::Lower
                && net.tails.iter().all(|tail| tail.side == Side::Upper)
        };
        for (index, net) in rows.nets.iter().enumerate() {
            let tails = net.tails.iter().map(|tail| xs[tail.item]).sum::<f64>() / net.tails.len() as f64;
            let mut add = |end: End, other: f64| {
                if matches!(rows.items[end.item].what, What::Node(_)) {
                    by_node.entry((end.item, end.side)).or_default().push((other, index));
                }
            };
            add(net.head, tails);
            net.tails.iter().for_each(|tail| add(*tail, xs[net.head.item]));
        }
        let mut ports = Self::default();
        for ((item, side), mut nets) in by_node {
            nets.sort_by(|one, other| one.0.total_cmp(&other.0).then(one.1.cmp(&other.1)));
            let Item { left, right, .. } = rows.items[item];
            let between = (nets.len() - 1).max(1) as f64;
            let step = PORT.min((left + right) * 0.7 / between);
            // The only way onwards is in the middle, so that it is straight.
            let mut onwards = (0..nets.len()).filter(|at| main(nets[*at].1));
            let middle = match (onwards.next(), onwards.next()) {
                (Some(at), None) => at as f64,
                _ => (nets.len() - 1) as f64 / 2.0,
            };
            let most = (left + right) * 0.42;
            let furthest = middle.max((nets.len() - 1) as f64 - middle).max(1.0);
            let step = step.min(most / furthest);
            for (at, (_, net)) in nets.iter().enumerate() {
                ports.0.insert((*net, item, side), (at as f64 - middle) * step);
            }
        }
        ports
    }

    pub(super) fn offset(&self, net: usize, end: End) -> f64 {
        self.0.get(&(net, end.item, end.side)).copied().unwrap_or(0.0)
    }
}

/// The place of each item's line, or of a node's middle. The left border of the graph is at 0.
pub(super) fn xs(rows: &Rows) -> Vec<f64> {
    let mut xs = vec![0.0; rows.items.len()];
    for row in &rows.rows {
        let mut x = 0.0;
        for (at, item) in row.iter().enumerate() {
            if at > 0 {
                x += distance(rows, row[at - 1], *item);
            }
            xs[*item] = x;
        }
        row.iter().for_each(|item| xs[*item] -= x / 2.0);
    }
    for sweep in 0..SWEEPS {
        let ports = Ports::of(rows, &xs);
        let links = links(rows, &ports);
        let count = rows.rows.len();
        // The last sweeps align with what is above.
        let (down, both) = (sweep % 2 == 0 || sweep + 4 > SWEEPS, sweep + 4 <= SWEEPS);
        for step in 0..count {
            let row = &rows.rows[if down { step } else { count - 1 - step }];
            let wanted: Vec<(f64, f64)> =
                row.iter().map(|item| want(*item, &links, &xs, down, both)).collect();
            settle(rows, row, &wanted, &mut xs);
        }
    }
    straighten(rows, &mut xs);
    let left = rows.items.iter().zip(&xs).map(|(item, x)| x - item.left).fold(f64::MAX, f64::min);
    xs.iter_mut().for_each(|x| *x -= left);
    xs
}

/// Removes small bends: moves items to the line of a neighbour, where the row has room for it.
fn straighten(rows: &Rows, xs: &mut [f64]) {
    for pass in 0..6 {
        let ports = Ports::of(rows, xs);
        let links = links(rows, &ports);
        let down = pass % 2 == 0;
        let count = rows.rows.len();
        for step in 0..count {
            let row = &rows.rows[if down { step } else { count - 1 - step }];
            for (at, item) in row.iter().enumerate() {
                let from = links[*item].iter().filter(|link| link.3 == down && link.2 > 0.1);
                let near = from.map(|(neighbour, offset, ..)| xs[*neighbour] + offset);
                let near =
                    near.min_by(|one, other| (one - xs[*item]).abs().total_cmp(&(other - xs[*item]).abs()));
                let Some(wanted) = near.filter(|wanted| (wanted - xs[*item]).abs() < BEND) else { continue };
                let fits =
                    |left: usize, right: usize, between: f64| between >= distance(rows, left, right) - 0.01;
                let left = at == 0 || fits(row[at - 1], *item, wanted - xs[row[at - 1]]);
                let right = row.get(at + 1).is_none_or(|next| fits(*item, *next, xs[*next] - wanted));
                // A node that is straight on its other side stays where it is.
                let other = links[*item].iter().any(|(neighbour, offset, weight, above)| {
                    *above != down && *weight > 0.1 && (xs[*neighbour] + offset - xs[*item]).abs() < 0.5
                });
                if left && right && !(other && pass >= 4) {
                    xs[*item] = wanted;
                }
            }
        }
    }
}

/// A neighbour of an item: the neighbour, the offset at which the lines of both meet, the weight of being
/// straight, and whether the neighbour is above.
type Links = Vec<Vec<(usize, f64, f64, bool)>>;

fn links(rows: &Rows, ports: &Ports) -> Links {
    let mut links: Links = vec![Vec::new(); rows.items.len()];
    for (index, net) in rows.nets.iter().enumerate() {
        for tail in &net.tails {
            let (one, other) = (tail.item, net.head.item);
            let offset = ports.offset(index, *tail) - ports.offset(index, net.head);
            let lane = |item: usize| !matches!(rows.items[item].what, What::Node(_));
            let weight = match (lane(one), lane(other)) {
                _ if tail.side == net.head.side => 0.05,
                (true, true) if net.caught => 1.0,
                _ if net.caught => 0.3,
                (true, true) => 8.0,
                (false, false) => 6.0,
                _ => 4.0,
            };
            let above = tail.side == Side::Upper && net.head.side == Side::Lower;
            links[other].push((one, offset, weight, above));
            links[one].push((
                other,
                -offset,
                weight,
                tail.side == Side::Lower && net.head.side == Side::Upper,
            ));
        }
    }
    links
}

/// The wanted place of an item, and its weight.
fn want(item: usize, links: &Links, xs: &[f64], down: bool, both: bool) -> (f64, f64) {
    let (mut sum, mut weights) = (0.0, 0.0);
    for (neighbour, offset, weight, above) in &links[item] {
        let counts = if *above == down {
            1.0
        } else if both {
            0.6
        } else {
            0.02
        };
        sum += (xs[*neighbour] + offset) * weight * counts;
        weights += weight * counts;
    }
    if weights > 0.0 { (sum / weights, weights) } else { (xs[item], 0.01) }
}

fn distance(rows: &Rows, left: usize, right: usize) -> f64 {
    let (left, right) = (&rows.items[left], &rows.items[right]);
    let nodes = matches!((left.what, right.what), (What::Node(_), What::Node(_)));
    left.right + right.left + if nodes { NODES } else { OTHERS }
}

/// Puts the items of a row as near to the wanted places as their order and sizes allow (isotonic regression).
fn settle(rows: &Rows, row: &[usize], wanted: &[(f64, f64)], xs: &mut [f64]) {
    let mut offsets = Vec::with_capacity(row.len());
    let mut offset = 0.0;
    for (at, item) in row.iter().enumerate() {
        if at > 0 {
            offset += distance(rows, row[at - 1], *item);
        }
        offsets.push(offset);
    }
    // Blocks of items that touch: mean, weight and number of items.
    let mut blocks: Vec<(f64, f64, usize)> = Vec::new();
    for ((want, weight), offset) in wanted.iter().zip(&offsets) {
        let mut block = (want - offset, *weight, 1);
        while let Some(&(mean, weight, count)) = blocks.last() {
            if mean <= block.0 {
                break;
            }
            let weights = weight + block.1;
            block = ((mean * weight + block.0 * block.1) / weights, weights, count + block.2);
            blocks.pop();
        }
        blocks.push(block);
    }
    let means = blocks.iter().flat_map(|(mean, _, count)| std::iter::repeat_n(*mean, *count));
    for ((item, offset), mean) in row.iter().zip(&offsets).zip(means) {
        xs[*item] = mean + offset;
    }
}
