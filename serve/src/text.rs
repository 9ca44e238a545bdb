//! Numbers and times in a readable form.

use std::time::Duration;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// `1234567` as `1,234,567`.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 line`, `2 lines`.
pub fn lines(n: u64) -> String {
    if n == 1 { "1 line".to_owned() } else { format!("{} lines", count(n)) }
}

/// `1 request`, `2 requests`.
pub fn requests(n: u64) -> String {
    if n == 1 { "1 request".to_owned() } else { format!("{} requests", count(n)) }
}

/// `1 response`, `2 responses`.
pub fn responses(n: u64) -> String {
    if n == 1 { "1 response".to_owned() } else { format!("{} responses", count(n)) }
}

/// A size in the best unit: bytes, KB, MB or GB, in powers of 1,000.
pub fn bytes(n: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    let scaled = |unit: u64, name: &str| {
        let amount = n as f64 / unit as f64;
        if amount < 9.95 { format!("{amount:.1} {name}") } else { format!("{amount:.0} {name}") }
    };
    match n {
        0..1_000 => format!("{n} bytes"),
        1_000..999_500 => scaled(1_000, "KB"),
        999_500..999_500_000 => scaled(1_000_000, "MB"),
        _ => scaled(1_000_000_000, "GB"),
    }
}

/// An amount: two decimals below 100, none above.
pub fn amount(amount: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "not negative, and far below 2^64"
    )]
    if amount >= 100.0 { count(amount.round() as u64) } else { format!("{amount:.2}") }
}

/// A duration in its two largest units.
pub fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..10 => format!("{:.1} s", duration.as_secs_f64()),
        10..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86400 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} d {} h", seconds / 86400, seconds % 86400 / 3600),
    }
}

/// A time in milliseconds since 1970, RFC 3339 in UTC, to the second.
pub fn moment(millis: u64) -> String {
    let time = OffsetDateTime::from_unix_timestamp(i64::try_from(millis / 1000).unwrap_or(0))
        .unwrap_or(OffsetDateTime::UNIX_EPOCH);
    time.format(&Rfc3339).expect("a time in UTC can be written")
}

/// Requests a second.
pub fn rate(per_second: f64) -> String {
    if per_second >= 10.0 || per_second == 0.0 {
        format!("{per_second:.0}/s")
    } else if per_second >= 1.0 {
        format!("{per_second:.1}/s")
    } else {
        format!("{per_second:.2}/s")
    }
}

/// A share as a percentage. Very small and very large shares have more digits.
pub fn percent(part: u64, whole: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    let share = if whole == 0 { 0.0 } else { part as f64 * 100.0 / whole as f64 };
    // A share just below 100% is never rounded up to 100%.
    let digits = if part == whole || part == 0 {
        0
    } else if (0.1..10.0).contains(&share) || share > 99.0 {
        1
    } else if share < 0.1 {
        3
    } else {
        0
    };
    if part < whole && share > 99.9 { "99.9%".to_owned() } else { format!("{share:.digits$}%") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_times_are_readable() {
        assert_eq!(
            (count(0), count(999), count(1_000), count(1_234_567)),
            ("0".into(), "999".into(), "1,000".into(), "1,234,567".into())
        );
        assert_eq!(moment(1_763_700_000_500), "2025-11-21T04:40:00Z");
        assert_eq!(lines(1), "1 line");
        let sizes = [
            0,
            999,
            1_000,
            12_345,
            999_499,
            999_500,
            9_949_999,
            123_000_000,
            5_000_000_000,
            10_000_000_000_000,
        ]
        .map(bytes);
        assert_eq!(
            sizes,
            [
                "0 bytes",
                "999 bytes",
                "1.0 KB",
                "12 KB",
                "999 KB",
                "1.0 MB",
                "9.9 MB",
                "123 MB",
                "5.0 GB",
                "10000 GB"
            ]
        );
        assert_eq!(duration(Duration::from_secs(3661)), "1 h 1 min");
        assert_eq!(duration(Duration::from_millis(1500)), "1.5 s");
        assert_eq!((rate(200.2), rate(0.5)), ("200/s".into(), "0.50/s".into()));
        assert_eq!(
            (percent(1, 200), percent(0, 0), percent(1, 2), percent(9_999, 10_000)),
            ("0.5%".into(), "0%".into(), "50%".into(), "99.9%".into())
        );
    }
}
