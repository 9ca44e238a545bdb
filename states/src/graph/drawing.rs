//! What a picture consists of.

/// A picture whose upper left corner is at the origin.
#[derive(Debug, Default)]
pub(super) struct Drawing {
    pub(super) width: f64,
    pub(super) height: f64,
    /// The states. A state comes before those that it contains.
    pub(super) shapes: Vec<Shape>,
    pub(super) lines: Vec<Line>,
    pub(super) texts: Vec<Text>,
}

/// The outline of a state, or of the start or end of a scope.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    pub(super) kind: Kind,
    /// The state's name; empty for a start or end.
    pub(super) name: String,
    /// The text that is shown when the pointer rests on it.
    pub(super) title: String,
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Start,
    End,
    Task,
    Choice,
    Wait,
    Pass,
    Succeed,
    Fail,
    Map,
    Parallel,
}

/// A part of one or several edges.
#[derive(Debug, Clone)]
pub(super) struct Line {
    /// The names of the states, if it belongs to only one edge.
    pub(super) ends: Option<(String, String)>,
    pub(super) caught: bool,
    pub(super) points: Vec<(f64, f64)>,
    pub(super) arrow: bool,
}

/// A line of text, whose height is [`super::text::LINE`].
#[derive(Debug, Clone)]
pub(super) struct Text {
    pub(super) content: String,
    pub(super) style: Style,
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    /// The shape in which it is written. None for the label of an edge.
    pub(super) shape: Option<usize>,
    /// The text that is shown when the pointer rests on it.
    pub(super) title: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// The name of a state.
    Name,
    /// What a state does.
    Detail,
    /// The label of an edge, which begins at the left.
    Label,
    /// The label of an edge that is followed after an error.
    Caught,
}

impl Kind {
    pub(super) fn of(name: &str) -> Self {
        match name {
            "Choice" => Self::Choice,
            "Wait" => Self::Wait,
            "Pass" => Self::Pass,
            "Succeed" => Self::Succeed,
            "Fail" => Self::Fail,
            "Map" => Self::Map,
            "Parallel" => Self::Parallel,
            _ => Self::Task,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Start => "Start",
            Self::End => "End",
            Self::Task => "Task",
            Self::Choice => "Choice",
            Self::Wait => "Wait",
            Self::Pass => "Pass",
            Self::Succeed => "Succeed",
            Self::Fail => "Fail",
            Self::Map => "Map",
            Self::Parallel => "Parallel",
        }
    }

    /// The space between the outline and texts at each side, which depends on the slant of the outline.
    pub(super) fn padding(self) -> f64 {
        match self {
            Self::Choice => 24.0,
            Self::Wait | Self::Succeed | Self::Fail => 18.0,
            Self::Parallel => 14.0,
            _ => 10.0,
        }
    }
}

impl Drawing {
    /// Adds another drawing at a place.
    pub(super) fn add(&mut self, other: Drawing, x: f64, y: f64) {
        let first = self.shapes.len();
        self.shapes.extend(other.shapes.into_iter().map(|shape| Shape {
            x: shape.x + x,
            y: shape.y + y,
            ..shape
        }));
        self.lines.extend(other.lines.into_iter().map(|mut line| {
            line.points.iter_mut().for_each(|point| *point = (point.0 + x, point.1 + y));
            line
        }));
        self.texts.extend(other.texts.into_iter().map(|text| Text {
            x: text.x + x,
            y: text.y + y,
            shape: text.shape.map(|shape| shape + first),
            ..text
        }));
    }
}
