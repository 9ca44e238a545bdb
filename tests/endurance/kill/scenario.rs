//! What becomes of the lines.

use super::run::LINES;

/// What the lines come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Story {
    /// Every line succeeds, and the run's folder is tidied away.
    AllSucceed,
    /// A few fail, and the run's folder stays.
    SomeFail,
    /// Half of them have failed; killed is the redrive, in which they succeed.
    Redriven,
}

impl Story {
    pub fn command(self) -> &'static str {
        if self == Self::Redriven { "redrive" } else { "run" }
    }

    /// The path of a line.
    pub fn kind(self, n: usize) -> &'static str {
        match self {
            Self::SomeFail if n.is_multiple_of(100) => "missing",
            Self::Redriven if n.is_multiple_of(2) => "flaky",
            _ => "ok",
        }
    }

    /// Lines that the command asks about.
    pub fn asked(self) -> usize {
        if self == Self::Redriven { LINES / 2 } else { LINES }
    }
}
