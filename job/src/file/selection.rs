//! The lines of a file that a run has: all of them, or those that its command asks for.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The lines that a sample is a part of.
const MILLION: u64 = 1_000_000;

/// A part of the lines of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// This many of the first lines.
    First(u64),
    /// The lines with these numbers, from 1.
    Lines(Vec<RangeInclusive<u64>>),
    /// This many of a million lines. Which lines these are depends on their numbers only.
    Sample(u32),
}

impl Selection {
    /// Whether a line is selected.
    pub fn has(&self, n: u64) -> bool {
        match self {
            Self::First(count) => n <= *count,
            Self::Lines(ranges) => ranges.iter().any(|range| range.contains(&n)),
            Self::Sample(share) => scattered(n) % MILLION < u64::from(*share),
        }
    }

    /// The last line that may be selected, if there is one.
    pub fn last(&self) -> Option<u64> {
        match self {
            Self::First(count) => Some(*count),
            Self::Lines(ranges) => ranges.iter().map(|range| *range.end()).max(),
            Self::Sample(_) => None,
        }
    }

    /// Whether every line of another selection is selected, too. `lines`: how many lines that one has found.
    pub fn includes(&self, other: Option<&Self>, lines: u64) -> bool {
        let covers = |range: &RangeInclusive<u64>| match self {
            Self::First(count) => range.end() <= count,
            Self::Lines(ranges) => {
                // The ranges of a selection are in order, and do not touch.
                ranges.iter().any(|one| one.start() <= range.start() && range.end() <= one.end())
            }
            Self::Sample(_) => range.clone().all(|n| self.has(n)),
        };
        match other {
            None => covers(&(1..=lines.max(1))),
            Some(Self::First(count)) => covers(&(1..=lines.min(*count).max(1))),
            Some(Self::Lines(ranges)) => ranges.iter().all(covers),
            Some(Self::Sample(part)) => matches!(self, Self::Sample(share) if share >= part),
        }
    }

    /// Reads line numbers: `17`, `17-20`, `3,17-20`.
    ///
    /// # Errors
    /// In words, why it is not such a list.
    pub fn lines(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a list of lines: write 17, 17-20 or 3,17-20");
        let number = |text: &str| text.trim().parse::<u64>().ok().filter(|n| *n > 0);
        let mut ranges = Vec::new();
        for part in text.split(',') {
            let (from, to) = part.split_once('-').unwrap_or((part, part));
            match (number(from), number(to)) {
                (Some(from), Some(to)) if from <= to => ranges.push((from, to)),
                _ => return Err(wrong()),
            }
        }
        ranges.sort_unstable();
        let mut joined: Vec<(u64, u64)> = Vec::new();
        for (from, to) in ranges {
            match joined.last_mut() {
                Some((_, end)) if from <= end.saturating_add(1) => *end = to.max(*end),
                _ => joined.push((from, to)),
            }
        }
        Ok(Self::Lines(joined.into_iter().map(|(from, to)| from..=to).collect()))
    }

    /// Reads a share of lines: `1%`.
    ///
    /// # Errors
    /// In words, why it is not such a share.
    pub fn sample(text: &str) -> Result<Self, String> {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share is from 0 to 1")]
        let share = (super::parse_share(text)? * MILLION as f64).round() as u32;
        if share > 0 { Ok(Self::Sample(share)) } else { Err(format!("a sample of {text} has no line")) }
    }
}

/// The output function of `SplitMix64`: neighbouring numbers become unrelated ones.
fn scattered(n: u64) -> u64 {
    let mut z = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::First(count) => write!(f, "first {count}"),
            Self::Sample(share) => write!(f, "sample {}%", f64::from(*share) / 10_000.0),
            Self::Lines(ranges) => {
                let part = |range: &RangeInclusive<u64>| match (range.start(), range.end()) {
                    (from, to) if from == to => from.to_string(),
                    (from, to) => format!("{from}-{to}"),
                };
                let parts: Vec<String> = ranges.iter().map(part).collect();
                write!(f, "lines {}", parts.join(","))
            }
        }
    }
}

impl FromStr for Selection {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(' ') {
            Some(("first", count)) => count.parse().map(Self::First).map_err(|_| format!("first {count}?")),
            Some(("lines", lines)) => Self::lines(lines),
            Some(("sample", share)) => Self::sample(share),
            _ => Err(format!("{text:?} is not a selection of lines")),
        }
    }
}

impl Serialize for Selection {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Selection {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_selection_is_read_as_it_was_written() {
        for text in ["first 10", "lines 17", "lines 3,17-20", "sample 1%", "sample 0.5%"] {
            let selection: Selection = text.parse().unwrap();
            assert_eq!(selection.to_string(), text);
        }
        assert_eq!(Selection::lines("9-12, 3-5,4-8").unwrap().to_string(), "lines 3-12");
        for wrong in ["", "0", "5-3", "a", "1-", "1,,2", "-3"] {
            assert!(Selection::lines(wrong).unwrap_err().contains("17-20"), "{wrong}");
        }
        assert!(Selection::sample("0%").is_err() && Selection::sample("101%").is_err());
    }

    #[test]
    fn a_sample_has_about_its_share_of_the_lines_and_a_larger_one_has_these_too() {
        let one = Selection::sample("1%").unwrap();
        let five = Selection::sample("5%").unwrap();
        let count = (1..=100_000).filter(|n| one.has(*n)).count();
        assert!((850..1150).contains(&count), "{count}");
        assert!((1..=100_000).all(|n| !one.has(n) || five.has(n)));
        assert!((1..=1000).all(|n| Selection::Sample(1_000_000).has(n)));
    }

    #[test]
    fn a_selection_includes_another_if_it_has_all_of_its_lines() {
        let read = |text: &str| text.parse::<Selection>().unwrap();
        for (one, other, lines) in [
            ("first 10", Some("first 5"), 5),
            ("first 10", Some("lines 3,7-10"), 5),
            ("lines 1-20", Some("first 20"), 20),
            ("lines 1-20", None, 20),
            ("first 50", Some("first 100"), 20),
            ("sample 5%", Some("sample 1%"), 7),
        ] {
            assert!(read(one).includes(other.map(read).as_ref(), lines), "{one} {other:?}");
        }
        for (one, other, lines) in [
            ("first 10", Some("first 11"), 11),
            ("lines 3-5", Some("lines 3-6"), 4),
            ("lines 3-5", None, 20),
            ("first 1000", Some("sample 1%"), 3),
            ("sample 1%", Some("sample 5%"), 7),
            ("sample 1%", Some("first 100"), 100),
        ] {
            assert!(!read(one).includes(other.map(read).as_ref(), lines), "{one} {other:?}");
        }
    }
}
