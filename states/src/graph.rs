//! Draws a definition as SVG. The states of a scope are arranged in layers, and a state that contains others
//! is a box around them.

use std::fmt::Write;

use rust_sugiyama::configure::Config;
use serde_json::Value;

/// Sizes in pixels.
const LINE: f64 = 16.0;
const LETTER: f64 = 7.2;
const MARGIN: f64 = 14.0;
const GAP: f64 = 44.0;
const DOT: f64 = 12.0;
const CORNER: f64 = 8.0;

const STYLE: &str = "text{font:12px system-ui,sans-serif;fill:#1f2933;text-anchor:middle}.kind{font-size:10px;fill:#66788a}\
.state{fill:#fff;stroke:#66788a}.scope{fill:#f5f7fa;stroke:#9aa5b1;stroke-dasharray:4 3}.edge{fill:none;stroke:#3e4c59}\
.caught{stroke:#ba2525;stroke-dasharray:5 3}.dot{fill:#3e4c59}.label{font-size:10px;fill:#52606d}";

/// Draws a valid definition as SVG.
pub fn svg(definition: &Value) -> String {
    let drawing = scope(definition);
    let (width, height) = (drawing.width + 2.0 * MARGIN, drawing.height + 2.0 * MARGIN);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" viewBox=\"0 0 {width:.0} {height:.0}\">\n\
         <style>{STYLE}</style>\n\
         <defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" orient=\"auto-start-reverse\">\
         <path d=\"M0 0L8 4L0 8z\" fill=\"#3e4c59\"/></marker></defs>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n<g transform=\"translate({MARGIN},{MARGIN})\">\n{}</g>\n</svg>\n",
        drawing.body
    )
}

/// A drawing whose upper left corner is at the origin.
struct Drawing {
    width: f64,
    height: f64,
    body: String,
}

struct Edge {
    from: usize,
    to: usize,
    label: String,
    caught: bool,
    /// Whether it leads back to an earlier state.
    back: bool,
}

/// The states of an object with `StartAt` and `States`, with a dot for the start and one for the end.
fn scope(definition: &Value) -> Drawing {
    let nothing = serde_json::Map::new();
    let states = definition["States"].as_object().unwrap_or(&nothing);
    let names: Vec<&str> = states.keys().map(String::as_str).collect();
    let (start, end) = (names.len(), names.len() + 1);
    let index = |name: &Value| names.iter().position(|known| Some(*known) == name.as_str());
    let mut edges: Vec<Edge> = index(&definition["StartAt"]).map(|to| plain(start, to)).into_iter().collect();
    for (from, state) in states.values().enumerate() {
        outgoing(from, state, end, &index, &mut edges);
    }
    let mut drawings: Vec<Drawing> = states.iter().map(|(name, state)| node(name, state)).collect();
    drawings.extend([dot(), dot()]);
    let mut edges = merged(edges);
    mark_back(start, &mut edges, &mut vec![Visit::Not; drawings.len()]);
    let places = arrange(&drawings, &edges);
    let width = places.iter().zip(&drawings).map(|((x, _), drawing)| x + drawing.width).fold(0.0, f64::max);
    let height = places.iter().zip(&drawings).map(|((_, y), drawing)| y + drawing.height).fold(0.0, f64::max);
    // Edges are drawn first, so that they pass behind the states.
    let (mut body, mut width) = (String::new(), width);
    for edge in &edges {
        width = width.max(draw(edge, &drawings, &places, &mut body));
    }
    for (drawing, (x, y)) in drawings.iter().zip(&places) {
        let _ = writeln!(body, "<g transform=\"translate({x:.1},{y:.1})\">{}</g>", drawing.body);
    }
    Drawing { width, height, body }
}

fn plain(from: usize, to: usize) -> Edge {
    Edge { from, to, label: String::new(), caught: false, back: false }
}

/// Merges edges of the same kind between the same two states.
fn merged(edges: Vec<Edge>) -> Vec<Edge> {
    let mut kept: Vec<Edge> = Vec::new();
    for edge in edges {
        match kept
            .iter_mut()
            .find(|other| (other.from, other.to, other.caught) == (edge.from, edge.to, edge.caught))
        {
            Some(other) if other.label.is_empty() || edge.label.is_empty() => {
                other.label.push_str(&edge.label)
            }
            Some(other) => other.label = format!("{}, {}", other.label, edge.label),
            None => kept.push(edge),
        }
    }
    kept
}

#[derive(Clone, Copy, PartialEq)]
enum Visit {
    Not,
    Open,
    Done,
}

/// Marks the edges that close a circle, in a depth-first search from `at`.
fn mark_back(at: usize, edges: &mut [Edge], visits: &mut [Visit]) {
    visits[at] = Visit::Open;
    for index in 0..edges.len() {
        if edges[index].from != at {
            continue;
        }
        let to = edges[index].to;
        match visits[to] {
            Visit::Open => edges[index].back = true,
            Visit::Not => mark_back(to, edges, visits),
            Visit::Done => {}
        }
    }
    visits[at] = Visit::Done;
}

/// Adds the edges that leave a state.
fn outgoing(
    from: usize,
    state: &Value,
    end: usize,
    index: &impl Fn(&Value) -> Option<usize>,
    edges: &mut Vec<Edge>,
) {
    let ends = state["End"] == true || matches!(state["Type"].as_str(), Some("Succeed" | "Fail"));
    edges.extend(index(&state["Next"]).or(ends.then_some(end)).map(|to| plain(from, to)));
    for rule in state["Choices"].as_array().into_iter().flatten() {
        edges.extend(index(&rule["Next"]).map(|to| plain(from, to)));
    }
    if let Some(to) = index(&state["Default"]) {
        edges.push(Edge { label: "Default".to_owned(), ..plain(from, to) });
    }
    for catcher in state["Catch"].as_array().into_iter().flatten() {
        let names = catcher["ErrorEquals"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect::<Vec<_>>();
        edges.extend(index(&catcher["Next"]).map(|to| Edge {
            label: names.join(", "),
            caught: true,
            ..plain(from, to)
        }));
    }
}

/// A state: a box with its name around the states that it contains.
fn node(name: &str, state: &Value) -> Drawing {
    let kind = state["Type"].as_str().unwrap_or_default();
    let processor =
        [&state["ItemProcessor"], &state["Iterator"]].into_iter().filter(|scope| scope.is_object());
    let branches = state["Branches"].as_array().into_iter().flatten();
    let inner: Vec<Drawing> = processor.chain(branches).map(scope).collect();
    let mode = state["ItemProcessor"]["ProcessorConfig"]["Mode"].as_str();
    let kind = if mode == Some("DISTRIBUTED") { "Distributed Map" } else { kind };
    #[expect(clippy::cast_precision_loss, reason = "letters of a name")]
    let text = name.chars().count().max(kind.len()) as f64 * LETTER + 2.0 * MARGIN;
    let head = 2.0 * LINE + 10.0;
    let inside = inner.iter().map(|drawing| drawing.width + MARGIN).sum::<f64>()
        + if inner.is_empty() { 0.0 } else { MARGIN };
    let (width, height) = match inner.iter().map(|drawing| drawing.height).reduce(f64::max) {
        None => (text.max(90.0), head),
        Some(tallest) => (text.max(inside), head + tallest + MARGIN),
    };
    let class = if inner.is_empty() { "state" } else { "scope" };
    let mut body = format!("<rect class=\"{class}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"6\"/>");
    let middle = width / 2.0;
    let _ = write!(body, "<text x=\"{middle:.1}\" y=\"{:.1}\">{}</text>", LINE + 2.0, escape(name));
    let _ = write!(
        body,
        "<text class=\"kind\" x=\"{middle:.1}\" y=\"{:.1}\">{}</text>",
        2.0 * LINE + 1.0,
        escape(kind)
    );
    let mut x = (width - inside) / 2.0 + MARGIN;
    for drawing in inner {
        let _ = write!(body, "<g transform=\"translate({x:.1},{head:.1})\">{}</g>", drawing.body);
        x += drawing.width + MARGIN;
    }
    Drawing { width, height, body }
}

fn dot() -> Drawing {
    let radius = DOT / 2.0;
    Drawing {
        width: DOT,
        height: DOT,
        body: format!("<circle class=\"dot\" cx=\"{radius}\" cy=\"{radius}\" r=\"{radius}\"/>"),
    }
}

/// The upper left corner of each drawing. The crate assigns a column and a layer to each; a layer is as high
/// as its highest drawing.
fn arrange(drawings: &[Drawing], edges: &[Edge]) -> Vec<(f64, f64)> {
    let id = |index: usize| u32::try_from(index).expect("a definition has at most a megabyte");
    let vertices: Vec<(u32, (f64, f64))> =
        drawings.iter().enumerate().map(|(index, drawing)| (id(index), (drawing.width, 1.0))).collect();
    let pairs: Vec<(u32, u32)> =
        edges.iter().filter(|edge| !edge.back).map(|edge| (id(edge.from), id(edge.to))).collect();
    let config = Config { vertex_spacing: GAP, ..Config::default() };
    let mut places = vec![(0.0, 0.0); drawings.len()];
    let mut offset = 0.0;
    for (component, ..) in rust_sugiyama::from_vertices_and_edges(&vertices, &pairs, &config) {
        let left =
            component.iter().map(|(index, (x, _))| x - drawings[*index].width / 2.0).fold(f64::MAX, f64::min);
        let mut layers: Vec<(f64, Vec<usize>)> = Vec::new();
        for (index, (x, y)) in &component {
            places[*index].0 = offset + x - drawings[*index].width / 2.0 - left;
            match layers.iter_mut().find(|(at, _)| (at - y).abs() < 1e-6) {
                Some((_, members)) => members.push(*index),
                None => layers.push((*y, vec![*index])),
            }
        }
        layers.sort_by(|(one, _), (other, _)| one.total_cmp(other));
        let mut top = 0.0;
        for (_, members) in &layers {
            let tallest = members.iter().map(|index| drawings[*index].height).fold(0.0, f64::max);
            members
                .iter()
                .for_each(|index| places[*index].1 = top + (tallest - drawings[*index].height) / 2.0);
            top += tallest + GAP;
        }
        offset = component
            .iter()
            .map(|(index, _)| places[*index].0 + drawings[*index].width)
            .fold(offset, f64::max)
            + GAP;
    }
    places
}

/// Draws an edge: from the bottom of a state to the top of a lower one, or along the right side if it leads
/// back. Returns the x coordinate that the edge reaches on the right.
fn draw(edge: &Edge, drawings: &[Drawing], places: &[(f64, f64)], body: &mut String) -> f64 {
    let ((x1, y1), (x2, y2)) = (places[edge.from], places[edge.to]);
    let (from, to) = (&drawings[edge.from], &drawings[edge.to]);
    let class = if edge.caught { "edge caught" } else { "edge" };
    let (path, label, reach);
    if !edge.back {
        let (x1, y1, x2) = (x1 + from.width / 2.0, y1 + from.height, x2 + to.width / 2.0);
        let bend = (y2 - y1) / 2.0;
        path = format!("M{x1:.1} {y1:.1}C{x1:.1} {:.1} {x2:.1} {:.1} {x2:.1} {y2:.1}", y1 + bend, y2 - bend);
        label = ((x1 + x2) / 2.0, y1 + bend);
        reach = 0.0;
    } else {
        let (x1, y1, x2, y2) = (x1 + from.width, y1 + from.height / 2.0, x2 + to.width, y2 + to.height / 2.0);
        let between =
            drawings.iter().zip(places).filter(|(drawing, (_, y))| *y < y1 && y + drawing.height > y2);
        let side = between.map(|(drawing, (x, _))| x + drawing.width).fold(x1.max(x2), f64::max) + GAP / 2.0;
        let (lower, upper) = (y1 - CORNER, y2 + CORNER);
        path = format!(
            "M{x1:.1} {y1:.1}H{:.1}Q{side:.1} {y1:.1} {side:.1} {lower:.1}V{upper:.1}Q{side:.1} {y2:.1} {:.1} {y2:.1}H{x2:.1}",
            side - CORNER,
            side - CORNER
        );
        label = (side, (y1 + y2) / 2.0);
        reach = side;
    }
    let _ = writeln!(body, "<path class=\"{class}\" marker-end=\"url(#tip)\" d=\"{path}\"/>");
    if !edge.label.is_empty() {
        let _ = writeln!(
            body,
            "<text class=\"label\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            label.0,
            label.1,
            escape(&edge.label)
        );
    }
    reach
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
