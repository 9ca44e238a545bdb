//! The connections of a run, and how long one may be idle before it is used again.
//!
//! A server closes an idle connection. A request that is sent at that moment is lost, and whether it was
//! processed is unknown. So a request that must not be repeated uses only connections that have just been
//! used, and a host that says how long it waits is believed (`Keep-Alive: timeout=N`).

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::HeaderMap;
use job::{ErrorName, Job, StepError};
use url::{Position, Url};

use net::guard::Guard;

use crate::client::{Client, Connector, Hosts, Idle};

/// The connect timeout, or three quarters of the job's timeout if that is shorter. Nothing has been sent by
/// then, so any request may be sent again.
const CONNECT: Duration = Duration::from_secs(10);
/// Of common servers gunicorn has the shortest keep-alive timeout, two seconds; half of it is left for the
/// network.
const BRIEF: Duration = Duration::from_secs(1);
/// How long before the end of a server's keep-alive timeout a connection is left unused.
const MARGIN: Duration = Duration::from_secs(1);

/// The HTTP clients of a run, one for each [`Idle`].
pub(crate) struct Connections {
    usual: Idle,
    long: Duration,
    clients: [OnceLock<Client>; 3],
    connector: Connector,
    hosts: Arc<Hosts>,
}

impl Connections {
    pub(crate) fn new(job: &Job, guard: &Guard) -> Result<Self, StepError> {
        let hosts = Arc::new(Hosts::default());
        let connector = Connector::new(guard, CONNECT.min(job.request.timeout * 3 / 4), &hosts)
            .map_err(|error| StepError::new(ErrorName::JobInvalid, format!("no HTTP client: {error}")))?;
        Ok(Self {
            usual: if job.repeatable() { Idle::Long } else { Idle::Brief },
            // With thousands of hosts and a few requests each, sockets must not be held for long.
            long: Duration::from_secs(if job.request.fixed_host.is_some() { 30 } else { 5 }),
            clients: Default::default(),
            connector,
            hosts,
        })
    }

    /// The client for a request to this URL.
    pub(crate) fn client(&self, url: &Url) -> &Client {
        let idle = self.hosts.idle(host(url)).min(self.usual);
        self.clients[idle as usize].get_or_init(|| Client::new(&self.connector, self.time(idle)))
    }

    /// Learns from a response how long its host leaves connections open.
    pub(crate) fn learn(&self, url: &Url, headers: &HeaderMap) {
        let Some(keep_alive_timeout) = keep_alive_timeout(headers) else { return };
        let left = keep_alive_timeout.saturating_sub(MARGIN);
        let idle = if left >= self.time(self.usual) {
            return;
        } else if left >= BRIEF {
            Idle::Brief
        } else {
            Idle::Never
        };
        self.hosts.shorten(host(url), idle);
    }

    /// A host has sent something that is not a response, perhaps the end of an earlier one.
    pub(crate) fn distrust(&self, url: &Url) {
        self.hosts.distrust(host(url));
    }

    fn time(&self, idle: Idle) -> Duration {
        match idle {
            Idle::Never => Duration::ZERO,
            Idle::Brief => BRIEF,
            Idle::Long => self.long,
        }
    }
}

/// The host of a URL, with its port unless it is the scheme's own.
fn host(url: &Url) -> &str {
    &url[Position::BeforeHost..Position::AfterPort]
}

/// `timeout` of the header `Keep-Alive`: how long the server leaves an idle connection open.
fn keep_alive_timeout(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get("keep-alive")?.to_str().ok()?;
    let parameters = value.split([',', ';']).filter_map(|parameter| parameter.split_once('='));
    let mut timeouts = parameters.filter(|(name, _)| name.trim().eq_ignore_ascii_case("timeout"));
    let seconds = timeouts.next()?.1.trim().trim_matches('"').parse().ok()?;
    Some(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn keep_alive_timeouts() {
        for (value, seconds) in [
            ("timeout=5", Some(5)),
            ("max=100, Timeout = 15", Some(15)),
            ("timeout=\"3\"; max=7", Some(3)),
            ("max=100", None),
            ("timeout=soon", None),
            ("300", None),
        ] {
            let headers = HeaderMap::from_iter([(
                http::header::HeaderName::from_static("keep-alive"),
                HeaderValue::from_static(value),
            )]);
            assert_eq!(
                keep_alive_timeout(&headers).map(|keep_alive_timeout| keep_alive_timeout.as_secs()),
                seconds,
                "{value}"
            );
        }
    }
}
