//! What any response says of the limit.

use std::time::Duration;

use http::HeaderMap;

use super::values::{Parameters, Unit, items, span};
use super::{RATE_LIMIT, REMAINING, RESETS, in_header, server_time, text};

/// How many requests are left, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Left {
    pub(crate) requests: u64,
    pub(crate) until: Duration,
}

/// What any response says of the limit, if it says both. Of several policies the one counts that leaves the
/// fewest requests a second.
pub(crate) fn left_until(headers: &HeaderMap, now: u64) -> Option<Left> {
    let number = |name: &&str| text(headers, name)?.split([',', ';']).next()?.trim().parse::<f64>().ok();
    let plain = REMAINING.iter().find_map(number).and_then(|requests| {
        let until = RESETS.iter().find_map(|name| in_header(headers, name, Unit::Seconds, now))?.wait;
        Some((requests, until))
    });
    let now = server_time(headers, now);
    let draft = text(headers, RATE_LIMIT).into_iter().flat_map(|value| {
        let old = Parameters(value);
        let old = old.number("remaining").zip(old.number("reset"));
        let items = items(value).filter_map(|(_, policy)| policy.number("r").zip(policy.number("t")));
        items.chain(old).collect::<Vec<_>>()
    });
    let draft = draft.filter_map(|(requests, seconds)| Some((requests, span(seconds, Unit::Seconds, now)?)));
    let all = plain.into_iter().chain(draft).filter(|(requests, _)| *requests >= 0.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count; saturates")]
    let all = all.map(|(requests, until)| Left { requests: requests as u64, until });
    all.min_by(|a, b| a.per_second().total_cmp(&b.per_second()))
}

impl Left {
    #[expect(clippy::cast_precision_loss, reason = "a count of requests")]
    fn per_second(&self) -> f64 {
        self.requests as f64 / self.until.as_secs_f64().max(0.001)
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http::header::HeaderName;

    use super::*;

    /// Wed, 21 Oct 2015 07:28:00 GMT.
    const THEN: u64 = 1_445_412_480_000;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let header = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).expect("a header"))
        };
        pairs.iter().map(header).collect()
    }

    #[test]
    fn every_response_may_say_what_is_left() {
        let left = |pairs: &[(&'static str, &str)]| {
            left_until(&headers(pairs), THEN).map(|left| (left.requests, left.until.as_secs()))
        };
        assert_eq!(
            left(&[("x-ratelimit-remaining", "12"), ("x-ratelimit-reset", "1445412510")]),
            Some((12, 30))
        );
        assert_eq!(left(&[("ratelimit-remaining", "0"), ("ratelimit-reset", "7")]), Some((0, 7)));
        assert_eq!(left(&[("ratelimit", "\"burst\";r=5;t=1, \"daily\";r=100;t=3600")]), Some((100, 3600)));
        assert_eq!(left(&[("ratelimit", "limit=100, remaining=50, reset=9")]), Some((50, 9)));
        assert_eq!(left(&[("x-ratelimit-remaining", "12")]), None);
        assert_eq!(left(&[("x-ratelimit-reset", "30")]), None);
        assert_eq!(left(&[("x-ratelimit-remaining", "-1"), ("x-ratelimit-reset", "30")]), None);
    }
}
