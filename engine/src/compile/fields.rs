//! Compiles fields that hold the names of states, paths and times.

use super::{Compiler, NOWHERE, Names};
use crate::expr::comparison::parse_timestamp;
use crate::expr::{Path, ReferencePath};
use crate::language::Language;
use crate::machine::{Number, ResultPath, Selection, Until};
use crate::rule_violation::RuleViolation;
use crate::syntax::{Field, Text, WaitFor};

impl Compiler<'_, '_> {
    pub(super) fn until(&mut self, until: WaitFor) -> Until {
        let until = match until {
            WaitFor::Seconds(seconds) => self.number(Some(seconds)).map(Until::Seconds),
            WaitFor::TimestampPath(text) => self.path(&text).map(Until::TimestampPath),
            WaitFor::Timestamp(text)
                if self.language == Language::Jsonata && text.value.starts_with("{%") =>
            {
                self.jsonata(&text).map(Until::TimestampExpression)
            }
            WaitFor::Timestamp(text) => {
                let moment = parse_timestamp(&text.value);
                if moment.is_none() {
                    self.report.violation(
                        &text.at,
                        RuleViolation::Timestamp,
                        "must be a timestamp such as 2026-01-31T12:00:00Z",
                    );
                }
                moment.map(Until::Timestamp)
            }
        };
        until.unwrap_or(Until::Seconds(Number::Literal(0.0)))
    }

    /// The number of the state with this name. If there is none, reports it and returns [`NOWHERE`].
    pub(super) fn target(&mut self, name: &Text, names: &Names) -> usize {
        names.get(&name.value).copied().unwrap_or_else(|| {
            self.report.violation(
                &name.at,
                RuleViolation::Target(&name.value),
                format!("there is no state {:?} here", name.value),
            );
            NOWHERE
        })
    }

    pub(super) fn selection(&mut self, field: Field) -> Selection {
        match field {
            Field::Null => Selection::Nothing,
            Field::Absent => Selection::Whole,
            Field::Given(text) => match self.path(&text) {
                Some(path) if !path.is_input() => Selection::Path(path),
                _ => Selection::Whole,
            },
        }
    }

    pub(super) fn result_path(&mut self, field: Field) -> ResultPath {
        let text = match field {
            Field::Null => return None,
            Field::Absent => return ReferencePath::parse("$").ok(),
            Field::Given(text) => text,
        };
        ReferencePath::parse(&text.value)
            .map_err(|reason| {
                self.report.violation(&text.at, RuleViolation::ReferencePath(&reason), reason.clone())
            })
            .ok()
    }

    pub(super) fn path(&mut self, text: &Text) -> Option<Path> {
        Path::parse(&text.value)
            .map_err(|reason| self.report.violation(&text.at, RuleViolation::Path, reason))
            .ok()
    }

    /// Compiles a path in a field where AWS asks for a Reference Path but also accepts other paths.
    pub(super) fn reference(&mut self, text: &Text) -> Option<Path> {
        Path::parse(&text.value)
            .map_err(|reason| {
                self.report.violation(&text.at, RuleViolation::ReferencePath(&reason), reason.clone())
            })
            .ok()
    }
}
