//! The durations, sizes, rates and shares of a job file.

use std::time::Duration;

use super::limits::Rate;

/// `250ms`, `10s`, `1.5m`, `2h`.
///
/// # Errors
/// In words, what is wrong with the text.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let units = [("ms", 0.001), ("s", 1.0), ("min", 60.0), ("m", 60.0), ("h", 3600.0), ("d", 86400.0)];
    let seconds = quantity(text, &units).ok_or_else(|| {
        format!("{text:?} is not a duration: write for example \"500ms\", \"10s\", \"5m\" or \"2h\"")
    })?;
    if seconds <= 0.0 {
        return Err(format!("{text:?} must be longer than zero"));
    }
    Duration::try_from_secs_f64(seconds).map_err(|_| format!("{text:?} is too long"))
}

/// `512`, `10KiB`, `10MiB`, `1GiB`; also `KB`, `MB`, `GB` of a thousand each.
///
/// # Errors
/// In words, what is wrong with the text.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    let units = [
        ("KiB", 1024.0),
        ("MiB", 1_048_576.0),
        ("GiB", 1_073_741_824.0),
        ("KB", 1e3),
        ("MB", 1e6),
        ("GB", 1e9),
        ("B", 1.0),
        ("", 1.0),
    ];
    let bytes = quantity(text, &units)
        .ok_or_else(|| format!("{text:?} is not a size: write for example \"512KiB\" or \"10MiB\""))?;
    if bytes < 1.0 {
        return Err(format!("{text:?} must be at least one byte"));
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "at least 1; a size beyond u64 saturates"
    )]
    Ok(bytes as u64)
}

/// A number of requests in a window of time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Window {
    /// Above zero; may have decimals.
    pub(super) count: f64,
    pub(super) length: Duration,
}

impl Window {
    pub(super) fn per_second(&self) -> f64 {
        self.count / self.length.as_secs_f64()
    }
}

/// `200/s`, `10/min`, `2/h`, `100/15min`, `unlimited`.
///
/// # Errors
/// In words, what is wrong with the text.
pub fn parse_rate(text: &str) -> Result<Rate, String> {
    Ok(parse_window(text)?.map_or(Rate::Unlimited, |window| Rate::PerSecond(window.per_second())))
}

/// The window of a rate; `None` for `unlimited`.
pub(super) fn parse_window(text: &str) -> Result<Option<Window>, String> {
    if text == "unlimited" {
        return Ok(None);
    }
    let wrong = || {
        format!("{text:?} is not a rate: write for example \"200/s\", \"10/min\", \"2/h\" or \"unlimited\"")
    };
    let (number, unit) = text.split_once('/').ok_or_else(wrong)?;
    let number: f64 = number.trim().parse().map_err(|_| wrong())?;
    let unit = unit.trim();
    let digits = unit.find(|c: char| !c.is_ascii_digit()).unwrap_or(unit.len());
    let (times, unit) = unit.split_at(digits);
    let times: f64 = if times.is_empty() { 1.0 } else { times.parse().map_err(|_| wrong())? };
    let seconds = match unit.trim() {
        "s" | "sec" | "second" => 1.0,
        "m" | "min" | "minute" => 60.0,
        "h" | "hour" => 3600.0,
        "d" | "day" => 86400.0,
        _ => return Err(wrong()),
    };
    if !number.is_finite() || number < 0.0 || times > 1e6 {
        return Err(wrong());
    }
    if times == 0.0 {
        return Err(format!("{text:?} has a window of zero: write for example \"100/15min\""));
    }
    if number == 0.0 {
        return Err(format!(
            "a rate of {text:?} would never send anything: write a rate above zero, or \"unlimited\""
        ));
    }
    let per_second = number / (seconds * times);
    if per_second > 1e6 {
        return Err(format!("{text:?} is above a million a second: write \"unlimited\""));
    }
    Ok(Some(Window { count: number, length: Duration::from_secs_f64(seconds * times) }))
}

/// `5%` as 0.05.
///
/// # Errors
/// In words, what is wrong with the text.
pub fn parse_share(text: &str) -> Result<f64, String> {
    let wrong = || format!("{text:?} is not a share: write a percentage from \"0%\" to \"100%\"");
    let percent: f64 =
        text.trim().strip_suffix('%').ok_or_else(wrong)?.trim().parse().map_err(|_| wrong())?;
    if (0.0..=100.0).contains(&percent) { Ok(percent / 100.0) } else { Err(wrong()) }
}

/// A number followed by one of the units; the first that fits wins.
fn quantity(text: &str, units: &[(&str, f64)]) -> Option<f64> {
    let text = text.trim();
    units.iter().find_map(|(unit, factor)| {
        let number: f64 = text.strip_suffix(unit)?.trim().parse().ok()?;
        (number.is_finite() && number >= 0.0).then_some(number * factor)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit_and_are_positive() {
        for (text, millis) in
            [("250ms", 250), ("10s", 10_000), ("1.5m", 90_000), ("2min", 120_000), ("1h", 3_600_000)]
        {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "10", "s", "-1s", "0s", "NaNs", "1e400h"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_have_binary_or_decimal_units() {
        for (text, bytes) in [("1", 1), ("10B", 10), ("1KiB", 1024), ("10MiB", 10 << 20), ("1 MB", 1_000_000)]
        {
            assert_eq!(parse_bytes(text), Ok(bytes), "{text}");
        }
        assert!(parse_bytes("0").is_err());
    }

    #[test]
    fn rates_are_positive_and_finite_or_unlimited() {
        assert_eq!(parse_rate("200/s"), Ok(Rate::PerSecond(200.0)));
        assert_eq!(parse_rate("30/min"), Ok(Rate::PerSecond(0.5)));
        assert_eq!(parse_rate("90/15min"), Ok(Rate::PerSecond(0.1)));
        assert_eq!(parse_rate("unlimited"), Ok(Rate::Unlimited));
        for text in [
            "0/s",
            "-1/s",
            "200",
            "200/fortnight",
            "NaN/s",
            "inf/s",
            "2e6/s",
            "1/0s",
            "1/-5s",
            "1/1.5h",
            "1/9999999s",
        ] {
            assert!(parse_rate(text).is_err(), "{text}");
        }
    }

    #[test]
    fn shares_are_percentages() {
        assert_eq!(parse_share("5%"), Ok(0.05));
        for text in ["5", "101%", "-1%", "%"] {
            assert!(parse_share(text).is_err(), "{text}");
        }
    }
}
