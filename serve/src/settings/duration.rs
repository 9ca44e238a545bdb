//! Durations of settings, such as `5s`, `15m`, `12h` and `35d`; a day has 24 hours.

use std::time::Duration;

use jiff::{Span, SpanRelativeTo, Unit};
use serde::{Deserialize, Deserializer, de::Error};

pub(super) fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse(&text)
        .ok_or_else(|| D::Error::custom(format!("{text:?} is not a duration such as 5s, 15m, 12h or 35d")))
}

fn parse(text: &str) -> Option<Duration> {
    let span: Span = text.parse().ok()?;
    let seconds = span.total((Unit::Second, SpanRelativeTo::days_are_24_hours())).ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}
