//! What all runs of a server together may send to a provider.

use std::collections::BTreeMap;

use job::file::{Limit, LimitRules, Limits, Provider, Rate, parse_rate};
use serve::Ceiling;
use worker::Providers;

/// Reads `[limits]` of the settings.
pub(super) fn read(ceilings: &BTreeMap<String, Ceiling>) -> Result<Providers, String> {
    let mut providers = Vec::with_capacity(ceilings.len());
    for (name, Ceiling { rate, in_flight }) in ceilings {
        let wrong = |why: String| format!("[limits.{name:?}]: {why}");
        if rate.is_none() && in_flight.is_none() {
            return Err(wrong("write a rate = \"200/s\", or in_flight".to_owned()));
        }
        if *in_flight == Some(0) {
            return Err(wrong("in_flight must be at least 1".to_owned()));
        }
        let rate = rate.as_deref().map_or(Ok(Rate::Unlimited), parse_rate).map_err(wrong)?;
        // Without a number, the runs have what each of them has.
        let limit = Limit::new(rate, Some(in_flight.unwrap_or(u32::MAX)));
        providers.push(Provider { name: name.to_lowercase(), limit, rules: LimitRules::default() });
    }
    Ok(Providers::with_ceilings(Limits {
        by: None,
        max_requests: None,
        max_cost: None,
        providers,
        default: Limit::new(Rate::Unlimited, None),
        default_rules: LimitRules::default(),
    }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_ceiling_is_found_as_the_limit_of_a_job_is_and_a_wrong_one_is_named() {
        let ceiling = |rate: Option<&str>, in_flight| Ceiling { rate: rate.map(str::to_owned), in_flight };
        let all = [("*.a.example".to_owned(), ceiling(Some("60/min"), None))];
        let providers = read(&all.into()).unwrap();
        let (name, limit) = providers.ceiling("x.a.example:8080").unwrap();
        assert_eq!((name, limit.rate), ("*.a.example", Rate::PerSecond(1.0)));
        assert!(providers.ceiling("b.example").is_none());
        for (wrong, said) in [
            (ceiling(None, None), "write a rate"),
            (ceiling(Some("fast"), None), "fast"),
            (ceiling(None, Some(0)), "in_flight"),
        ] {
            let error = read(&[("a.example".to_owned(), wrong)].into()).err().unwrap();
            assert!(error.starts_with("[limits.\"a.example\"]") && error.contains(said), "{error}");
        }
    }
}
