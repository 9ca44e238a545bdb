//! How long a server keeps what has ended.

use serde::{Deserialize, Deserializer, de::Error};

/// The days for which AWS keeps executions.
const DAYS: u32 = 90;

/// What is kept of executions that have ended, and of records of what people did.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Retention {
    /// The days after their end; None for ever.
    #[serde(default = "days", deserialize_with = "read_days")]
    pub(crate) days: Option<u32>,
    /// The bytes of the store from which on the oldest executions are forgotten.
    #[serde(default, deserialize_with = "read_bytes")]
    pub(crate) bytes: Option<u64>,
}

impl Default for Retention {
    fn default() -> Self {
        Self { days: days(), bytes: None }
    }
}

#[allow(clippy::unnecessary_wraps, reason = "it is the default of an optional number")]
fn days() -> Option<u32> {
    Some(DAYS)
}

/// A number of days, or `"forever"`.
fn read_days<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Days {
        Number(u32),
        Word(String),
    }
    let wrong = || D::Error::custom("days is a number of at least 1, or \"forever\"");
    match Days::deserialize(deserializer).map_err(|_| wrong())? {
        Days::Number(days @ 1..) => Ok(Some(days)),
        Days::Word(word) if word == "forever" => Ok(None),
        _ => Err(wrong()),
    }
}

fn read_bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let bytes = parse(&text);
    bytes.map(Some).ok_or_else(|| D::Error::custom(format!("{text:?} is not a size such as 500MiB or 50GiB")))
}

fn parse(text: &str) -> Option<u64> {
    const UNITS: [(&str, u64); 4] = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40)];
    let (number, unit) = UNITS.iter().find_map(|(name, unit)| Some((text.strip_suffix(name)?, unit)))?;
    number.trim().parse::<u64>().ok()?.checked_mul(*unit).filter(|bytes| *bytes > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_a_unit() {
        assert_eq!(parse("50GiB"), Some(50 << 30));
        assert_eq!(parse("1 MiB"), Some(1 << 20));
        for wrong in ["", "5", "0GiB", "-1MiB", "GiB", "5GB", "99999999999TiB"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
