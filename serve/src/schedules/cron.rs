//! Cron expressions (EventBridge Scheduler User Guide, "Schedule types"): six fields, one of the two fields of days is
//! `?`.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Timestamp, ToSpan};

/// The last year of an expression.
const LAST_YEAR: i16 = 2199;
const FIRST_YEAR: i16 = 1970;
const MONTHS: [&str; 12] =
    ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const DAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// A cron expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cron {
    minutes: Vec<i8>,
    hours: Vec<i8>,
    days: Days,
    /// Whether each month is in it, from January on.
    months: [bool; 12],
    years: Vec<(i16, i16, i16)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Days {
    OfMonth(Vec<DayOfMonth>),
    OfWeek(Vec<DayOfWeek>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DayOfMonth {
    Day(i8),
    Last,
    /// The weekday nearest to a day, in the same month.
    Weekday(i8),
}

/// Days of the week count from 1, which is Sunday.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DayOfWeek {
    Day(i8),
    /// The last one of the month.
    Last(i8),
    /// The first one of the month, the second, and so on.
    Nth(i8, i8),
}

impl Cron {
    /// Reads the six fields: minutes, hours, day of the month, month, day of the week, year.
    ///
    /// # Errors
    /// In words, what is wrong.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minutes, hours, of_month, months, of_week, years] = fields[..] else {
            return Err(format!(
                "it has {} fields and not six: minute, hour, day of the month, month, day of the week, year",
                fields.len()
            ));
        };
        let days = match (of_month, of_week) {
            ("?", "?") => return Err("one of the two fields of days must be a day, and not ?".into()),
            ("?", of_week) => Days::OfWeek(days_of_week(of_week)?),
            (of_month, "?") => Days::OfMonth(days_of_month(of_month)?),
            _ => return Err("one of the day of the month and the day of the week must be ?".into()),
        };
        let small = |numbers: Vec<i16>| numbers.into_iter().filter_map(|n| i8::try_from(n).ok()).collect();
        let mut in_months = [false; 12];
        for month in
            (Field { name: "month", least: 1, most: 12, names: &MONTHS, wraps: true }).numbers(months)?
        {
            in_months[usize::try_from(month - 1).unwrap_or_default()] = true;
        }
        Ok(Self {
            minutes: small(
                Field { name: "minute", least: 0, most: 59, names: &[], wraps: true }.numbers(minutes)?,
            ),
            hours: small(Field { name: "hour", least: 0, most: 23, names: &[], wraps: true }.numbers(hours)?),
            days,
            months: in_months,
            years: Field { name: "year", least: FIRST_YEAR, most: LAST_YEAR, names: &[], wraps: false }
                .ranges(years)?,
        })
    }

    /// The first moment after this one. A time that the clocks skip is skipped, and a time that they show twice counts
    /// once, the first time.
    pub(crate) fn next(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let local = zone.to_datetime(after);
        // In the hour that the clocks show twice, a later moment may have an earlier time.
        let from = local.checked_sub(3.hours()).ok()?;
        let mut date = local.date();
        while date.year() <= LAST_YEAR {
            if !self.has_year(date.year()) {
                date = Date::new(date.year().checked_add(1)?, 1, 1).ok()?;
                continue;
            }
            if !self.months[usize::try_from(date.month() - 1).unwrap_or_default()] {
                date = date.last_of_month().tomorrow().ok()?;
                continue;
            }
            if self.has_day(date)
                && let Some(found) = self.on(date, from, zone).find(|moment| *moment > after)
            {
                return Some(found);
            }
            date = date.tomorrow().ok()?;
        }
        None
    }

    /// The moments of a day from a time on.
    fn on(&self, date: Date, from: DateTime, zone: &TimeZone) -> impl Iterator<Item = Timestamp> {
        let times = self.hours.iter().flat_map(|hour| self.minutes.iter().map(|minute| (*hour, *minute)));
        let times = times.filter_map(move |(hour, minute)| {
            Some(DateTime::from_parts(date, Time::new(hour, minute, 0, 0).ok()?))
        });
        times.filter(move |time| *time >= from).filter_map(|time| moment(time, zone))
    }

    fn has_year(&self, year: i16) -> bool {
        self.years.iter().any(|(from, to, step)| (*from..=*to).contains(&year) && (year - from) % step == 0)
    }

    fn has_day(&self, date: Date) -> bool {
        let last = date.days_in_month();
        match &self.days {
            Days::OfMonth(days) => days.iter().any(|day| match day {
                DayOfMonth::Day(day) => date.day() == *day,
                DayOfMonth::Last => date.day() == last,
                DayOfMonth::Weekday(day) => *day <= last && nearest_weekday(date, *day) == Some(date),
            }),
            Days::OfWeek(days) => {
                let weekday = date.weekday().to_sunday_one_offset();
                days.iter().any(|day| match day {
                    DayOfWeek::Day(day) => weekday == *day,
                    DayOfWeek::Last(day) => weekday == *day && date.day() + 7 > last,
                    DayOfWeek::Nth(day, nth) => weekday == *day && (date.day() - 1) / 7 + 1 == *nth,
                })
            }
        }
    }
}

/// The moment at which the clocks of a zone first show a time, unless they skip it.
pub(super) fn moment(time: DateTime, zone: &TimeZone) -> Option<Timestamp> {
    match zone.to_ambiguous_timestamp(time).offset() {
        AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(time).ok(),
        AmbiguousOffset::Fold { before, .. } => before.to_timestamp(time).ok(),
        AmbiguousOffset::Gap { .. } => None,
    }
}

fn nearest_weekday(month: Date, day: i8) -> Option<Date> {
    let date = Date::new(month.year(), month.month(), day).ok()?;
    let shifted = match date.weekday().to_sunday_one_offset() {
        7 if day == 1 => 3,
        7 => day - 1,
        1 if day == date.days_in_month() => day - 2,
        1 => day + 1,
        _ => day,
    };
    Date::new(month.year(), month.month(), shifted).ok()
}

fn days_of_month(text: &str) -> Result<Vec<DayOfMonth>, String> {
    let field = Field { name: "day of the month", least: 1, most: 31, names: &[], wraps: false };
    let mut days = Vec::new();
    for part in text.split(',') {
        let upper = part.to_ascii_uppercase();
        if upper == "L" {
            days.push(DayOfMonth::Last);
        } else if let Some(day) = upper.strip_suffix('W') {
            days.push(DayOfMonth::Weekday(small(field.number(day)?)));
        } else {
            days.extend(field.numbers(part)?.into_iter().map(|day| DayOfMonth::Day(small(day))));
        }
    }
    Ok(days)
}

fn days_of_week(text: &str) -> Result<Vec<DayOfWeek>, String> {
    let field = Field { name: "day of the week", least: 1, most: 7, names: &DAYS, wraps: true };
    if let Some((day, nth)) = text.split_once('#') {
        let nth = nth.parse().ok().filter(|nth| (1..=5).contains(nth));
        let nth = nth.ok_or_else(|| format!("{text:?}: after # comes 1 to 5, and no second expression"))?;
        return Ok(vec![DayOfWeek::Nth(small(field.number(day)?), nth)]);
    }
    let mut days = Vec::new();
    for part in text.split(',') {
        let upper = part.to_ascii_uppercase();
        match upper.strip_suffix('L') {
            Some("") => days.push(DayOfWeek::Day(7)),
            Some(day) => days.push(DayOfWeek::Last(small(field.number(day)?))),
            None => days.extend(field.numbers(part)?.into_iter().map(|day| DayOfWeek::Day(small(day)))),
        }
    }
    Ok(days)
}

/// The numbers of a field of days are small.
fn small(number: i16) -> i8 {
    i8::try_from(number).unwrap_or(i8::MAX)
}

/// A field of numbers.
struct Field {
    name: &'static str,
    least: i16,
    most: i16,
    names: &'static [&'static str],
    /// Whether a range may go over the end, as 20-2 for hours.
    wraps: bool,
}

impl Field {
    fn numbers(&self, text: &str) -> Result<Vec<i16>, String> {
        let mut numbers = Vec::new();
        for (from, to, step) in self.ranges(text)? {
            let length = self.most - self.least + 1;
            let to = if to < from { to + length } else { to };
            let step = usize::try_from(step).unwrap_or(1);
            numbers.extend((from..=to).step_by(step).map(|n| if n > self.most { n - length } else { n }));
        }
        numbers.sort_unstable();
        numbers.dedup();
        Ok(numbers)
    }

    /// The ranges of a list, each with its step.
    fn ranges(&self, text: &str) -> Result<Vec<(i16, i16, i16)>, String> {
        text.split(',').map(|part| self.range(part)).collect()
    }

    fn range(&self, part: &str) -> Result<(i16, i16, i16), String> {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => {
                let step = step.parse().ok().filter(|step| *step > 0);
                let step =
                    step.ok_or_else(|| self.wrong(part, "the step after / must be a number from 1"))?;
                (range, Some(step))
            }
            None => (part, None),
        };
        let (from, to) = match range.split_once('-') {
            _ if range == "*" => (self.least, self.most),
            Some((from, to)) => (self.number(from)?, self.number(to)?),
            None => {
                let from = self.number(range)?;
                (from, if step.is_some() { self.most } else { from })
            }
        };
        if to < from && !self.wraps {
            return Err(self.wrong(part, "the range ends before it begins"));
        }
        Ok((from, to, step.unwrap_or(1)))
    }

    fn number(&self, text: &str) -> Result<i16, String> {
        let named = self.names.iter().position(|name| name.eq_ignore_ascii_case(text));
        let named = named.and_then(|at| i16::try_from(at).ok()).map(|at| at + self.least);
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let number = named.or_else(|| text.parse().ok().filter(|_| digits));
        number.filter(|number| (self.least..=self.most).contains(number)).ok_or_else(|| {
            self.wrong(text, &format!("it must be a number from {} to {}", self.least, self.most))
        })
    }

    fn wrong(&self, part: &str, why: &str) -> String {
        format!("the {} {part:?}: {why}", self.name)
    }
}
