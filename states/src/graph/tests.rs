//! The geometry of pictures: nothing runs through anything else, and every text fits.

use serde_json::{Value, json};

use super::drawing::{Drawing, Shape, Text};
use super::scope::draw;
use super::text::LINE;

/// A part of a line that may touch the border of a shape.
const TOUCH: f64 = 0.6;

type Rect = (f64, f64, f64, f64);

fn of_shape(shape: &Shape) -> Rect {
    (shape.x, shape.y, shape.x + shape.width, shape.y + shape.height)
}

fn of_text(text: &Text) -> Rect {
    (text.x, text.y, text.x + text.width, text.y + LINE)
}

fn overlap(one: Rect, other: Rect) -> bool {
    one.0 < other.2 - TOUCH && other.0 < one.2 - TOUCH && one.1 < other.3 - TOUCH && other.1 < one.3 - TOUCH
}

fn inside(inner: Rect, outer: Rect) -> bool {
    inner.0 >= outer.0 - TOUCH
        && inner.1 >= outer.1 - TOUCH
        && inner.2 <= outer.2 + TOUCH
        && inner.3 <= outer.3 + TOUCH
}

/// The parts of a line, which are horizontal or vertical.
fn segments(points: &[(f64, f64)]) -> Vec<Rect> {
    points
        .windows(2)
        .map(|two| {
            let ((x1, y1), (x2, y2)) = (two[0], two[1]);
            assert!((x1 - x2).abs() < 0.01 || (y1 - y2).abs() < 0.01, "a slanted line: {two:?}");
            (x1.min(x2), y1.min(y2), x1.max(x2), y1.max(y2))
        })
        .collect()
}

/// A line without width, so that it overlaps what it runs through.
fn crosses(line: Rect, rect: Rect) -> bool {
    let wide = (line.0 - 0.1, line.1 - 0.1, line.2 + 0.1, line.3 + 0.1);
    wide.0 < rect.2 - TOUCH && rect.0 + TOUCH < wide.2 && wide.1 < rect.3 - TOUCH && rect.1 + TOUCH < wide.3
}

fn check(drawing: &Drawing) {
    let whole = (0.0, 0.0, drawing.width, drawing.height);
    for (index, shape) in drawing.shapes.iter().enumerate() {
        assert!(inside(of_shape(shape), whole), "{} is outside the picture", shape.name);
        for other in &drawing.shapes[index + 1..] {
            let (one, other_rect) = (of_shape(shape), of_shape(other));
            assert!(
                !overlap(one, other_rect) || inside(other_rect, one),
                "{} and {}",
                shape.name,
                other.name
            );
        }
    }
    for (index, text) in drawing.texts.iter().enumerate() {
        assert!(inside(of_text(text), whole), "{:?} is cut", text.content);
        for other in &drawing.texts[index + 1..] {
            assert!(!overlap(of_text(text), of_text(other)), "{:?} and {:?}", text.content, other.content);
        }
        match text.shape {
            Some(shape) => {
                let shape = &drawing.shapes[shape];
                assert!(inside(of_text(text), of_shape(shape)), "{:?} does not fit", text.content);
            }
            None => {
                for shape in &drawing.shapes {
                    let apart =
                        !overlap(of_text(text), of_shape(shape)) || inside(of_text(text), of_shape(shape));
                    assert!(apart, "{:?} and {}", text.content, shape.name);
                    let contains = drawing
                        .shapes
                        .iter()
                        .any(|inner| inside(of_shape(inner), of_shape(shape)) && !std::ptr::eq(inner, shape));
                    assert!(
                        contains || !inside(of_text(text), of_shape(shape)),
                        "{:?} in {}",
                        text.content,
                        shape.name
                    );
                }
            }
        }
    }
    for line in &drawing.lines {
        assert!(
            line.points.iter().all(|(x, y)| inside((*x, *y, *x, *y), whole)),
            "{line:?} leaves the picture"
        );
        for segment in segments(&line.points) {
            for text in &drawing.texts {
                assert!(!crosses(segment, of_text(text)), "{line:?} runs through {:?}", text.content);
            }
            for shape in &drawing.shapes {
                // An edge between states that a state contains is inside it.
                let rect = of_shape(shape);
                let apart = !crosses(segment, rect) || inside(segment, rect) && contains(drawing, shape);
                assert!(apart, "{line:?} runs through {}", shape.name);
            }
        }
    }
}

fn contains(drawing: &Drawing, outer: &Shape) -> bool {
    drawing.shapes.iter().any(|shape| !std::ptr::eq(shape, outer) && inside(of_shape(shape), of_shape(outer)))
}

/// A definition with edges in all directions.
fn random(seed: u64, depth: usize) -> Value {
    let mut state = seed;
    let mut next = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 33) as usize) % below
    };
    let count = 1 + next(if depth == 0 { 14 } else { 4 });
    let name = |at: usize| {
        format!(
            "{} {at} {depth}",
            ["Validate the order", "Pay", "ReserveTheInventoryOfTheWarehouse", "質問"][at % 4]
        )
    };
    let mut states = serde_json::Map::new();
    for at in 0..count {
        let any = name(next(count));
        let following = if at + 1 < count { json!(name(at + 1)) } else { Value::Null };
        let mut state = match next(8) {
            0 => json!({ "Type": "Choice", "Default": any }),
            1 => json!({ "Type": "Wait", "Seconds": 60 }),
            2 if depth < 2 => json!({ "Type": "Map", "ItemProcessor": random(seed ^ at as u64, depth + 1) }),
            3 if depth < 2 => {
                json!({ "Type": "Parallel", "Branches": [random(seed ^ 77, depth + 1), random(seed ^ 99, depth + 1)] })
            }
            4 if at > 0 => json!({ "Type": "Fail", "Error": "Some.Error" }),
            _ => {
                json!({ "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Parameters": { "FunctionName": "f" } })
            }
        };
        if state["Type"] == "Choice" {
            let rules = (0..1 + next(5)).map(|n| json!({ "Variable": "$.customer.order.status", "StringEquals": "x".repeat(n * 9), "Next": name(next(count)) }));
            state["Choices"] = rules.collect();
        } else if state["Type"] != "Fail" {
            match following {
                Value::Null => state["End"] = true.into(),
                following => state["Next"] = following,
            }
            if state["Type"] != "Wait" && next(2) == 0 {
                state["Catch"] = json!([{ "ErrorEquals": ["States.ALL", "Some.Other"], "Next": name(next(count)) }, { "ErrorEquals": ["One"], "Next": name(next(count)) }]);
                state["Retry"] = json!([{ "ErrorEquals": ["States.TaskFailed"] }]);
            }
        }
        states.insert(name(at), state);
    }
    json!({ "StartAt": name(0), "States": states })
}

#[test]
fn no_edge_runs_through_a_state_or_a_label_and_every_text_fits() {
    check(&draw(&serde_json::from_str(include_str!("../../../definition.asl.json")).expect("JSON"), true));
    for seed in 0..400 {
        let definition = random(seed, 0);
        let drawing = std::panic::catch_unwind(|| check(&draw(&definition, true)));
        assert!(drawing.is_ok(), "{definition}");
    }
}

#[test]
fn loop_back_upwards_passes_its_neighbours_at_the_side() {
    let definition = json!({ "StartAt": "A", "States": {
        "A": { "Type": "Choice", "Choices": [{ "Variable": "$.x", "IsNull": true, "Next": "L" }, { "Variable": "$.x", "IsString": true, "Next": "M" }], "Default": "R" },
        "L": { "Type": "Pass", "Next": "A" }, "M": { "Type": "Pass", "End": true }, "R": { "Type": "Pass", "End": true }
    }});
    check(&draw(&definition, true));
}

#[test]
fn large_definitions_are_drawn_in_reasonable_time() {
    let started = std::time::Instant::now();
    let states: serde_json::Map<String, Value> = (0..600)
        .map(|n| (format!("S{n}"), json!({ "Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage", "Next": format!("S{}", n + 1), "Catch": [{ "ErrorEquals": ["States.ALL"], "Next": "Failed" }] })))
        .chain([("S600".to_owned(), json!({ "Type": "Succeed" })), ("Failed".to_owned(), json!({ "Type": "Fail" }))])
        .collect();
    draw(&json!({ "StartAt": "S0", "States": states }), true);
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
}
