//! `[limits]`: how many requests each provider gets.

pub(super) mod read;

use std::time::Duration;

use crate::file::template::Template;

/// The limit to which slow responses may raise the default of `in_flight`.
pub const MOST_IN_FLIGHT: u32 = 256;

/// `[limits]`
#[derive(Debug, Clone)]
pub struct Limits {
    /// `by`: the key that a limit counts by; default the host of the rendered URL.
    pub by: Option<Template>,
    /// `max_requests`: the requests that one run may send.
    pub max_requests: Option<u64>,
    /// `max_cost`: what the requests of one run may cost together.
    pub max_cost: Option<u64>,
    /// The named providers, in the file's order.
    pub providers: Vec<Provider>,
    /// `[limits.default]`: the limit of every other host, for each host separately.
    pub default: Limit,
    /// What else `[limits.default]` says.
    pub default_rules: LimitRules,
}

/// A named provider: one limit for all its lines.
#[derive(Debug, Clone)]
pub struct Provider {
    /// Host, `host:port`, `*.domain`, or a value of `by`. Hosts are in lower case.
    pub name: String,
    /// The provider's limit.
    pub limit: Limit,
    /// What else the limit says.
    pub rules: LimitRules,
}

/// What a limit says besides its rate and its requests in flight.
#[derive(Debug, Clone, Default)]
pub struct LimitRules {
    /// Windows whose requests are counted, across runs.
    pub quotas: Vec<Quota>,
    /// `cost`: what a request counts as; default 1.
    pub cost: Option<Template>,
    /// `learn`: the headers of responses say how fast to go.
    pub learn: bool,
}

/// A number of requests in any window of a length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// The most requests.
    pub most: u64,
    /// The length of the window.
    pub window: Duration,
}

/// A rate, and a number of requests in flight.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limit {
    /// The rate of attempts, retries included.
    pub rate: Rate,
    /// The maximum number of requests in flight to the whole provider.
    pub in_flight: u32,
    /// The number to which `in_flight` may grow when responses are slow. It does not grow if the job file
    /// sets it.
    pub most_in_flight: u32,
}

/// Attempts a second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rate {
    /// As many as the requests in flight allow.
    Unlimited,
    /// A number above zero.
    PerSecond(f64),
}

impl Rate {
    /// Attempts a second, if limited.
    pub fn per_second(self) -> Option<f64> {
        match self {
            Self::Unlimited => None,
            Self::PerSecond(rate) => Some(rate),
        }
    }
}

impl Limit {
    /// A limit. The default of `in_flight` is twice the rate per second, from 1 to 100. If there is a rate,
    /// the default may grow to [`MOST_IN_FLIGHT`].
    pub fn new(rate: Rate, in_flight: Option<u32>) -> Self {
        let by_rate = || match rate {
            Rate::Unlimited => 100,
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 1..=100")]
            Rate::PerSecond(rate) => (rate * 2.0).ceil().clamp(1.0, 100.0) as u32,
        };
        let most_in_flight = match (rate, in_flight) {
            (_, Some(said)) => said,
            (Rate::PerSecond(_), None) => MOST_IN_FLIGHT,
            (Rate::Unlimited, None) => by_rate(),
        };
        Self { rate, in_flight: in_flight.unwrap_or_else(by_rate), most_in_flight }
    }

    /// The number of workers at a time: one for each hundred requests in flight, and one below one request a
    /// second.
    pub fn workers(&self) -> u32 {
        match self.rate {
            Rate::PerSecond(rate) if rate < 1.0 => 1,
            _ => self.in_flight.div_ceil(100).max(1),
        }
    }

    /// One worker's share. The sum over all workers is within the limit.
    pub fn share(&self) -> Self {
        let workers = self.workers();
        let rate = match self.rate {
            Rate::Unlimited => Rate::Unlimited,
            Rate::PerSecond(rate) => Rate::PerSecond(rate / f64::from(workers)),
        };
        Self {
            rate,
            in_flight: (self.in_flight / workers).max(1),
            most_in_flight: (self.most_in_flight / workers).max(1),
        }
    }
}

impl Limits {
    /// What each limit says besides its rate.
    pub(super) fn rules(&self) -> impl Iterator<Item = &LimitRules> {
        self.providers.iter().map(|provider| &provider.rules).chain([&self.default_rules])
    }

    /// The named provider that a limit key belongs to. The key is a value of `by`, or the URL's `host`
    /// (`host:port` where the port is not the scheme's default): the exact name wins, then the host without
    /// port, then the longest `*.domain`.
    pub fn provider(&self, key: &str) -> Option<&Provider> {
        let exact = |name: &str| self.providers.iter().find(|provider| provider.name == name);
        if let Some(provider) = exact(key) {
            return Some(provider);
        }
        if self.by.is_some() {
            return None;
        }
        let host = host_of(key);
        let with_default_port =
            || [443, 80].iter().filter(|_| host == key).find_map(|port| exact(&format!("{host}:{port}")));
        exact(host).or_else(with_default_port).or_else(|| {
            let wild = self.providers.iter().filter(|provider| matches_domain(&provider.name, host));
            wild.max_by_key(|provider| provider.name.len())
        })
    }
}

/// The key that a limit counts by where the job has no `by`: the URL's host in lower case, with the port
/// where it is not the scheme's default.
pub fn limit_key(url: &url::Url) -> String {
    let host = url.host_str().unwrap_or_default().trim_end_matches('.');
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// `host` of `host:port`; an IPv6 address keeps its brackets.
pub(super) fn host_of(key: &str) -> &str {
    match key.rsplit_once(':') {
        Some((host, port))
            if !port.is_empty()
                && port.bytes().all(|b| b.is_ascii_digit())
                && (!host.contains(':') || host.ends_with(']')) =>
        {
            host
        }
        _ => key,
    }
}

/// Whether a host is a subdomain of `*.domain`.
pub(super) fn matches_domain(pattern: &str, host: &str) -> bool {
    pattern
        .strip_prefix('*')
        .is_some_and(|domain| domain.starts_with('.') && host.len() > domain.len() && host.ends_with(domain))
}

/// Whether a host (with or without port) is in a list of `host`, `host:port` and `*.domain`.
pub fn host_listed(list: &[String], key: &str) -> bool {
    let host = host_of(key);
    let same = |entry: &str| entry == host || matches_domain(entry, host);
    let default_port = |entry: &str| host == key && matches!(entry.strip_prefix(host), Some(":443" | ":80"));
    list.iter().any(|entry| entry == key || same(entry) || default_port(entry))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(names: &[&str]) -> Limits {
        let limit = Limit::new(Rate::PerSecond(1.0), None);
        Limits {
            by: None,
            max_requests: None,
            max_cost: None,
            providers: names
                .iter()
                .map(|name| Provider { name: (*name).to_owned(), limit, rules: LimitRules::default() })
                .collect(),
            default: limit,
            default_rules: LimitRules::default(),
        }
    }

    #[test]
    fn the_most_specific_provider_wins() {
        let limits = limits(&["*.com", "*.b.com", "a.b.com", "a.b.com:8080", "[::1]"]);
        for (key, name) in [
            ("a.b.com:8080", "a.b.com:8080"),
            ("a.b.com:1", "a.b.com"),
            ("x.b.com", "*.b.com"),
            ("b.com", "*.com"),
            ("[::1]:80", "[::1]"),
        ] {
            assert_eq!(limits.provider(key).map(|provider| provider.name.as_str()), Some(name), "{key}");
        }
        assert!(limits.provider("com").is_none());
        assert_eq!(
            self::tests::limits(&["a.com:443"])
                .provider("a.com")
                .map(|provider| provider.name.clone())
                .as_deref(),
            Some("a.com:443")
        );
        assert!(
            host_listed(&["a.com:443".to_owned()], "a.com")
                && !host_listed(&["a.com:443".to_owned()], "a.com:8443")
        );
    }

    #[test]
    fn workers_together_stay_within_the_limit() {
        let limit = Limit::new(Rate::PerSecond(1000.0), Some(250));
        assert_eq!(limit.workers(), 3);
        assert!(f64::from(limit.workers()) * limit.share().rate.per_second().expect("limited") <= 1000.0);
        assert!(limit.workers() * limit.share().in_flight <= 250);
        assert_eq!(Limit::new(Rate::PerSecond(0.5), Some(300)).workers(), 1);
        assert_eq!(Limit::new(Rate::PerSecond(10.0), None).in_flight, 20);
    }
}
