//! The values of headers about time: numbers, dates, and lists of structured fields.

use std::time::{Duration, UNIX_EPOCH};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Longer waits are shortened to this.
pub(super) const MAX_WAIT: Duration = Duration::from_secs(366 * 24 * 3600);
/// Numbers from here on are a time in seconds since 1970: as a wait it would be 31 years.
const EPOCH: f64 = 1e9;
/// Numbers from here on are a time in milliseconds since 1970.
const EPOCH_MILLIS: f64 = 1e11;

/// The unit of a header's plain numbers.
#[derive(Clone, Copy)]
pub(super) enum Unit {
    Seconds,
    Millis,
}

/// A number of seconds or milliseconds, or a time since 1970.
pub(super) fn span(number: f64, unit: Unit, now: u64) -> Option<Duration> {
    let millis = match unit {
        _ if number >= EPOCH_MILLIS => number - millis_of(now),
        Unit::Seconds if number >= EPOCH => number * 1000.0 - millis_of(now),
        Unit::Seconds => number * 1000.0,
        Unit::Millis => number,
    };
    if number.is_nan() || number < 0.0 {
        return None;
    }
    Some(Duration::try_from_secs_f64(millis.max(0.0) / 1000.0).unwrap_or(MAX_WAIT).min(MAX_WAIT))
}

#[expect(clippy::cast_precision_loss, reason = "exact for many thousands of years")]
fn millis_of(now: u64) -> f64 {
    now as f64
}

/// Milliseconds since 1970 of a date in one of HTTP's three formats, or of RFC 3339.
pub(super) fn date(text: &str) -> Option<u64> {
    let zulu = text.strip_suffix("UTC").or_else(|| text.strip_suffix("+0000"));
    let http = zulu.map(|text| format!("{text}GMT"));
    let millis = httpdate::parse_http_date(http.as_deref().unwrap_or(text))
        .ok()
        .and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    match millis {
        Some(since) => u64::try_from(since.as_millis()).ok(),
        None => {
            u64::try_from(OffsetDateTime::parse(text, &Rfc3339).ok()?.unix_timestamp_nanos() / 1_000_000).ok()
        }
    }
}

/// The items of a list of structured fields: `"name";r=0;t=30, "other";r=5`. Names hold no commas and
/// semicolons.
pub(super) fn items(list: &str) -> impl Iterator<Item = (String, Parameters<'_>)> {
    list.split(',').map(|item| {
        let (name, parameters) = item.split_once(';').unwrap_or((item, ""));
        (name.trim().trim_matches('"').to_owned(), Parameters(parameters))
    })
}

/// `r=0;t=30`.
#[derive(Clone, Copy)]
pub(super) struct Parameters<'a>(pub(super) &'a str);

impl Parameters<'_> {
    pub(super) fn number(&self, name: &str) -> Option<f64> {
        let mut pairs = self.0.split([';', ',']).filter_map(|pair| pair.split_once('='));
        pairs.find(|(other, _)| other.trim().eq_ignore_ascii_case(name))?.1.trim().parse().ok()
    }
}
