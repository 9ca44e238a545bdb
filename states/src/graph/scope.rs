//! The drawing of a scope: an object with `StartAt` and `States`.

use std::collections::HashMap;

use serde_json::Value;

use super::calls;
use super::conditions::condition;
use super::drawing::{Drawing, Kind, Line, Shape, Style, Text};
use super::errors;
use super::layout::{Edge, Graph, layout};
use super::text::{LINE, SMALL, width, wrap};

/// The widest lines of names, details and labels.
const NAME: f64 = 190.0;
const DETAIL: f64 = 200.0;
const LABEL: f64 = 150.0;
/// The space above and below the texts of a state, and around scopes in a state.
const PADDING: f64 = 8.0;
const INNER: f64 = 14.0;
/// The border around a whole picture.
const MARGIN: f64 = 16.0;
/// The diameter of the start and the end of an inner scope.
const DOT: f64 = 12.0;

/// An edge with the lines of its label.
struct Arrow {
    from: usize,
    to: usize,
    caught: bool,
    label: Vec<String>,
    title: String,
}

/// Draws a scope. The outermost one has a margin, and words at its start and end.
pub(super) fn draw(definition: &Value, outermost: bool) -> Drawing {
    let nothing = serde_json::Map::new();
    let states = definition["States"].as_object().unwrap_or(&nothing);
    let index: HashMap<&str, usize> =
        states.keys().enumerate().map(|(at, name)| (name.as_str(), at)).collect();
    let (start, end) = (states.len(), states.len() + 1);
    let mut arrows = Vec::new();
    if let Some(first) = definition["StartAt"].as_str().and_then(|name| index.get(name)) {
        arrows.push(Arrow::plain(start, *first));
    }
    for (from, state) in states.values().enumerate() {
        outgoing(from, state, end, &index, &mut arrows);
    }
    let mut parts: Vec<Drawing> = states.iter().map(|(name, state)| node(name, state)).collect();
    parts.push(terminal(Kind::Start, outermost));
    if arrows.iter().any(|arrow| arrow.to == end) {
        parts.push(terminal(Kind::End, outermost));
    }
    let arrows = merged(arrows);
    let names: Vec<String> = states.keys().cloned().chain([String::new(), String::new()]).collect();
    let mut drawing = arrange(parts, start, &arrows, &names);
    if outermost {
        let inner = std::mem::take(&mut drawing);
        drawing = Drawing {
            width: inner.width + 2.0 * MARGIN,
            height: inner.height + 2.0 * MARGIN,
            ..Drawing::default()
        };
        drawing.add(inner, MARGIN, MARGIN);
    }
    drawing
}

impl Arrow {
    fn plain(from: usize, to: usize) -> Self {
        Self { from, to, caught: false, label: Vec::new(), title: String::new() }
    }

    fn label_size(&self) -> Option<(f64, f64)> {
        let widest = self.label.iter().map(|line| width(line) * SMALL).fold(0.0, f64::max);
        (!self.label.is_empty()).then_some((widest, self.label.len() as f64 * LINE))
    }
}

/// Adds the edges that leave a state.
fn outgoing(from: usize, state: &Value, end: usize, index: &HashMap<&str, usize>, arrows: &mut Vec<Arrow>) {
    let target = |name: &Value| name.as_str().and_then(|name| index.get(name)).copied();
    let next = target(&state["Next"]).or((state["End"] == true).then_some(end));
    arrows.extend(next.map(|to| Arrow::plain(from, to)));
    let rules = state["Choices"].as_array().into_iter().flatten();
    for (number, rule) in (1..).zip(rules) {
        let Some(to) = target(&rule["Next"]) else { continue };
        let condition = condition(rule, number);
        let label = wrap(&condition.short, LABEL / SMALL);
        arrows.push(Arrow { label, title: condition.full, ..Arrow::plain(from, to) });
    }
    if let Some(to) = target(&state["Default"]) {
        arrows.push(Arrow { label: vec!["otherwise".to_owned()], ..Arrow::plain(from, to) });
    }
    for catcher in state["Catch"].as_array().into_iter().flatten() {
        let Some(to) = target(&catcher["Next"]) else { continue };
        let label = wrap(&format!("on {}", errors::first_errors(catcher)), LABEL / SMALL);
        let title = errors::errors(catcher);
        arrows.push(Arrow { label, title, caught: true, ..Arrow::plain(from, to) });
    }
}

/// Merges edges of the same kind between the same two states.
fn merged(arrows: Vec<Arrow>) -> Vec<Arrow> {
    let mut kept: Vec<Arrow> = Vec::new();
    let mut known: HashMap<(usize, usize, bool), usize> = HashMap::new();
    for arrow in arrows {
        let key = (arrow.from, arrow.to, arrow.caught);
        let Some(&at) = known.get(&key) else {
            known.insert(key, kept.len());
            kept.push(arrow);
            continue;
        };
        let other = &mut kept[at];
        if let (Some(last), false) = (other.label.last_mut(), arrow.label.is_empty()) {
            if arrow.caught {
                last.push(',');
            } else {
                last.push_str(" or");
            }
        }
        other.label.extend(arrow.label);
        other.title = format!("{}\n{}", other.title, arrow.title);
    }
    kept
}

/// A state: its outline and texts, around the states that it contains.
fn node(name: &str, state: &Value) -> Drawing {
    let kind = Kind::of(state["Type"].as_str().unwrap_or_default());
    let processor =
        [&state["ItemProcessor"], &state["Iterator"]].into_iter().filter(|scope| scope.is_object());
    let branches = state["Branches"].as_array().into_iter().flatten();
    let scopes: Vec<Drawing> = processor.chain(branches).map(|scope| draw(scope, false)).collect();
    let mut lines: Vec<(Style, String)> =
        wrap(name, NAME).into_iter().map(|line| (Style::Name, line)).collect();
    for detail in calls::lines(state).into_iter().chain(errors::retries(state)) {
        lines.extend(wrap(&detail, DETAIL / SMALL).into_iter().map(|line| (Style::Detail, line)));
    }
    let widest = lines.iter().map(|(style, line)| text_width(*style, line)).fold(0.0, f64::max);
    let head = lines.len() as f64 * LINE + 2.0 * PADDING;
    let inner_width =
        scopes.iter().map(|scope| scope.width).sum::<f64>() + scopes.len() as f64 * INNER + INNER;
    let tallest = scopes.iter().map(|scope| scope.height).reduce(f64::max);
    let plain_width = (widest + 2.0 * kind.padding()).max(80.0);
    let (box_width, height) = match tallest {
        None => (plain_width, head),
        Some(tallest) => (plain_width.max(inner_width + 2.0 * kind.padding()), head + tallest + INNER),
    };
    let title = title(state);
    let mut drawing = Drawing { width: box_width, height, ..Drawing::default() };
    drawing.shapes.push(Shape {
        kind,
        name: name.to_owned(),
        title,
        x: 0.0,
        y: 0.0,
        width: box_width,
        height,
    });
    for (at, (style, content)) in lines.into_iter().enumerate() {
        let width = text_width(style, &content);
        let (x, y) = ((box_width - width) / 2.0, PADDING + at as f64 * LINE);
        let title = String::new();
        drawing.texts.push(Text { content, style, x, y, width, shape: Some(0), title });
    }
    let mut x = (box_width - inner_width) / 2.0 + INNER;
    for scope in scopes {
        let width = scope.width;
        drawing.add(scope, x, head);
        x += width + INNER;
    }
    drawing
}

/// The comment of a state, and its retries in full.
fn title(state: &Value) -> String {
    let retriers = state["Retry"].as_array().into_iter().flatten();
    let retries = retriers.map(|retrier| format!("Retry: {}", errors::errors(retrier)));
    let comment = state["Comment"].as_str().map(str::to_owned);
    comment.into_iter().chain(retries).collect::<Vec<_>>().join("\n")
}

/// Names are bold, and therefore wider.
fn text_width(style: Style, line: &str) -> f64 {
    width(line) * if style == Style::Name { 1.06 } else { SMALL }
}

/// The start or end of a scope.
fn terminal(kind: Kind, outermost: bool) -> Drawing {
    let mut drawing = Drawing { width: DOT, height: DOT, ..Drawing::default() };
    if outermost {
        let content = kind.name().to_owned();
        let width = text_width(Style::Detail, &content);
        (drawing.width, drawing.height) = (width + 28.0, LINE + 6.0);
        let (title, style) = (String::new(), Style::Detail);
        drawing.texts.push(Text { content, style, x: 14.0, y: 3.0, width, shape: Some(0), title });
    }
    let (width, height) = (drawing.width, drawing.height);
    let (name, title) = (String::new(), String::new());
    drawing.shapes.push(Shape { kind, name, title, x: 0.0, y: 0.0, width, height });
    drawing
}

/// Puts the parts of a scope in their places, and adds the edges.
fn arrange(parts: Vec<Drawing>, start: usize, arrows: &[Arrow], names: &[String]) -> Drawing {
    let edges = arrows.iter().map(|arrow| Edge {
        from: arrow.from,
        to: arrow.to,
        caught: arrow.caught,
        label: arrow.label_size(),
    });
    let graph = Graph {
        nodes: parts.iter().map(|part| (part.width, part.height)).collect(),
        edges: edges.collect(),
        start,
    };
    let layout = layout(&graph);
    let mut drawing = Drawing { width: layout.width, height: layout.height, ..Drawing::default() };
    for (part, (x, y)) in parts.into_iter().zip(layout.nodes) {
        drawing.add(part, x, y);
    }
    for (arrow, place) in arrows.iter().zip(layout.labels) {
        let Some((x, y)) = place else { continue };
        let style = if arrow.caught { Style::Caught } else { Style::Label };
        for (at, content) in arrow.label.iter().enumerate() {
            let y = y + at as f64 * LINE;
            let (content, width) = (content.clone(), width(content) * SMALL);
            let title = arrow.title.clone();
            drawing.texts.push(Text { content, style, x, y, width, shape: None, title });
        }
    }
    for line in layout.lines {
        let ends = match line.edges[..] {
            [edge] => Some((names[arrows[edge].from].clone(), names[arrows[edge].to].clone())),
            _ => None,
        };
        drawing.lines.push(Line { ends, caught: line.caught, points: line.points, arrow: line.arrow });
    }
    drawing
}
