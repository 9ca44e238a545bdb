//! The headers by which a provider asks to slow down, and for how long. `docs/job-file.md` has the table of
//! them.

mod left;
mod values;

use std::time::Duration;

use http::header::DATE;
use http::{HeaderMap, StatusCode};

pub(crate) use self::left::{Left, left_until};
use self::values::{MAX_WAIT, Parameters, Unit, date, items, span};

/// Headers that always say how long to wait; the most exact first.
const WAITS: [(&str, Unit); 3] =
    [("retry-after-ms", Unit::Millis), ("x-ms-retry-after-ms", Unit::Millis), ("retry-after", Unit::Seconds)];
/// Headers that say when the limit is reset, which counts if no requests are left.
const RESETS: [&str; 5] = [
    "x-ratelimit-reset-after",
    "ratelimit-reset",
    "x-ratelimit-reset",
    "x-rate-limit-reset",
    "rate-limit-reset",
];
/// Headers that say how many requests are left.
const REMAINING: [&str; 4] =
    ["ratelimit-remaining", "x-ratelimit-remaining", "x-rate-limit-remaining", "rate-limit-remaining"];
/// The header of `draft-ietf-httpapi-ratelimit-headers`, and of its version 7.
const RATE_LIMIT: &str = "ratelimit";
const POLICY: &str = "ratelimit-policy";

/// A wait that a provider asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RetryAfter {
    pub(crate) wait: Duration,
    /// The header, as it came.
    pub(crate) header: String,
}

/// The wait that a provider asks for, whatever the status. A date is compared with the response's `Date`, so
/// that clocks may differ; `now` is in milliseconds since 1970.
pub fn read(headers: &HeaderMap, now: u64) -> Option<Duration> {
    explicit(headers, now).map(|asked| asked.wait)
}

/// Whether a response asks to slow down, and for how long if it says so.
pub(crate) fn asked(status: StatusCode, headers: &HeaderMap, now: u64) -> (bool, Option<RetryAfter>) {
    let explicit = explicit(headers, now);
    let left = left(headers);
    let slow = match status.as_u16() {
        429 => true,
        // These have other causes too (a wrong key, a large body, a lock): they count only with a header
        // about time.
        403 | 408 | 413 | 420 | 423 => explicit.is_some() || left == Some(0),
        503 | 529 => explicit.is_some(),
        _ => false,
    };
    // A reset counts only if no requests are left: otherwise another limit was exceeded than the one in the
    // headers.
    let reset = || if slow && left.unwrap_or(0) == 0 { reset(headers, now) } else { None };
    (slow, explicit.or_else(reset))
}

fn explicit(headers: &HeaderMap, now: u64) -> Option<RetryAfter> {
    WAITS.iter().find_map(|(name, unit)| in_header(headers, name, *unit, now))
}

fn reset(headers: &HeaderMap, now: u64) -> Option<RetryAfter> {
    let plain = RESETS.iter().find_map(|name| in_header(headers, name, Unit::Seconds, now));
    plain.or_else(|| {
        let value = text(headers, RATE_LIMIT)?;
        let window =
            |policy: &str| items(text(headers, POLICY)?).find(|(name, _)| name == policy)?.1.number("w");
        let waits = items(value).filter_map(|(name, parameters)| match parameters.number("r") {
            Some(0.0) => parameters.number("t").or_else(|| window(&name)),
            _ => None,
        });
        let longest = waits
            .fold(None, |longest: Option<f64>, wait| Some(longest.map_or(wait, |longest| longest.max(wait))));
        let seconds = longest.or_else(|| Parameters(value).number("reset"))?;
        Some(RetryAfter {
            wait: span(seconds, Unit::Seconds, server_time(headers, now))?,
            header: format!("RateLimit: {value}"),
        })
    })
}

/// Requests that are left: the smallest number in the headers.
fn left(headers: &HeaderMap) -> Option<u64> {
    let plain = REMAINING
        .iter()
        .filter_map(|name| text(headers, name)?.split([',', ';']).next()?.trim().parse::<f64>().ok());
    let draft = text(headers, RATE_LIMIT).into_iter().flat_map(|value| {
        let old = Parameters(value).number("remaining");
        items(value).filter_map(|(_, parameters)| parameters.number("r")).chain(old).collect::<Vec<_>>()
    });
    let least = plain.chain(draft).fold(f64::INFINITY, f64::min);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count; saturates")]
    least.is_finite().then_some(least.ceil() as u64)
}

fn in_header(headers: &HeaderMap, name: &str, unit: Unit, now: u64) -> Option<RetryAfter> {
    let value = text(headers, name)?;
    let now = server_time(headers, now);
    let wait = match value.parse::<f64>() {
        Ok(number) => span(number, unit, now)?,
        Err(_) => Duration::from_millis(date(value)?.saturating_sub(now)).min(MAX_WAIT),
    };
    let name = if name == "retry-after" { "Retry-After" } else { name };
    Some(RetryAfter { wait, header: format!("{name}: {value}") })
}

/// The server's time if the response has it, else `now`.
fn server_time(headers: &HeaderMap, now: u64) -> u64 {
    text(headers, DATE.as_str()).and_then(date).unwrap_or(now)
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    Some(headers.get(name)?.to_str().ok()?.trim())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http::header::HeaderName;

    use super::*;

    /// Wed, 21 Oct 2015 07:28:00 GMT.
    const THEN: u64 = 1_445_412_480_000;
    const YEAR: u64 = 366 * 24 * 3_600_000;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                (HeaderName::from_static(name), HeaderValue::from_str(value).expect("a header"))
            })
            .collect()
    }

    /// Whether the response asks to slow down, and the milliseconds that it asks for.
    fn slow(status: u16, pairs: &[(&'static str, &str)]) -> (bool, Option<u64>) {
        let (slow, asked) = asked(StatusCode::from_u16(status).expect("a status"), &headers(pairs), THEN);
        (slow, asked.map(|asked| u64::try_from(asked.wait.as_millis()).expect("not that long")))
    }

    #[test]
    fn every_form_of_retry_after() {
        for (text, expected) in [
            ("0", Some(0)),
            ("120", Some(120_000)),
            (" 1.5 ", Some(1500)),
            ("-1", None),
            ("NaN", None),
            ("soon", None),
            ("", None),
            ("1e300", Some(YEAR)),
            ("99999999999999999999", Some(YEAR)),
            ("1445412510", Some(30_000)),
            ("1445412510.5", Some(30_500)),
            ("1445412510000", Some(30_000)),
            ("1445412400", Some(0)),
            ("Wed, 21 Oct 2015 07:28:30 GMT", Some(30_000)),
            ("Wed, 21 Oct 2015 07:28:30 UTC", Some(30_000)),
            ("Wed, 21 Oct 2015 07:27:30 GMT", Some(0)),
            ("Wednesday, 21-Oct-15 07:28:30 GMT", Some(30_000)),
            ("Wed Oct 21 07:28:30 2015", Some(30_000)),
            ("2015-10-21T07:28:30Z", Some(30_000)),
            ("2015-10-21T09:28:30.250+02:00", Some(30_250)),
        ] {
            assert_eq!(slow(429, &[("retry-after", text)]), (true, expected), "{text}");
        }
    }

    #[test]
    fn a_date_is_read_by_the_servers_clock() {
        let date = ("date", "Wed, 21 Oct 2015 09:00:00 GMT");
        assert_eq!(slow(429, &[("retry-after", "Wed, 21 Oct 2015 09:00:10 GMT"), date]).1, Some(10_000));
        assert_eq!(slow(429, &[("retry-after", "1445418010"), date]).1, Some(10_000));
    }

    #[test]
    fn the_header_is_quoted_as_it_came() {
        let (_, asked) =
            asked(StatusCode::TOO_MANY_REQUESTS, &headers(&[("retry-after", "1445412510")]), THEN);
        assert_eq!(asked.map(|asked| asked.header).as_deref(), Some("Retry-After: 1445412510"));
    }

    #[test]
    fn headers_of_other_names() {
        for (header, value, expected) in [
            ("retry-after-ms", "250", 250),
            ("x-ms-retry-after-ms", "1500.5", 1500),
            ("x-ratelimit-reset-after", "0.75", 750),
            ("x-ratelimit-reset", "30", 30_000),
            ("x-ratelimit-reset", "1445412510", 30_000),
            ("x-ratelimit-reset", "1445412510123", 30_123),
            ("x-ratelimit-reset", "2015-10-21T07:28:30Z", 30_000),
            ("x-rate-limit-reset", "1445412510", 30_000),
            ("ratelimit-reset", "7", 7000),
            ("ratelimit", "\"default\";r=0;t=30", 30_000),
            ("ratelimit", "\"burst\";r=5;t=60, \"daily\";r=0;t=3600", 3_600_000),
            ("ratelimit", "limit=100, remaining=0, reset=9", 9000),
        ] {
            assert_eq!(slow(429, &[(header, value)]), (true, Some(expected)), "{header}: {value}");
        }
        let draft = [
            ("ratelimit", "\"default\";r=0"),
            ("ratelimit-policy", "\"other\";q=1;w=1, \"default\";q=100;w=10"),
        ];
        assert_eq!(slow(429, &draft), (true, Some(10_000)));
        assert_eq!(
            slow(429, &[("retry-after", "9"), ("retry-after-ms", "8500")]).1,
            Some(8500),
            "the more exact"
        );
        assert_eq!(
            slow(429, &[("x-ratelimit-remaining", "3"), ("x-ratelimit-reset", "30")]),
            (true, None),
            "that limit was not met"
        );
        assert_eq!(slow(429, &[("ratelimit", "nonsense"), ("x-ratelimit-reset", "soon")]), (true, None));
    }

    #[test]
    fn statuses_that_ask_to_slow_down() {
        const WAIT: (&str, &str) = ("retry-after", "3");
        const NONE_LEFT: (&str, &str) = ("x-ratelimit-remaining", "0");
        for status in [403, 408, 413, 420, 423] {
            assert_eq!(slow(status, &[]), (false, None), "{status}");
            assert_eq!(slow(status, &[WAIT]), (true, Some(3000)), "{status}");
            assert_eq!(slow(status, &[NONE_LEFT]), (true, None), "{status}");
            assert_eq!(
                slow(status, &[NONE_LEFT, ("x-ratelimit-reset", "1445412483")]),
                (true, Some(3000)),
                "{status}"
            );
            assert_eq!(
                slow(status, &[("x-ratelimit-remaining", "17"), ("x-ratelimit-reset", "9")]),
                (false, None),
                "{status}"
            );
            assert_eq!(slow(status, &[("ratelimit", "\"default\";r=0;t=3")]), (true, Some(3000)), "{status}");
        }
        for status in [503, 529] {
            assert_eq!(
                (slow(status, &[]).0, slow(status, &[WAIT]).0, slow(status, &[NONE_LEFT]).0),
                (false, true, false),
                "{status}"
            );
        }
        for status in [400, 401, 404, 409, 500, 502] {
            assert_eq!(slow(status, &[WAIT, NONE_LEFT]), (false, Some(3000)), "{status}");
        }
        assert_eq!(slow(429, &[]), (true, None));
    }
}
