//! When the states of an execution were entered and left. Times in which nothing begins or ends are folded: they take little
//! room, however long they were.

use std::collections::HashMap;
use std::fmt::Write;

use askama::Template;
use serde_json::Value;

use crate::catalog::Moment;
use crate::text;

/// The stays in states that are shown: the first ones.
const STAYS: usize = 60;
/// The width of the picture.
const WIDTH: f64 = 1000.0;
/// A time between two events takes at most this share of the room.
const FOLDED: f64 = 0.12;

#[derive(Template)]
#[template(path = "timeline.html")]
pub(super) struct Timeline {
    rows: Vec<Stay>,
    folded: bool,
    more: usize,
}

/// A stay in a state.
struct Stay {
    name: String,
    took: String,
    svg: String,
}

struct Span {
    name: String,
    class: &'static str,
    from: f64,
    to: Option<f64>,
}

/// The stays that the events tell. `ended` is the end of the execution in microseconds.
pub(super) fn of(events: &[Value], ended: Option<i64>) -> Option<Timeline> {
    let spans = spans(events);
    let ends = ended.map_or_else(|| seconds(Moment::now().0), seconds);
    let mut times: Vec<f64> = spans.iter().flat_map(|span| [Some(span.from), span.to]).flatten().collect();
    times.push(ends);
    times.sort_by(f64::total_cmp);
    times.dedup();
    let (first, last) = (*times.first()?, *times.last()?);
    if spans.is_empty() || last <= first {
        return None;
    }
    let scale = Scale::of(&times);
    let row = |span: &Span| {
        let to = span.to.unwrap_or(ends);
        let took = std::time::Duration::try_from_secs_f64(to - span.from).unwrap_or_default();
        let (from, to) = (scale.place(span.from), scale.place(to));
        let mut svg =
            format!("<svg viewBox=\"0 0 {WIDTH} 16\" preserveAspectRatio=\"none\" aria-hidden=\"true\">");
        for fold in &scale.folds {
            let _ = write!(svg, "<path d=\"M{fold:.1} 0v16\"/>");
        }
        let width = (to - from).max(3.0).min(WIDTH - from.min(WIDTH - 3.0));
        let _ = write!(
            svg,
            "<rect class=\"{}\" x=\"{:.1}\" y=\"2\" width=\"{width:.1}\" height=\"12\"/></svg>",
            span.class,
            from.min(WIDTH - 3.0)
        );
        Stay { name: span.name.clone(), took: text::duration(took), svg }
    };
    Some(Timeline {
        rows: spans.iter().take(STAYS).map(row).collect(),
        folded: !scale.folds.is_empty(),
        more: spans.len().saturating_sub(STAYS),
    })
}

fn spans(events: &[Value]) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    let mut open: HashMap<String, Vec<usize>> = HashMap::new();
    for event in events {
        let at = event["timestamp"].as_f64().unwrap_or_default();
        let kind = event["type"].as_str().unwrap_or_default();
        if let Some(name) = event["stateEnteredEventDetails"]["name"].as_str() {
            open.entry(name.to_owned()).or_default().push(spans.len());
            let class = if kind.starts_with("Wait") { "waiting" } else { "running" };
            spans.push(Span { name: name.to_owned(), class, from: at, to: None });
        } else if let Some(name) = event["stateExitedEventDetails"]["name"].as_str()
            && let Some(open) = open.get_mut(name).filter(|open| !open.is_empty())
        {
            let span = &mut spans[open.remove(0)];
            span.to = Some(at);
            span.class = if span.class == "waiting" { "waiting" } else { "succeeded" };
        } else if matches!(kind, "ExecutionFailed" | "ExecutionTimedOut" | "ExecutionAborted") {
            let class = if kind == "ExecutionAborted" { "stopped" } else { "failed" };
            for span in spans.iter_mut().filter(|span| span.to.is_none()) {
                (span.to, span.class) = (Some(at), class);
            }
        }
    }
    spans
}

fn seconds(micros: i64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a place in a picture")]
    let seconds = micros as f64 / 1e6;
    seconds
}

/// Where times are in the picture.
struct Scale {
    /// Times and their places, in order.
    places: Vec<(f64, f64)>,
    /// The places of folded times.
    folds: Vec<f64>,
}

impl Scale {
    fn of(times: &[f64]) -> Self {
        let gaps: Vec<f64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
        // What is longer than all others together is idle time.
        let total: f64 = gaps.iter().sum();
        let most =
            (total - gaps.iter().copied().fold(0.0, f64::max)).max(total * FOLDED).max(f64::MIN_POSITIVE);
        let shown: f64 = gaps.iter().map(|gap| gap.min(most)).sum();
        let (mut at, mut places, mut folds) = (0.0, vec![(times[0], 0.0)], Vec::new());
        for (gap, time) in gaps.iter().zip(&times[1..]) {
            let width = gap.min(most) / shown * WIDTH;
            if *gap > most {
                folds.push(at + width / 2.0);
            }
            at += width;
            places.push((*time, at));
        }
        Self { places, folds }
    }

    fn place(&self, time: f64) -> f64 {
        let found = self.places.partition_point(|(known, _)| *known < time);
        self.places.get(found).map_or(WIDTH, |(_, place)| *place)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn a_week_of_waiting_leaves_room_for_what_happened() {
        let entered = |at: f64, name: &str| json!({"timestamp": at, "type": "TaskStateEntered", "stateEnteredEventDetails": {"name": name}});
        let left = |at: f64, name: &str| json!({"timestamp": at, "type": "TaskStateExited", "stateExitedEventDetails": {"name": name}});
        let week = 604_800.0;
        let events = [
            entered(0.0, "A"),
            left(10.0, "A"),
            entered(10.0, "Wait for a person"),
            left(10.0 + week, "Wait for a person"),
            entered(10.0 + week, "B"),
            left(30.0 + week, "B"),
        ];
        let scale = Scale::of(&[0.0, 10.0, 10.0 + week, 30.0 + week]);
        assert_eq!(scale.folds.len(), 1);
        assert!(scale.place(10.0) > 0.0 && scale.place(30.0 + week) == WIDTH);
        let shown = of(&events, Some(1_000_000 * (30 + 604_800))).unwrap();
        assert_eq!((shown.rows.len(), shown.folded), (3, true));
        assert_eq!(shown.rows[1].took, "7 d 0 h");
        assert!(of(&[], None).is_none());
    }
}
