//! Writes a drawing as SVG.

use std::fmt::Write;

use super::drawing::{Drawing, Kind, Line, Shape, Style, Text};
use super::text::{LINE, SIZE, SMALL};

/// The radius of the corners of edges, and the size of the slanted corners of outlines.
const CORNER: f64 = 6.0;
const SLANT: f64 = 12.0;

/// The colours of light and dark backgrounds. For each class: its property, and the two colours.
const COLOURS: [(&str, &str, &str, &str); 16] = [
    (".paper", "fill", "#ffffff", "#14181d"),
    ("text", "fill", "#1f2933", "#e6eaee"),
    (".detail,.label", "fill", "#46525e", "#b4bfca"),
    (".error", "fill", "#a61b1b", "#ff9b9b"),
    (".edge", "stroke", "#3e4c59", "#9fb0c0"),
    (".tip", "fill", "#3e4c59", "#9fb0c0"),
    (".caught", "stroke", "#ba2525", "#f07878"),
    (".tip-caught", "fill", "#ba2525", "#f07878"),
    (".shape", "stroke", "#52606d", "#8796a5"),
    (".shape", "fill", "#ffffff", "#1e252d"),
    (".task .shape", "fill", "#edf4fc", "#1b2a3d"),
    (".choice .shape", "fill", "#fdf5dd", "#38301a"),
    (".wait .shape", "fill", "#f2edfb", "#2b2440"),
    (".succeed .shape", "fill", "#e5f6ea", "#17331f"),
    (".fail .shape", "fill", "#fce8e8", "#3d1d1f"),
    (".map .shape,.parallel .shape", "fill", "#f6f8fa", "#191f26"),
];

/// The class of a state by its name.
type Status<'a> = &'a dyn Fn(&str) -> &'static str;

/// Writes a picture with its style, or one whose style the page has, with the status of each state.
pub(super) fn write(drawing: &Drawing, status: Option<Status>) -> String {
    let (width, height) = (drawing.width.ceil(), drawing.height.ceil());
    let small = SIZE * SMALL;
    let colours = |dark: bool| {
        COLOURS.iter().fold(String::new(), |mut css, (class, property, light, night)| {
            let _ = write!(css, "{class}{{{property}:{}}}", if dark { night } else { light });
            css
        })
    };
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\">\n"
    );
    if status.is_none() {
        let _ = writeln!(
            svg,
            "<style>text{{font:{SIZE}px Helvetica,Arial,'Liberation Sans','DejaVu Sans',sans-serif;text-anchor:middle}}\
             .name{{font-weight:bold}}.detail,.label,.error{{font-size:{small:.1}px}}.label,.error{{text-anchor:start}}\
             .edge,.inner{{fill:none}}.edge{{stroke-width:1.3}}.caught{{stroke-dasharray:5 3}}.fail .shape{{stroke-width:2}}\
             .pass .shape{{stroke-dasharray:2 2}}{}@media(prefers-color-scheme:dark){{{}}}</style>",
            colours(false),
            colours(true)
        );
    }
    svg.push_str("<defs>");
    for class in ["tip", "tip-caught"] {
        let _ = write!(
            svg,
            "<marker id=\"{class}\" viewBox=\"0 0 8 8\" refX=\"7.5\" refY=\"4\" markerWidth=\"8\" markerHeight=\"8\" \
             markerUnits=\"userSpaceOnUse\" orient=\"auto\"><path class=\"{class}\" d=\"M0 0L8 4L0 8z\"/></marker>"
        );
    }
    svg.push_str("</defs>\n<rect class=\"paper\" width=\"100%\" height=\"100%\"/>\n");
    for (index, shape) in drawing.shapes.iter().enumerate() {
        let class = status.map_or("", |status| status(&shape.name));
        write_shape(shape, class, drawing.texts.iter().filter(|text| text.shape == Some(index)), &mut svg);
    }
    drawing.lines.iter().for_each(|line| write_line(line, &mut svg));
    for text in drawing.texts.iter().filter(|text| text.shape.is_none()) {
        write_text(text, &mut svg);
        svg.push('\n');
    }
    svg.push_str("</svg>\n");
    svg
}

fn write_shape<'t>(shape: &Shape, class: &str, texts: impl Iterator<Item = &'t Text>, svg: &mut String) {
    let kind = shape.kind.name();
    let space = if class.is_empty() { "" } else { " " };
    let _ = write!(svg, "<g class=\"{}{space}{class}\"", kind.to_lowercase());
    if !shape.name.is_empty() {
        let _ = write!(svg, " data-state=\"{}\" data-type=\"{kind}\"", escape(&shape.name));
    }
    svg.push('>');
    if !shape.title.is_empty() {
        let _ = write!(svg, "<title>{}</title>", escape(&shape.title));
    }
    outline(shape, svg);
    texts.for_each(|text| write_text(text, svg));
    svg.push_str("</g>\n");
}

/// The outline tells the kinds of states apart.
fn outline(shape: &Shape, svg: &mut String) {
    let Shape { kind, x, y, width, height, .. } = *shape;
    let (right, bottom, middle) = (x + width, y + height, y + height / 2.0);
    let rect = |class: &str, inset: f64, radius: f64, svg: &mut String| {
        let _ = write!(
            svg,
            "<rect class=\"{class}\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"{:.1}\"/>",
            x + inset,
            y + inset,
            width - 2.0 * inset,
            height - 2.0 * inset,
            radius - inset
        );
    };
    let path = |d: String, svg: &mut String| {
        let _ = write!(svg, "<path class=\"shape\" d=\"{d}\"/>");
    };
    match kind {
        Kind::Task => rect("shape", 0.0, 6.0, svg),
        Kind::Pass => rect("shape", 0.0, 0.5, svg),
        Kind::Start | Kind::Succeed => {
            let radius = (height / 2.0).min(22.0);
            rect("shape", 0.0, radius, svg);
            if kind == Kind::Succeed {
                rect("shape inner", 3.0, radius, svg);
            }
        }
        Kind::End => {
            rect("shape", 0.0, height / 2.0, svg);
            rect("shape inner", 3.0, height / 2.0, svg);
        }
        Kind::Choice => path(
            format!(
                "M{x:.1} {middle:.1}L{:.1} {y:.1}H{:.1}L{right:.1} {middle:.1}L{:.1} {bottom:.1}H{:.1}z",
                x + SLANT,
                right - SLANT,
                right - SLANT,
                x + SLANT
            ),
            svg,
        ),
        Kind::Wait => {
            let radius = height / 2.0;
            let bend = radius.min(18.0);
            path(
                format!(
                    "M{x:.1} {y:.1}H{:.1}A{bend:.1} {radius:.1} 0 0 1 {:.1} {bottom:.1}H{x:.1}z",
                    right - bend,
                    right - bend
                ),
                svg,
            );
        }
        Kind::Fail => path(
            format!(
                "M{:.1} {y:.1}H{:.1}L{right:.1} {:.1}V{:.1}L{:.1} {bottom:.1}H{:.1}L{x:.1} {:.1}V{:.1}z",
                x + SLANT,
                right - SLANT,
                y + SLANT,
                bottom - SLANT,
                right - SLANT,
                x + SLANT,
                bottom - SLANT,
                y + SLANT
            ),
            svg,
        ),
        Kind::Map => {
            // A pile of cards.
            rect("shape", 0.0, 2.0, svg);
            let (inner, low) = (right - 4.0, bottom - 4.0);
            let d = format!("M{inner:.1} {y:.1}V{low:.1}H{x:.1}");
            let _ = write!(svg, "<path class=\"shape inner\" d=\"{d}\"/>");
        }
        Kind::Parallel => {
            // Two bars at each side.
            rect("shape", 0.0, 2.0, svg);
            for bar in [x + 4.0, right - 4.0] {
                let _ = write!(svg, "<path class=\"shape inner\" d=\"M{bar:.1} {y:.1}V{bottom:.1}\"/>");
            }
        }
    }
}

fn write_text(text: &Text, svg: &mut String) {
    let (class, x) = match text.style {
        Style::Name => ("name", text.x + text.width / 2.0),
        Style::Detail => ("detail", text.x + text.width / 2.0),
        Style::Label => ("label", text.x),
        Style::Caught => ("error", text.x),
    };
    let y = text.y + LINE * 0.75;
    let _ = write!(svg, "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">");
    if !text.title.is_empty() {
        let _ = write!(svg, "<title>{}</title>", escape(&text.title));
    }
    let _ = write!(svg, "{}</text>", escape(&text.content));
}

/// An edge in straight lines with round corners.
fn write_line(line: &Line, svg: &mut String) {
    let points = &line.points;
    let mut d = format!("M{:.1} {:.1}", points[0].0, points[0].1);
    for at in 1..points.len() {
        let (here, before) = (points[at], points[at - 1]);
        let Some(next) = points.get(at + 1) else {
            let _ = write!(d, "L{:.1} {:.1}", here.0, here.1);
            break;
        };
        let towards = |to: (f64, f64), radius: f64| {
            let length = (to.0 - here.0).hypot(to.1 - here.1).max(0.001);
            let part = radius.min(length / 2.0) / length;
            (here.0 + (to.0 - here.0) * part, here.1 + (to.1 - here.1) * part)
        };
        let (from, to) = (towards(before, CORNER), towards(*next, CORNER));
        let _ = write!(d, "L{:.1} {:.1}Q{:.1} {:.1} {:.1} {:.1}", from.0, from.1, here.0, here.1, to.0, to.1);
    }
    let (class, tip) = if line.caught { ("edge caught", "tip-caught") } else { ("edge", "tip") };
    let marker = if line.arrow { format!(" marker-end=\"url(#{tip})\"") } else { String::new() };
    let ends = line.ends.as_ref().map_or_else(String::new, |(from, to)| {
        format!(" data-from=\"{}\" data-to=\"{}\"", escape(from), escape(to))
    });
    let _ = writeln!(svg, "<path class=\"{class}\"{marker}{ends} d=\"{d}\"/>");
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            // Control characters are not allowed in XML.
            c if c.is_control() && c != '\n' && c != '\t' => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}
