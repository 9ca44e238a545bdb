//! The expressions of schedules (EventBridge Scheduler User Guide, "Schedule types"), and when they are due.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::cron::{Cron, moment};

/// The longest expression, in characters.
const LONGEST: usize = 256;

/// When a schedule is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Expression {
    Cron(Box<Cron>),
    /// Each of these seconds, from the schedule's beginning on.
    Rate(i64),
    /// Once.
    At(DateTime),
}

impl Expression {
    /// Reads `cron(…)`, `rate(…)` or `at(…)`; the six fields of a cron expression may be alone.
    ///
    /// # Errors
    /// In words, what is wrong.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let within =
            |text: &str| Self::within(text).map_err(|why| format!("the schedule {text:?} is wrong: {why}"));
        within(text.trim())
    }

    /// [`Expression::parse`] for one that says its kind.
    pub(crate) fn parse_named(text: &str) -> Result<Self, String> {
        if text.contains('(') {
            Self::parse(text)
        } else {
            Err("write cron(…), rate(…) or at(…)".into())
        }
    }

    fn within(text: &str) -> Result<Self, String> {
        if text.len() > LONGEST {
            return Err(format!("it has more than {LONGEST} characters"));
        }
        let inner = |kind: &str| text.strip_prefix(kind)?.strip_prefix('(')?.strip_suffix(')');
        if let Some(fields) = inner("cron") {
            return Cron::parse(fields).map(|cron| Self::Cron(Box::new(cron)));
        }
        if let Some(rate) = inner("rate") {
            return rate_of(rate).map(Self::Rate);
        }
        if let Some(at) = inner("at") {
            let valid = at.parse::<DateTime>().ok().filter(|_| at.len() == "2026-11-30T06:00:00".len());
            return valid.map(Self::At).ok_or_else(|| "write at(2026-11-30T06:00:00)".into());
        }
        if text.contains('(') {
            return Err("write cron(…), rate(…) or at(…)".into());
        }
        Cron::parse(text).map(|cron| Self::Cron(Box::new(cron)))
    }

    /// The first time after a moment at which it is due. `begins` is when the schedule was made.
    pub(crate) fn next(&self, after: Timestamp, zone: &TimeZone, begins: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Cron(cron) => cron.next(after, zone),
            Self::Rate(_) if after < begins => Some(begins),
            Self::Rate(seconds) => {
                let past = after.duration_since(begins).as_secs();
                let next = (past / seconds + 1).checked_mul(*seconds)?;
                begins.checked_add(SignedDuration::from_secs(next)).ok()
            }
            Self::At(time) => moment(*time, zone).filter(|moment| *moment > after),
        }
    }
}

fn rate_of(text: &str) -> Result<i64, String> {
    let wrong = || "write rate(5 minutes), rate(1 hour) or rate(7 days)".to_owned();
    let (number, unit) = text.trim().split_once(' ').ok_or_else(wrong)?;
    let number: i64 = number.parse().ok().filter(|number| *number > 0).ok_or_else(wrong)?;
    let seconds = match unit.trim() {
        "minute" | "minutes" => 60,
        "hour" | "hours" => 60 * 60,
        "day" | "days" => 24 * 60 * 60,
        _ => return Err(wrong()),
    };
    number.checked_mul(seconds).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// The next local times after one, in a zone.
    fn times(expression: &str, zone: &str, after: &str, number: usize) -> Vec<String> {
        let (expression, zone) = (Expression::parse(expression).unwrap(), TimeZone::get(zone).unwrap());
        let mut at: Timestamp = after.parse().unwrap();
        let begins = at;
        let mut found = Vec::new();
        while found.len() < number
            && let Some(next) = expression.next(at, &zone, begins)
        {
            assert!(next > at, "{expression:?}: {next} is not after {at}");
            at = next;
            found.push(zone.to_datetime(at).strftime("%Y-%m-%dT%H:%M").to_string());
        }
        found
    }

    #[test]
    fn expressions_are_due_as_documented() {
        // A Monday.
        let after = "2026-11-30T07:00:00Z";
        for (expression, expected) in [
            ("0 10 * * ? *", &["2026-11-30T10:00", "2026-12-01T10:00"][..]),
            ("cron(15 12 * * ? *)", &["2026-11-30T12:15", "2026-12-01T12:15"]),
            ("cron(0 18 ? * MON-FRI *)", &["2026-11-30T18:00", "2026-12-01T18:00"]),
            ("cron(0 8 1 * ? *)", &["2026-12-01T08:00", "2027-01-01T08:00"]),
            ("cron(0/15 * * * ? *)", &["2026-11-30T07:15", "2026-11-30T07:30"]),
            ("cron(0/10 * ? * mon-fri *)", &["2026-11-30T07:10", "2026-11-30T07:20"]),
            ("cron(*/20 7 * * ? *)", &["2026-11-30T07:20", "2026-11-30T07:40", "2026-12-01T07:00"]),
            ("cron(0/30 20-2 ? * 2-6 *)", &["2026-11-30T20:00", "2026-11-30T20:30", "2026-11-30T21:00"]),
            ("cron(0 0 L * ? *)", &["2026-12-31T00:00", "2027-01-31T00:00", "2027-02-28T00:00"]),
            ("cron(0 0 ? * L *)", &["2026-12-05T00:00", "2026-12-12T00:00"]),
            ("cron(0 0 ? * 6L *)", &["2026-12-25T00:00", "2027-01-29T00:00"]),
            ("cron(0 0 ? * 3#2 *)", &["2026-12-08T00:00", "2027-01-12T00:00"]),
            ("cron(0 0 ? * 1 *)", &["2026-12-06T00:00"]),
            ("cron(0 0 ? * SAT-MON *)", &["2026-12-05T00:00", "2026-12-06T00:00", "2026-12-07T00:00"]),
            ("cron(0 0 3W * ? *)", &["2026-12-03T00:00", "2027-01-04T00:00", "2027-02-03T00:00"]),
            // The first of August 2026 is a Saturday, and the 31st of January 2027 a Sunday.
            ("cron(0 0 1W 5,8 ? 2027-2028)", &["2027-05-03T00:00", "2027-08-02T00:00", "2028-05-01T00:00"]),
            ("cron(0 0 31W * ? *)", &["2026-12-31T00:00", "2027-01-29T00:00", "2027-03-31T00:00"]),
            ("cron(0 0 29 2 ? *)", &["2028-02-29T00:00", "2032-02-29T00:00"]),
            ("cron(0 0 1 DEC-FEB ? *)", &["2026-12-01T00:00", "2027-01-01T00:00", "2027-02-01T00:00"]),
            ("cron(0 0 1 1 ? 2030/5)", &["2030-01-01T00:00", "2035-01-01T00:00"]),
            ("cron(0 0 1,15 * ? *)", &["2026-12-01T00:00", "2026-12-15T00:00"]),
            ("rate(1 minute)", &["2026-11-30T07:01", "2026-11-30T07:02"]),
            ("rate(5 hours)", &["2026-11-30T12:00", "2026-11-30T17:00"]),
            ("rate(1 days)", &["2026-12-01T07:00", "2026-12-02T07:00"]),
        ] {
            assert_eq!(times(expression, "UTC", after, expected.len()), expected, "{expression}");
        }
        assert_eq!(times("at(2026-12-24T18:00:00)", "UTC", after, 2), ["2026-12-24T18:00"]);
        assert_eq!(times("at(2026-11-30T07:00:00)", "UTC", after, 1), [""; 0]);
        assert_eq!(times("cron(0 0 30 2 ? *)", "UTC", after, 1), [""; 0]);
        assert_eq!(times("cron(0 0 1 1 ? 2020)", "UTC", after, 1), [""; 0]);
    }

    #[test]
    fn a_time_that_the_clocks_skip_is_skipped_and_one_that_they_show_twice_counts_once() {
        let spring = "2026-03-28T12:00:00Z";
        assert_eq!(
            times("cron(30 2 * * ? *)", "Europe/Berlin", spring, 2),
            ["2026-03-30T02:30", "2026-03-31T02:30"]
        );
        let autumn = "2026-10-24T12:00:00Z";
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let expression = Expression::parse("cron(30 * ? * * *)").unwrap();
        let mut at: Timestamp = "2026-10-24T23:45:00Z".parse().unwrap();
        let mut found = Vec::new();
        for _ in 0..3 {
            at = expression.next(at, &zone, at).unwrap();
            found.push(at.to_string());
        }
        // 02:30 is shown at 00:30 and at 01:30 UTC.
        assert_eq!(found, ["2026-10-25T00:30:00Z", "2026-10-25T02:30:00Z", "2026-10-25T03:30:00Z"]);
        assert_eq!(
            times("cron(30 2 * * ? *)", "Europe/Berlin", autumn, 2),
            ["2026-10-25T02:30", "2026-10-26T02:30"]
        );
    }

    /// A time is found from the second before it, and from the time before it, and no other time is.
    #[test]
    fn the_search_finds_the_same_from_every_minute() {
        let zone = TimeZone::get("America/New_York").unwrap();
        for text in ["17 1-3 * * ? *", "0/45 */7 ? * 1,4 *", "59 23 L,1W * ? *", "0 0 ? NOV 1#1 *"] {
            let expression = Expression::parse(text).unwrap();
            let begins: Timestamp = "2026-10-30T00:00:00Z".parse().unwrap();
            let end = begins + SignedDuration::from_hours(24 * 12);
            let mut searched = Vec::new();
            let mut at = begins;
            while let Some(next) = expression.next(at, &zone, begins).filter(|next| *next < end) {
                searched.push(next);
                at = next;
            }
            let mut walked = Vec::new();
            let mut minute = begins + SignedDuration::from_mins(1);
            while minute < end {
                let before = minute - SignedDuration::from_secs(1);
                if expression.next(before, &zone, begins) == Some(minute) {
                    walked.push(minute);
                }
                minute += SignedDuration::from_mins(1);
            }
            assert_eq!(searched, walked, "{text}");
            assert!(!walked.is_empty(), "{text}");
        }
    }

    #[test]
    fn wrong_expressions_are_refused_in_words() {
        for (text, said) in [
            ("0 10 * * ?", "5 fields and not six"),
            ("cron(0 10 * * * *)", "must be ?"),
            ("cron(0 10 ? * ? *)", "must be a day"),
            ("cron(60 10 * * ? *)", "minute \"60\""),
            ("cron(0 24 * * ? *)", "from 0 to 23"),
            ("cron(0 0 32 * ? *)", "day of the month"),
            ("cron(0 0 ? * 0 *)", "from 1 to 7"),
            ("cron(0 0 ? * 3#2,4#1 *)", "no second expression"),
            ("cron(0 0 ? * 3#6 *)", "1 to 5"),
            ("cron(0 0 LW * ? *)", "\"L\""),
            ("cron(0 0 L-3 * ? *)", "\"L\""),
            ("cron(0 0 20-10 * ? *)", "ends before it begins"),
            ("cron(0/0 0 1 * ? *)", "step"),
            ("cron(+5 0 1 * ? *)", "minute"),
            ("cron(0 0 1 1 ? 1969)", "1970"),
            ("rate(0 minutes)", "rate(5 minutes)"),
            ("rate(5 weeks)", "rate(5 minutes)"),
            ("at(tomorrow)", "at(2026"),
            ("every(5 minutes)", "cron(…)"),
        ] {
            let error = Expression::parse(text).unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}
