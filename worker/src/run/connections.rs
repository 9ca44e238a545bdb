//! The connections of a run, and how long one may rest before it is used again.
//!
//! A server closes a connection that nothing is asked on, and a request that crosses that is lost: whether it was processed, nobody
//! knows. What must not be repeated therefore uses only connections that have just been used, and each host is believed when it says
//! how long it waits (`Keep-Alive: timeout=N`).

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{OnceLock, PoisonError, RwLock};
use std::time::Duration;

use http::HeaderMap;
use job::{ErrorName, Job, StepError};
use reqwest::{Client, Response};
use url::Url;

use net::guard::Guard;

/// A connection that is not made in this time, or in three quarters of the job's timeout, never will be: as nothing was sent,
/// any request may be sent again.
const CONNECT: Duration = Duration::from_secs(10);
/// Of common servers gunicorn has the least patience, two seconds; half of it is left for the way there.
const BRIEF: Duration = Duration::from_secs(1);
/// What is left of a server's own patience when a request is sent.
const MARGIN: Duration = Duration::from_secs(1);
/// Lines of a response's head. It is read into 32 bytes a line: this is the most that the allocator has at hand.
const HEAD_LINES: usize = 1000;
/// Bytes of the head of an HTTP/2 response; of HTTP/1 the client takes 400 KiB.
const HEAD_BYTES: u32 = 512 << 10;
/// Hosts remembered.
const MOST: usize = 10_000;

/// How long a host's connection may rest before it is used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rest {
    /// It is used once.
    Never,
    /// [`BRIEF`].
    Brief,
    /// As long as the job's requests allow.
    Long,
}

/// The HTTP clients of a run, one for each [`Rest`].
pub(crate) struct Connections {
    usual: Rest,
    long: Duration,
    /// One of each, made when it is first needed: it reads the system's certificates.
    clients: [OnceLock<Client>; 3],
    make: Box<dyn Fn(Duration) -> Result<Client, reqwest::Error> + Send + Sync>,
    /// Hosts whose connections rest for a shorter time than usual.
    hosts: RwLock<HashMap<String, Rest>>,
    /// There are any.
    some: AtomicBool,
}

impl Connections {
    pub(crate) fn new(job: &Job, guard: &Guard) -> Result<Self, StepError> {
        let (guard, connect) = (guard.clone(), CONNECT.min(job.request.timeout * 3 / 4));
        let make = move |rest: Duration| {
            // Retries and redirects are ours, since each counts against the limit.
            let client = Client::builder()
                .user_agent(crate::USER_AGENT)
                .no_proxy()
                .no_gzip()
                .no_brotli()
                .redirect(reqwest::redirect::Policy::none())
                .retry(reqwest::retry::never())
                .pool_idle_timeout(rest)
                .connect_timeout(connect)
                .dns_resolver(guard.clone())
                // Heads are read as curl and browsers do.
                .http1_max_headers(HEAD_LINES)
                .http1_allow_spaces_after_header_name_in_responses(true)
                .http1_allow_obsolete_multiline_headers_in_responses(true)
                .http1_ignore_invalid_headers_in_responses(true)
                .http2_max_header_list_size(HEAD_BYTES);
            if rest.is_zero() { client.pool_max_idle_per_host(0).build() } else { client.build() }
        };
        let connections = Self {
            usual: if job.repeatable() { Rest::Long } else { Rest::Brief },
            // Of thousands of hosts with a few requests each, no socket is held for long.
            long: Duration::from_secs(if job.request.fixed_host.is_some() { 30 } else { 5 }),
            clients: Default::default(),
            make: Box::new(make),
            hosts: RwLock::default(),
            some: AtomicBool::new(false),
        };
        let client = (connections.make)(connections.time(connections.usual));
        let client = client
            .map_err(|error| StepError::new(ErrorName::JobInvalid, format!("no HTTP client: {error}")))?;
        let _ = connections.clients[connections.usual as usize].set(client);
        Ok(connections)
    }

    /// The client for a request to this URL.
    pub(crate) fn client(&self, url: &Url) -> &Client {
        let rest = if self.some.load(Ordering::Relaxed) { self.rest(url) } else { self.usual };
        // The first client was made in the same way, and that worked.
        self.clients[rest as usize]
            .get_or_init(|| (self.make)(self.time(rest)).expect("another client like the first"))
    }

    /// Takes note of what a host says about its connections.
    pub(crate) fn learn(&self, url: &Url, response: &Response) {
        let Some(patience) = patience(response.headers()) else { return };
        let left = patience.saturating_sub(MARGIN);
        let rest = if left >= self.time(self.usual) {
            return;
        } else if left >= BRIEF {
            Rest::Brief
        } else {
            Rest::Never
        };
        self.shorten(url, rest);
    }

    /// A host has sent what is no response: perhaps the end of an earlier one. Its connections are used once from now on.
    pub(crate) fn distrust(&self, url: &Url) {
        self.shorten(url, Rest::Never);
    }

    fn rest(&self, url: &Url) -> Rest {
        let hosts = self.hosts.read().unwrap_or_else(PoisonError::into_inner);
        hosts.get(url.authority()).copied().unwrap_or(self.usual)
    }

    fn shorten(&self, url: &Url, rest: Rest) {
        if rest >= self.rest(url) {
            return;
        }
        let mut hosts = self.hosts.write().unwrap_or_else(PoisonError::into_inner);
        if hosts.len() < MOST || hosts.contains_key(url.authority()) {
            hosts.insert(url.authority().to_owned(), rest);
            self.some.store(true, Ordering::Relaxed);
        }
    }

    fn time(&self, rest: Rest) -> Duration {
        match rest {
            Rest::Never => Duration::ZERO,
            Rest::Brief => BRIEF,
            Rest::Long => self.long,
        }
    }
}

/// `timeout` of the header `Keep-Alive`: how long the server leaves an idle connection open.
fn patience(headers: &HeaderMap) -> Option<Duration> {
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
    fn patience_of_servers() {
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
            assert_eq!(patience(&headers).map(|patience| patience.as_secs()), seconds, "{value}");
        }
    }
}
