//! Reads `[limits]` of a job file.

use std::fmt;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, SeqAccess, Visitor};
use toml::Spanned;

use super::{Limit, LimitRules, Limits, Provider, Quota, Rate};
use crate::file::JobError;
use crate::file::check::{File, positive};
use crate::file::hosts;
use crate::file::syntax::{LimitSyntax, LimitsSyntax};
use crate::file::template::Place;
use crate::file::units::{Window, parse_window};

const DEFAULT_RATE: Rate = Rate::PerSecond(10.0);
/// Windows of this length and longer are counted, and not spread evenly.
const COUNTED: Duration = Duration::from_secs(3600);
/// The most requests of a run that a budget may have.
const MOST_REQUESTS: i64 = 1 << 40;

/// A rate, or a list of rates.
#[derive(Debug, Clone)]
pub(in crate::file) struct RatesSyntax(Vec<String>);

impl File<'_> {
    pub(in crate::file) fn limits(&self, syntax: LimitsSyntax) -> Result<Limits, JobError> {
        let mut limits = Limits {
            by: syntax.by.as_ref().map(|by| self.template(by, Place::Text)).transpose()?,
            max_requests: self.budget("max_requests", syntax.max_requests.as_ref())?,
            max_cost: self.budget("max_cost", syntax.max_cost.as_ref())?,
            providers: Vec::new(),
            default: Limit::new(DEFAULT_RATE, None),
            default_rules: LimitRules::default(),
        };
        let spends = limits.max_cost.is_some();
        for (name, limit) in syntax.limits {
            if name == "default" {
                (limits.default, limits.default_rules) = self.limit(&limit, Some(DEFAULT_RATE), spends)?;
                if !limits.default_rules.quotas.is_empty() {
                    let message = "only a named limit can count the requests of an hour or more: name the host, [limits.\"api.example.com\"]";
                    let span = limit.get_ref().rate.as_ref().map_or(limit.span(), Spanned::span);
                    return Err(self.error(&span, message));
                }
                continue;
            }
            if name.contains("://")
                || (name.contains('*') && (!name.starts_with("*.") || name[1..].contains('*')))
            {
                return Err(self.error(
                    &limit.span(),
                    format!(
                        "{name:?} names no provider: write a host, host:port, *.domain, or a value of `by`"
                    ),
                ));
            }
            let name = if limits.by.is_some() { Ok(name) } else { hosts::host_and_port(&name) };
            let name = name.map_err(|why| self.error(&limit.span(), why))?;
            if limits.providers.iter().any(|other| other.name == name) {
                return Err(self.error(&limit.span(), format!("{name:?} has two limits: leave one out")));
            }
            let (limit, rules) = self.limit(&limit, None, spends)?;
            limits.providers.push(Provider { name, limit, rules });
        }
        if let Some(most) = &syntax.max_cost
            && !limits.rules().any(|rules| rules.cost.is_some())
        {
            let message = "max_cost adds up what requests cost, and no limit says it: write for example cost = \"{{ tokens }}\" below the limit";
            return Err(self.error(&most.span(), message));
        }
        Ok(limits)
    }

    fn budget(&self, key: &str, written: Option<&Spanned<i64>>) -> Result<Option<u64>, JobError> {
        self.optional(written, None, |n| match u64::try_from(*n) {
            Ok(n @ 1..) if n <= MOST_REQUESTS.unsigned_abs() => Ok(Some(n)),
            _ => Err(format!("{key} = {n} must be at least 1")),
        })
    }

    fn limit(
        &self,
        syntax: &Spanned<LimitSyntax>,
        default: Option<Rate>,
        spends: bool,
    ) -> Result<(Limit, LimitRules), JobError> {
        let LimitSyntax { rate, in_flight, cost, learn } = syntax.get_ref();
        let (rate, quotas) = match (rate, default) {
            (Some(rates), _) => self.value(rates, rate_and_quotas)?,
            (None, Some(default)) => (default, Vec::new()),
            (None, None) => {
                return Err(self.error(
                    &syntax.span(),
                    "a rate is missing: write rate = \"10/s\", or rate = \"unlimited\"",
                ));
            }
        };
        let in_flight = in_flight
            .as_ref()
            .map(|written| self.value(written, |n| positive(*n, "in_flight", 10_000)))
            .transpose()?;
        let cost = cost.as_ref().map(|cost| self.template(cost, Place::Text).map(|read| (read, cost)));
        let cost = cost.transpose()?;
        if let Some((_, at)) = cost.as_ref().filter(|(cost, _)| !cost.secrets().is_empty()) {
            return Err(self.error(&at.span(), "a cost cannot name a secret"));
        }
        if let Some((_, at)) =
            cost.as_ref().filter(|_| rate == Rate::Unlimited && quotas.is_empty() && !spends)
        {
            return Err(self.error(&at.span(), "a cost counts against a rate, and the rate is unlimited"));
        }
        let rules = LimitRules { quotas, cost: cost.map(|(cost, _)| cost), learn: *learn };
        Ok((Limit::new(rate, in_flight), rules))
    }
}

/// The rate that requests are spread by, and the windows that are counted: those of an hour or more besides a
/// shorter one.
fn rate_and_quotas(written: &RatesSyntax) -> Result<(Rate, Vec<Quota>), String> {
    let mut windows = Vec::new();
    for text in &written.0 {
        match parse_window(text)? {
            Some(window) => windows.push(window),
            None if written.0.len() > 1 => {
                return Err("\"unlimited\" is not one of several rates: leave it out".to_owned());
            }
            None => return Ok((Rate::Unlimited, Vec::new())),
        }
    }
    windows.sort_by_key(|window| window.length);
    let Some((shortest, longer)) = windows.split_first() else {
        return Err("the list has no rate: write rate = [\"10/s\", \"500/min\"]".to_owned());
    };
    if let Some(pair) = windows.windows(2).find(|pair| pair[0].length == pair[1].length) {
        return Err(format!("two rates have the same window of {:?}: leave one of them out", pair[0].length));
    }
    let (counted, spread): (Vec<&Window>, Vec<&Window>) =
        longer.iter().partition(|window| window.length >= COUNTED);
    let rate = spread.iter().fold(shortest.per_second(), |least, window| least.min(window.per_second()));
    let quotas = counted.into_iter().map(|window| {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count; saturates")]
        let most = window.count as u64;
        if most == 0 {
            return Err(format!("a window of {:?} holds less than one request", window.length));
        }
        Ok(Quota { most, window: window.length })
    });
    Ok((Rate::PerSecond(rate), quotas.collect::<Result<_, _>>()?))
}

impl<'de> Deserialize<'de> for RatesSyntax {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct RatesVisitor;
        impl<'de> Visitor<'de> for RatesVisitor {
            type Value = RatesSyntax;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a rate or a list of rates")
            }
            fn visit_str<E>(self, rate: &str) -> Result<RatesSyntax, E> {
                Ok(RatesSyntax(vec![rate.to_owned()]))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<RatesSyntax, A::Error> {
                let mut rates = Vec::new();
                while let Some(rate) = list.next_element()? {
                    rates.push(rate);
                }
                Ok(RatesSyntax(rates))
            }
        }
        deserializer.deserialize_any(RatesVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(rates: &[&str]) -> Result<(Rate, Vec<Quota>), String> {
        rate_and_quotas(&RatesSyntax(rates.iter().map(|rate| (*rate).to_owned()).collect()))
    }

    #[test]
    fn the_strictest_short_window_spreads_and_long_ones_are_counted() {
        let day = Quota { most: 10_000, window: Duration::from_secs(86_400) };
        let hour = Quota { most: 600, window: Duration::from_secs(3600) };
        assert_eq!(read(&["10/s", "300/min", "10000/d"]), Ok((Rate::PerSecond(5.0), vec![day])));
        assert_eq!(read(&["10000/d", "600/h", "1/s"]), Ok((Rate::PerSecond(1.0), vec![hour, day])));
        assert_eq!(read(&["36/h"]), Ok((Rate::PerSecond(0.01), vec![])));
        assert_eq!(read(&["36/h", "10000/d"]), Ok((Rate::PerSecond(0.01), vec![day])));
        assert_eq!(read(&["90/15min"]), Ok((Rate::PerSecond(0.1), vec![])));
        for (rates, what) in [
            (&[][..], "no rate"),
            (&["1/s", "unlimited"], "not one of several"),
            (&["1/s", "2/s"], "same window"),
            (&["60/min", "1/60s"], "same window"),
            (&["1/s", "0/d"], "never send"),
        ] {
            let error = read(rates).expect_err(what);
            assert!(error.contains(what), "{rates:?}: {error}");
        }
    }
}
