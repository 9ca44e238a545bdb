//! Places for the nodes, edges and labels of a graph. Edges are drawn in horizontal and vertical lines: the
//! horizontal ones only between rows, the vertical ones only where the row keeps a lane free. So no edge runs
//! behind a node or a label.

use super::layers::{Item, LABEL_GAP, Net, Rows, Side, What, rows};
use super::places::{self, Ports};
use super::tracks;

/// A graph whose nodes and labels have sizes.
#[derive(Debug, Default)]
pub(super) struct Graph {
    /// Width and height of each node.
    pub(super) nodes: Vec<(f64, f64)>,
    pub(super) edges: Vec<Edge>,
    /// The node from which all others are reached.
    pub(super) start: usize,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Edge {
    pub(super) from: usize,
    pub(super) to: usize,
    /// Whether it is followed after an error.
    pub(super) caught: bool,
    /// Width and height of its label.
    pub(super) label: Option<(f64, f64)>,
}

/// The places of a graph, whose upper left corner is at the origin.
#[derive(Debug, Default)]
pub(super) struct Layout {
    pub(super) width: f64,
    pub(super) height: f64,
    /// The upper left corner of each node.
    pub(super) nodes: Vec<(f64, f64)>,
    /// The upper left corner of the label of each edge.
    pub(super) labels: Vec<Option<(f64, f64)>>,
    pub(super) lines: Vec<Line>,
}

/// A part of one or several edges.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) edges: Vec<usize>,
    pub(super) caught: bool,
    pub(super) points: Vec<(f64, f64)>,
    /// Whether it ends at a node.
    pub(super) arrow: bool,
}

/// The distances of a channel: from the row above to the first track, between tracks, and from the last track to
/// the row below, which leaves room for an arrow.
const ABOVE: f64 = 10.0;
pub(super) const TRACK: f64 = 9.0;
const BELOW: f64 = 16.0;
/// The height of a channel without tracks.
const STRAIGHT: f64 = 22.0;

pub(super) fn layout(graph: &Graph) -> Layout {
    let rows = rows(graph);
    let xs = places::xs(&rows);
    let ports = Ports::of(&rows, &xs);
    let tracks = tracks::of(&rows, &xs, &ports);
    let heights: Vec<f64> = rows
        .rows
        .iter()
        .map(|row| row.iter().map(|item| rows.items[*item].height).fold(0.0, f64::max))
        .collect();
    let mut tops = Vec::with_capacity(heights.len());
    let mut y = 0.0;
    for (row, height) in heights.iter().enumerate() {
        tops.push(y);
        y += height;
        let used = rows.nets.iter().any(|net| net.channel == row);
        y += match tracks.count[row] {
            _ if !used => 0.0,
            0 => STRAIGHT,
            count => ABOVE + (count - 1) as f64 * TRACK + BELOW,
        };
    }
    let spots = Spots { rows: &rows, xs: &xs, ports: &ports, tops: &tops, heights: &heights };
    let mut layout = Layout { labels: vec![None; graph.edges.len()], ..Layout::default() };
    layout.nodes = rows.of_node.iter().map(|item| spots.corner(*item)).collect();
    for (index, item) in rows.items.iter().enumerate() {
        if let What::Label(edge) = item.what {
            layout.labels[edge] = Some((xs[index] + LABEL_GAP, tops[item.row]));
        }
    }
    for (index, net) in rows.nets.iter().enumerate() {
        let track = tops[net.channel] + heights[net.channel] + ABOVE + tracks.of_net[index] as f64 * TRACK;
        spots.draw(index, net, track, &mut layout.lines);
    }
    let right = |(index, item): (usize, &Item)| xs[index] + item.right;
    layout.width = rows.items.iter().enumerate().map(right).fold(0.0, f64::max);
    layout.height = y;
    layout
}

struct Spots<'a> {
    rows: &'a Rows,
    xs: &'a [f64],
    ports: &'a Ports,
    tops: &'a [f64],
    heights: &'a [f64],
}

impl Spots<'_> {
    /// The upper left corner of a node, which is in the middle of its row.
    fn corner(&self, item: usize) -> (f64, f64) {
        let Item { row, left, height, .. } = self.rows.items[item];
        (self.xs[item] - left, self.tops[row] + (self.heights[row] - height) / 2.0)
    }

    /// Where a line touches an item: at the border of a node, otherwise at the border of the row, or at its other
    /// border if the line passes `through`.
    fn touch(&self, item: usize, side: Side, through: bool) -> f64 {
        let Item { row, what, height, .. } = self.rows.items[item];
        let bottom = matches!(side, Side::Upper);
        if let What::Node(_) = what {
            return self.corner(item).1 + if bottom { height } else { 0.0 };
        }
        self.tops[row] + if bottom == through { 0.0 } else { self.heights[row] }
    }

    /// Draws a net: each tail leads along the track to the head, or to the next tail on its way.
    fn draw(&self, index: usize, net: &Net, track: f64, lines: &mut Vec<Line>) {
        let head_x = self.xs[net.head.item] + self.ports.offset(index, net.head);
        let head_y = self.touch(net.head.item, net.head.side, true);
        let arrow = matches!(self.rows.items[net.head.item].what, What::Node(_));
        let mut tails: Vec<(f64, f64)> = net
            .tails
            .iter()
            .map(|tail| {
                let x = self.xs[tail.item] + self.ports.offset(index, *tail);
                (x, self.touch(tail.item, tail.side, false))
            })
            .collect();
        tails.sort_by(|one, other| (one.0 - head_x).abs().total_cmp(&(other.0 - head_x).abs()));
        let (mut left, mut right) = (head_x, head_x);
        for (number, (x, y)) in tails.into_iter().enumerate() {
            let mut points = vec![(x, y)];
            if (x - head_x).abs() >= 1.0 {
                let joint = if x < head_x { &mut left } else { &mut right };
                points.extend([(x, track), (*joint, track)]);
                *joint = x;
            }
            // The nearest tail leads on to the head, for all.
            if number == 0 {
                if points.len() == 1 {
                    points[0].0 = head_x;
                }
                points.push((head_x, head_y));
            }
            if points.len() > 1 {
                lines.push(Line {
                    edges: net.edges.clone(),
                    caught: net.caught,
                    points,
                    arrow: arrow && number == 0,
                });
            }
        }
    }
}
