//! Which lines of a job succeed.

use super::run::LINES;

/// Which lines succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scenario {
    /// Every line succeeds, and the run's folder is removed.
    AllSucceed,
    /// A few fail, and the run's folder stays.
    SomeFail,
    /// Half of the lines have failed. The redrive, in which they succeed, is killed.
    Redriven,
}

impl Scenario {
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

    /// How many lines the command sends.
    pub fn lines_sent(self) -> usize {
        if self == Self::Redriven { LINES / 2 } else { LINES }
    }
}
