//! A set of statuses, as `[response] success` and `[retry] statuses` have it.

use serde::de::{self, Deserialize, Deserializer, Visitor};
use std::fmt;

/// A set of statuses of responses.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Statuses {
    /// Hundreds: 2 is `2xx`.
    classes: Vec<u16>,
    statuses: Vec<u16>,
}

/// An entry as it is written: `"2xx"`, `404` or `"404"`.
#[derive(Debug, Clone)]
pub(super) struct StatusSyntax(String);

impl Statuses {
    /// The classes, by their first digit, and single statuses.
    pub(super) fn new(classes: &[u16], statuses: &[u16]) -> Self {
        Self { classes: classes.into(), statuses: statuses.into() }
    }

    /// Adds an entry.
    ///
    /// # Errors
    /// In words, if it is neither a class nor a status.
    pub(super) fn add(&mut self, entry: &StatusSyntax) -> Result<(), String> {
        let text = entry.0.trim();
        let status = text.parse().ok().filter(|status| (200..=599).contains(status));
        let class = text.strip_suffix("xx").and_then(|digit| digit.parse().ok());
        match (status, class.filter(|class| (2..=5).contains(class))) {
            (Some(status), _) => self.statuses.push(status),
            (None, Some(class)) => self.classes.push(class),
            (None, None) => {
                return Err(format!(
                    "{text:?} is not a status: write one from 200 to 599, or \"4xx\" for all from 400 to 499"
                ));
            }
        }
        Ok(())
    }

    /// Whether a status is in the set.
    pub fn contain(&self, status: u16) -> bool {
        self.classes.contains(&(status / 100)) || self.statuses.contains(&status)
    }
}

impl<'de> Deserialize<'de> for StatusSyntax {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct StatusVisitor;
        impl Visitor<'_> for StatusVisitor {
            type Value = StatusSyntax;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a status")
            }
            fn visit_i64<E: de::Error>(self, status: i64) -> Result<StatusSyntax, E> {
                Ok(StatusSyntax(status.to_string()))
            }
            fn visit_str<E: de::Error>(self, status: &str) -> Result<StatusSyntax, E> {
                Ok(StatusSyntax(status.to_owned()))
            }
        }
        deserializer.deserialize_any(StatusVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statuses(entries: &[&str]) -> Result<Statuses, String> {
        let mut statuses = Statuses::default();
        entries.iter().try_for_each(|entry| statuses.add(&StatusSyntax((*entry).to_owned())))?;
        Ok(statuses)
    }

    #[test]
    fn entries_are_statuses_or_classes() {
        let set = statuses(&["2xx", "404", "503"]);
        let contained = |status| set.as_ref().is_ok_and(|set| set.contain(status));
        assert_eq!([200, 299, 300, 404, 503, 500].map(contained), [true, true, false, true, true, false]);
        for wrong in ["6xx", "1xx", "xx", "20x", "99", "100", "600", "2XX", "", "-200"] {
            assert!(statuses(&[wrong]).is_err(), "{wrong}");
        }
    }
}
