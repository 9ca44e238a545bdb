//! The connections of a run, and how long one may be idle before it is used again.
//!
//! A server closes an idle connection. A request that is sent at that moment is lost, and whether it was
//! processed is unknown. So a request that must not be repeated uses only connections that have just been
//! used, and the idle time that a host announces is respected (`Keep-Alive: timeout=N`).

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{OnceLock, PoisonError, RwLock};
use std::time::Duration;

use http::HeaderMap;
use job::{ErrorName, Job, StepError};
use reqwest::{Client, Response};
use url::Url;

use net::guard::Guard;

/// The connect timeout, or three quarters of the job's timeout if that is shorter. Nothing has been sent by
/// then, so any request may be sent again.
const CONNECT: Duration = Duration::from_secs(10);
/// Half of the shortest keep-alive timeout of common servers, the two seconds of gunicorn. The other half is
/// left for the network.
const BRIEF: Duration = Duration::from_secs(1);
/// How long before the end of a server's keep-alive timeout a connection is left unused.
const MARGIN: Duration = Duration::from_secs(1);
/// The maximum number of lines of a response's head. Reading takes 32 bytes per line; up to this number the
/// allocator has a buffer ready.
const HEAD_LINES: usize = 1000;
/// The maximum number of bytes of the head of an HTTP/2 response; for HTTP/1 the client's own limit is 400
/// KiB.
const HEAD_BYTES: u32 = 512 << 10;
/// The maximum number of remembered hosts.
const MAX_HOSTS: usize = 10_000;

/// How long a host's connection may be idle before it is used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Idle {
    /// A connection is used once.
    Never,
    /// For [`BRIEF`].
    Brief,
    /// As long as the job's requests allow.
    Long,
}

/// The HTTP clients of a run, one for each [`Idle`].
pub(crate) struct Connections {
    usual: Idle,
    long: Duration,
    /// Each is made when it is first needed, since it reads the system's certificates.
    clients: [OnceLock<Client>; 3],
    make: Box<dyn Fn(Duration) -> Result<Client, reqwest::Error> + Send + Sync>,
    /// Hosts whose connections may be idle for a shorter time than usual.
    hosts: RwLock<HashMap<String, Idle>>,
    /// Whether `hosts` has any.
    has_hosts: AtomicBool,
}

impl Connections {
    pub(crate) fn new(job: &Job, guard: &Guard) -> Result<Self, StepError> {
        let (guard, connect) = (guard.clone(), CONNECT.min(job.request.timeout * 3 / 4));
        let make = move |idle: Duration| {
            // The worker itself makes retries and redirects, because each counts against the limit.
            let client = Client::builder()
                .user_agent(crate::USER_AGENT)
                .no_proxy()
                .no_gzip()
                .no_brotli()
                .redirect(reqwest::redirect::Policy::none())
                .retry(reqwest::retry::never())
                .pool_idle_timeout(idle)
                .connect_timeout(connect)
                .dns_resolver(guard.clone())
                // Heads are read as curl and browsers do.
                .http1_max_headers(HEAD_LINES)
                .http1_allow_spaces_after_header_name_in_responses(true)
                .http1_allow_obsolete_multiline_headers_in_responses(true)
                .http1_ignore_invalid_headers_in_responses(true)
                .http2_max_header_list_size(HEAD_BYTES);
            if idle.is_zero() { client.pool_max_idle_per_host(0).build() } else { client.build() }
        };
        let connections = Self {
            usual: if job.repeatable() { Idle::Long } else { Idle::Brief },
            // With thousands of hosts and a few requests each, sockets must not be held for long.
            long: Duration::from_secs(if job.request.fixed_host.is_some() { 30 } else { 5 }),
            clients: Default::default(),
            make: Box::new(make),
            hosts: RwLock::default(),
            has_hosts: AtomicBool::new(false),
        };
        let client = (connections.make)(connections.time(connections.usual));
        let client = client
            .map_err(|error| StepError::new(ErrorName::JobInvalid, format!("no HTTP client: {error}")))?;
        let _ = connections.clients[connections.usual as usize].set(client);
        Ok(connections)
    }

    /// The client for a request to this URL.
    pub(crate) fn client(&self, url: &Url) -> &Client {
        let idle = if self.has_hosts.load(Ordering::Relaxed) { self.idle(url) } else { self.usual };
        // The first client was made in the same way, and that worked.
        self.clients[idle as usize]
            .get_or_init(|| (self.make)(self.time(idle)).expect("another client like the first"))
    }

    /// Learns from a response how long its host leaves connections open.
    pub(crate) fn learn(&self, url: &Url, response: &Response) {
        let Some(keep_alive_timeout) = keep_alive_timeout(response.headers()) else { return };
        let left = keep_alive_timeout.saturating_sub(MARGIN);
        let idle = if left >= self.time(self.usual) {
            return;
        } else if left >= BRIEF {
            Idle::Brief
        } else {
            Idle::Never
        };
        self.shorten(url, idle);
    }

    /// A host has sent something that is not a response, perhaps the end of an earlier one. From now on each
    /// of its connections is used once.
    pub(crate) fn distrust(&self, url: &Url) {
        self.shorten(url, Idle::Never);
    }

    fn idle(&self, url: &Url) -> Idle {
        let hosts = self.hosts.read().unwrap_or_else(PoisonError::into_inner);
        hosts.get(url.authority()).copied().unwrap_or(self.usual)
    }

    fn shorten(&self, url: &Url, idle: Idle) {
        if idle >= self.idle(url) {
            return;
        }
        let mut hosts = self.hosts.write().unwrap_or_else(PoisonError::into_inner);
        if hosts.len() < MAX_HOSTS || hosts.contains_key(url.authority()) {
            hosts.insert(url.authority().to_owned(), idle);
            self.has_hosts.store(true, Ordering::Relaxed);
        }
    }

    fn time(&self, idle: Idle) -> Duration {
        match idle {
            Idle::Never => Duration::ZERO,
            Idle::Brief => BRIEF,
            Idle::Long => self.long,
        }
    }
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
