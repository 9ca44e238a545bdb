//! The order of the items in each row, chosen so that few edges cross.

use super::layers::{Rows, Side};

const SWEEPS: usize = 12;

/// Orders the rows by the mean position of the neighbours, downwards and upwards, and keeps the best order.
pub(super) fn order(rows: &mut Rows) {
    let links = links(rows);
    // The neighbours of each item above and below it.
    let mut near: [Vec<Vec<usize>>; 2] =
        [vec![Vec::new(); rows.items.len()], vec![Vec::new(); rows.items.len()]];
    for (upper, lower) in &links {
        near[0][*lower].push(*upper);
        near[1][*upper].push(*lower);
    }
    let mut best = (crossings(rows, &links), rows.rows.clone());
    for sweep in 0..SWEEPS {
        if best.0 == 0 {
            break;
        }
        let mut position = positions(rows);
        let count = rows.rows.len();
        for step in 0..count {
            let row = if sweep % 2 == 0 { step } else { count - 1 - step };
            let mean = |item: usize| {
                let near = &near[sweep % 2][item];
                let sum: f64 = near.iter().map(|item| position[*item]).sum();
                if near.is_empty() { position[item] } else { sum / near.len() as f64 }
            };
            let mut keyed: Vec<(f64, usize)> =
                rows.rows[row].iter().map(|item| (mean(*item), *item)).collect();
            keyed.sort_by(|one, other| one.0.total_cmp(&other.0));
            rows.rows[row] = keyed.into_iter().map(|(_, item)| item).collect();
            place(&rows.rows[row], &mut position);
        }
        let crossings = crossings(rows, &links);
        if crossings < best.0 {
            best = (crossings, rows.rows.clone());
        }
    }
    rows.rows = best.1;
}

/// Pairs of items in neighbouring rows that a line connects, the upper one first.
fn links(rows: &Rows) -> Vec<(usize, usize)> {
    let mut links = Vec::new();
    for net in &rows.nets {
        for tail in &net.tails {
            match (tail.side, net.head.side) {
                (Side::Upper, Side::Lower) => links.push((tail.item, net.head.item)),
                (Side::Lower, Side::Upper) => links.push((net.head.item, tail.item)),
                _ => {}
            }
        }
    }
    links
}

fn positions(rows: &Rows) -> Vec<f64> {
    let mut positions = vec![0.0; rows.items.len()];
    rows.rows.iter().for_each(|row| place(row, &mut positions));
    positions
}

/// Relative positions from 0 to 1, so that rows of different lengths can be compared.
fn place(row: &[usize], positions: &mut [f64]) {
    for (index, item) in row.iter().enumerate() {
        positions[*item] = (index as f64 + 0.5) / row.len() as f64;
    }
}

fn crossings(rows: &Rows, links: &[(usize, usize)]) -> usize {
    let mut by_row: Vec<Vec<(usize, usize)>> = vec![Vec::new(); rows.rows.len()];
    let mut index = vec![0; rows.items.len()];
    rows.rows.iter().for_each(|row| row.iter().enumerate().for_each(|(at, item)| index[*item] = at));
    links
        .iter()
        .for_each(|(upper, lower)| by_row[rows.items[*upper].row].push((index[*upper], index[*lower])));
    by_row
        .iter()
        .map(|links| {
            let cross = |one: &(usize, usize), other: &(usize, usize)| {
                one.0 < other.0 && one.1 > other.1 || one.0 > other.0 && one.1 < other.1
            };
            let pairs = links.iter().enumerate();
            pairs
                .map(|(at, one)| links[at + 1..].iter().filter(|other| cross(one, other)).count())
                .sum::<usize>()
        })
        .sum()
}
