//! `Retry-After`, in both forms.

use std::time::{Duration, UNIX_EPOCH};

use http::HeaderMap;
use http::header::{DATE, HeaderName, RETRY_AFTER};

/// Nobody means more.
const MOST: Duration = Duration::from_secs(366 * 24 * 3600);

/// How long the provider asks to wait. A date is taken against the answer's own `Date`, so that clocks may differ;
/// `now` is in milliseconds since 1970.
pub fn read(headers: &HeaderMap, now: u64) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<f64>() {
        let wait = Duration::try_from_secs_f64(seconds).ok().or((seconds > 0.0).then_some(MOST))?;
        return Some(wait.min(MOST));
    }
    let until = httpdate::parse_http_date(text).ok()?;
    let now = date(headers, DATE).unwrap_or(UNIX_EPOCH + Duration::from_millis(now));
    Some(until.duration_since(now).unwrap_or_default().min(MOST))
}

fn date(headers: &HeaderMap, name: HeaderName) -> Option<std::time::SystemTime> {
    httpdate::parse_http_date(headers.get(name)?.to_str().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    /// Wed, 21 Oct 2015 07:28:00 GMT.
    const THEN: u64 = 1_445_412_480_000;

    fn wait(retry_after: &str, date: Option<&str>) -> Option<u64> {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::from_str(retry_after).expect("a header"));
        if let Some(date) = date {
            headers.insert(DATE, HeaderValue::from_str(date).expect("a header"));
        }
        read(&headers, THEN).map(|wait| u64::try_from(wait.as_millis()).expect("not that long"))
    }

    #[test]
    fn both_forms() {
        for (text, expected) in [
            ("0", Some(0)),
            ("120", Some(120_000)),
            (" 1.5 ", Some(1500)),
            ("-1", None),
            ("NaN", None),
            ("soon", None),
            ("", None),
            ("1e300", Some(366 * 24 * 3_600_000)),
            ("99999999999999999999", Some(366 * 24 * 3_600_000)),
            ("Wed, 21 Oct 2015 07:28:30 GMT", Some(30_000)),
            ("Wed, 21 Oct 2015 07:27:30 GMT", Some(0)),
            ("Wednesday, 21-Oct-15 07:28:30 GMT", Some(30_000)),
            ("Wed Oct 21 07:28:30 2015", Some(30_000)),
        ] {
            assert_eq!(wait(text, None), expected, "{text}");
        }
    }

    #[test]
    fn a_date_is_read_by_the_servers_clock() {
        assert_eq!(wait("Wed, 21 Oct 2015 09:00:10 GMT", Some("Wed, 21 Oct 2015 09:00:00 GMT")), Some(10_000));
    }
}
