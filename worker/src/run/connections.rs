//! The connections of a run, and how long one may be idle before it is used again.
//!
//! A server closes an idle connection. A request that is sent at that moment is lost, and whether it was
//! processed is unknown. So a request that must not be repeated uses only connections that have just been
//! used, and the idle time that a host announces is respected (`Keep-Alive: timeout=N`).

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::Full;
use job::{ErrorName, Job, StepError};
use net::guard::Guard;
use url::{Position, Url};

use crate::client::{self, Clients, Idle, JobTls, Response, Route};
use crate::sockets::Sockets;

/// The connect timeout, or three quarters of the job's timeout if that is shorter. Nothing has been sent by
/// then, so any request may be sent again.
const CONNECT: Duration = Duration::from_secs(10);
/// Half of the shortest keep-alive timeout of common servers, the two seconds of gunicorn. The other half is
/// left for the network.
const BRIEF: Duration = Duration::from_secs(1);
/// How long before the end of a server's keep-alive timeout a connection is left unused.
const MARGIN: Duration = Duration::from_secs(1);

/// The HTTP clients of a run.
pub(crate) struct Connections {
    guard: Guard,
    route: Option<Route>,
    connect_timeout: Duration,
    clients: Clients,
    /// How long a connection may usually be idle.
    usual: Duration,
}

impl Connections {
    pub(crate) fn new(
        job: &Job,
        guard: &Guard,
        (tls, route): (JobTls, Option<Route>),
        sockets: &Arc<Sockets>,
    ) -> Result<Self, StepError> {
        // With thousands of hosts and a few requests each, sockets must not be held for long.
        let long = Duration::from_secs(if job.request.fixed_host.is_some() { 30 } else { 5 });
        let (idle, usual) = if job.repeatable() { (Idle::Long, long) } else { (Idle::Brief, BRIEF) };
        let usual_timeout = CONNECT.min(job.request.timeout * 3 / 4);
        let connect_timeout = job.request.wire.connect_timeout.unwrap_or(usual_timeout);
        let clients = Clients::new(
            guard,
            (tls, route.clone()),
            sockets,
            connect_timeout,
            [Duration::ZERO, BRIEF, long],
            idle,
        )
        .map_err(|error| StepError::new(ErrorName::JobInvalid, format!("no HTTP client: {error}")))?;
        Ok(Self { guard: guard.clone(), route, connect_timeout, clients, usual })
    }

    /// Which addresses the run may reach.
    pub(crate) fn guard(&self) -> &Guard {
        &self.guard
    }

    /// Sends a request and waits for the head of its response.
    pub(crate) async fn send(
        &self,
        url: &Url,
        request: Request<Full<Bytes>>,
    ) -> Result<Response, client::Error> {
        let host = self.clients.host(&name(url));
        let response = self.clients.send(&host, request).await?;
        if let Some(idle) = self.idle(response.headers()) {
            host.shorten(idle);
        }
        Ok(response)
    }

    /// The time that name, TCP and TLS may take.
    pub(crate) fn connect_timeout(&self) -> Duration {
        self.connect_timeout
    }

    /// Whether a proxy could read what is sent to this URL.
    pub(crate) fn is_readable(&self, url: &Url) -> bool {
        let Some(route) = self.route.as_ref().filter(|_| url.scheme() == "http") else { return false };
        route.proxies.address(url.as_str()).is_some()
    }

    /// A host has sent something that is not a response, perhaps the end of an earlier one.
    pub(crate) fn distrust(&self, url: &Url) {
        self.clients.host(&name(url)).distrust();
    }

    /// How long connections may be idle by a response's head, if that is shorter than usual.
    fn idle(&self, headers: &HeaderMap) -> Option<Idle> {
        let left = keep_alive_timeout(headers)?.saturating_sub(MARGIN);
        (left < self.usual).then_some(if left >= BRIEF { Idle::Brief } else { Idle::Never })
    }
}

/// The beginning of a URL up to its port, without `user:password@`.
fn name(url: &Url) -> Cow<'_, str> {
    if url[Position::BeforeUsername..Position::BeforeHost].is_empty() {
        Cow::Borrowed(&url[..Position::AfterPort])
    } else {
        Cow::Owned(
            [&url[..Position::BeforeUsername], &url[Position::BeforeHost..Position::AfterPort]].concat(),
        )
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
