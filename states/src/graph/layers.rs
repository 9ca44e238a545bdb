//! Rows of items: the states of a layer, the labels of the edges that leave it, and the lanes of edges that pass
//! through.

use std::collections::HashMap;

use super::layout::{Edge, Graph};
use super::order::order;

/// What has a place in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Node(usize),
    /// The label of an edge, to the right of the edge's line.
    Label(usize),
    /// The line of edges that pass through the row.
    Lane,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Item {
    pub(super) row: usize,
    pub(super) what: What,
    /// The extents to both sides of the item's line, or of a node's middle.
    pub(super) left: f64,
    pub(super) right: f64,
    pub(super) height: f64,
}

/// A side of a channel, which is the space between two rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Side {
    /// The item is in the row above the channel.
    Upper,
    /// The item is in the row below it.
    Lower,
}

/// An end of a net.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct End {
    pub(super) item: usize,
    pub(super) side: Side,
}

/// Lines in a channel that lead to one item.
#[derive(Debug, Clone)]
pub(super) struct Net {
    /// The row above the channel.
    pub(super) channel: usize,
    pub(super) head: End,
    pub(super) tails: Vec<End>,
    pub(super) caught: bool,
    /// The edges that use it.
    pub(super) edges: Vec<usize>,
}

/// The rows of a graph.
#[derive(Debug)]
pub(super) struct Rows {
    pub(super) items: Vec<Item>,
    /// The items of each row, from left to right.
    pub(super) rows: Vec<Vec<usize>>,
    pub(super) nets: Vec<Net>,
    /// The item of each node.
    pub(super) of_node: Vec<usize>,
}

/// Half of the space between a lane and what is next to it.
const LANE: f64 = 4.0;
/// The space between an edge and its label.
pub(super) const LABEL_GAP: f64 = 6.0;

pub(super) fn rows(graph: &Graph) -> Rows {
    let back = back_edges(graph);
    let layers = layers(graph, &back);
    let outgoing = outgoing(graph);
    let mut builder = Builder::new(graph, &layers);
    for node in visit_order(graph) {
        builder.node(node, layers[node]);
        for &edge in &outgoing[node] {
            builder.edge(edge, &graph.edges[edge], &layers, back[edge]);
        }
    }
    let mut rows = builder.rows;
    order(&mut rows);
    rows
}

/// The nodes in the order of a breadth-first search, and then those that it does not find.
fn visit_order(graph: &Graph) -> Vec<usize> {
    let outgoing = outgoing(graph);
    let mut found: Vec<usize> = Vec::new();
    let mut seen = vec![false; graph.nodes.len()];
    for root in std::iter::once(graph.start).chain(0..graph.nodes.len()) {
        if seen[root] {
            continue;
        }
        seen[root] = true;
        found.push(root);
        let mut at = found.len() - 1;
        while at < found.len() {
            for &edge in &outgoing[found[at]] {
                let to = graph.edges[edge].to;
                if !seen[to] {
                    seen[to] = true;
                    found.push(to);
                }
            }
            at += 1;
        }
    }
    found
}

/// The edges that leave each node.
fn outgoing(graph: &Graph) -> Vec<Vec<usize>> {
    let mut outgoing = vec![Vec::new(); graph.nodes.len()];
    graph.edges.iter().enumerate().for_each(|(index, edge)| outgoing[edge.from].push(index));
    outgoing
}

/// For each edge: whether it closes a circle, in a depth-first search from the start.
fn back_edges(graph: &Graph) -> Vec<bool> {
    let outgoing = outgoing(graph);
    let mut back = vec![false; graph.edges.len()];
    let (mut open, mut done) = (vec![false; graph.nodes.len()], vec![false; graph.nodes.len()]);
    for root in std::iter::once(graph.start).chain(0..graph.nodes.len()) {
        if done[root] {
            continue;
        }
        // A node, and the number of its edges that were followed.
        let mut path = vec![(root, 0)];
        open[root] = true;
        while let Some((node, next)) = path.last_mut() {
            let Some(&edge) = outgoing[*node].get(*next) else {
                open[*node] = false;
                done[*node] = true;
                path.pop();
                continue;
            };
            *next += 1;
            let to = graph.edges[edge].to;
            if open[to] {
                back[edge] = true;
            } else if !done[to] {
                open[to] = true;
                path.push((to, 0));
            }
        }
    }
    back
}

/// The layer of each node: that below its lowest predecessor.
fn layers(graph: &Graph, back: &[bool]) -> Vec<usize> {
    let forward = || graph.edges.iter().zip(back).filter(|(_, back)| !**back).map(|(edge, _)| edge);
    let mut layers = vec![1; graph.nodes.len()];
    layers[graph.start] = 0;
    let mut missing = vec![0; graph.nodes.len()];
    forward().for_each(|edge| missing[edge.to] += 1);
    let mut outgoing: Vec<Vec<usize>> = vec![Vec::new(); graph.nodes.len()];
    forward().for_each(|edge| outgoing[edge.from].push(edge.to));
    let mut ready: Vec<usize> = (0..graph.nodes.len()).filter(|node| missing[*node] == 0).collect();
    while let Some(node) = ready.pop() {
        for &to in &outgoing[node] {
            layers[to] = layers[to].max(layers[node] + 1);
            missing[to] -= 1;
            if missing[to] == 0 {
                ready.push(to);
            }
        }
    }
    layers
}

struct Builder<'g> {
    graph: &'g Graph,
    rows: Rows,
    /// The row of each layer, and that of its labels.
    row_of: Vec<(usize, Option<usize>)>,
    /// Edges that lead to one node share a lane in each row. The key: row, node, caught, upwards.
    lanes: HashMap<(usize, usize, bool, bool), usize>,
    /// The net of each head. The key: channel, head, caught, upwards.
    nets: HashMap<(usize, End, bool, bool), usize>,
}

impl<'g> Builder<'g> {
    fn new(graph: &'g Graph, layers: &[usize]) -> Self {
        let count = layers.iter().max().map_or(0, |last| last + 1);
        let mut labelled = vec![false; count];
        for edge in graph.edges.iter().filter(|edge| edge.label.is_some()) {
            labelled[layers[edge.from]] = true;
        }
        let (mut row_of, mut next) = (Vec::new(), 0);
        for labelled in labelled {
            row_of.push((next, labelled.then_some(next + 1)));
            next += 1 + usize::from(labelled);
        }
        let rows = Rows {
            items: Vec::new(),
            rows: vec![Vec::new(); next],
            nets: Vec::new(),
            of_node: vec![usize::MAX; graph.nodes.len()],
        };
        Self { graph, rows, row_of, lanes: HashMap::new(), nets: HashMap::new() }
    }

    fn add(&mut self, item: Item) -> usize {
        self.rows.items.push(item);
        let index = self.rows.items.len() - 1;
        self.rows.rows[item.row].push(index);
        index
    }

    fn node(&mut self, node: usize, layer: usize) -> usize {
        if self.rows.of_node[node] == usize::MAX {
            let (width, height) = self.graph.nodes[node];
            let row = self.row_of[layer].0;
            let (left, right) = (width / 2.0, width / 2.0);
            self.rows.of_node[node] = self.add(Item { row, what: What::Node(node), left, right, height });
        }
        self.rows.of_node[node]
    }

    fn lane(&mut self, row: usize, to: usize, caught: bool, up: bool) -> usize {
        if let Some(&lane) = self.lanes.get(&(row, to, caught, up)) {
            return lane;
        }
        let lane = self.add(Item { row, what: What::Lane, left: LANE, right: LANE, height: 0.0 });
        self.lanes.insert((row, to, caught, up), lane);
        lane
    }

    fn connect(&mut self, channel: usize, tail: End, head: End, edge: usize, up: bool) {
        let caught = self.graph.edges[edge].caught;
        let key = (channel, head, caught, up);
        let count = self.rows.nets.len();
        let net = *self.nets.entry(key).or_insert(count);
        if net == count {
            self.rows.nets.push(Net { channel, head, tails: Vec::new(), caught, edges: Vec::new() });
        }
        let net = &mut self.rows.nets[net];
        if !net.tails.contains(&tail) {
            net.tails.push(tail);
        }
        net.edges.push(edge);
    }

    /// Adds an edge with its label and its lanes.
    fn edge(&mut self, index: usize, edge: &Edge, layers: &[usize], back: bool) {
        let Edge { from, to, caught, label } = *edge;
        let source = self.node(from, layers[from]);
        let label_row = self.row_of[layers[from]].1;
        let mut at = (source, self.row_of[layers[from]].0);
        let label = label.zip(label_row).map(|((width, height), row)| {
            let right = LABEL_GAP + width;
            self.add(Item { row, what: What::Label(index), left: LANE, right, height })
        });
        if let Some(label) = label {
            self.connect(at.1, End::upper(source), End::lower(label), index, back);
            at = (label, at.1 + 1);
        }
        let target_row = self.row_of[layers[to]].0;
        if back {
            // The edge leaves downwards, and turns upwards in the channel below.
            let first = self.lane(at.1, to, caught, true);
            self.connect(at.1, End::upper(at.0), End::upper(first), index, true);
            at.0 = first;
            while at.1 > target_row {
                let next = self.lane(at.1 - 1, to, caught, true);
                self.connect(at.1 - 1, End::lower(at.0), End::upper(next), index, true);
                at = (next, at.1 - 1);
            }
            let target = self.node(to, layers[to]);
            self.connect(at.1 - 1, End::lower(at.0), End::lower(target), index, true);
            return;
        }
        while at.1 + 1 < target_row {
            let next = self.lane(at.1 + 1, to, caught, false);
            self.connect(at.1, End::upper(at.0), End::lower(next), index, false);
            at = (next, at.1 + 1);
        }
        let target = self.node(to, layers[to]);
        self.connect(at.1, End::upper(at.0), End::lower(target), index, false);
    }
}

impl End {
    fn upper(item: usize) -> Self {
        Self { item, side: Side::Upper }
    }

    fn lower(item: usize) -> Self {
        Self { item, side: Side::Lower }
    }
}
