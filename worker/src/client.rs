//! The HTTP client: HTTP/1 and HTTP/2 over TCP and TLS, with connections that are used again.
//!
//! Read [`hosts`] for which connection a request gets.

mod connection;
mod connector;
mod hosts;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use net::guard::Guard;

use self::connection::Watch;
use self::connector::Connector;
pub(crate) use self::hosts::{Host, Idle};
use self::hosts::{Hosts, Turn};
use crate::sockets::Sockets;
pub(crate) use legacy::Error;

/// Lines of a response's head. Reading takes 32 bytes a line, and clears them: this is the most that the allocator
/// has at hand, and 3% of the CPU time of a run whose API responds at once.
const HEAD_LINES: usize = 1000;
/// Bytes of the head of an HTTP/2 response; for HTTP/1 the client's own limit is 400 KiB.
const HEAD_BYTES: u32 = 512 << 10;

/// Sends requests. Redirects and retries are left to the caller.
pub(crate) struct Client {
    client: legacy::Client<Connector, Full<Bytes>>,
    idle: Idle,
}

impl Client {
    /// A client that uses a connection again if it was idle for at most this time, and never if it is zero.
    fn new(connector: &Connector, idle: Idle, time: Duration) -> Self {
        let mut builder = legacy::Client::builder(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(time)
            // Heads are read as curl and browsers do.
            .http1_max_headers(HEAD_LINES)
            .http1_allow_spaces_after_header_name_in_responses(true)
            .http1_allow_obsolete_multiline_headers_in_responses(true)
            .http1_ignore_invalid_headers_in_responses(true)
            .http2_max_header_list_size(HEAD_BYTES);
        if idle == Idle::Never {
            builder.pool_max_idle_per_host(0);
        }
        Self { client: builder.build(connector.clone()), idle }
    }
}

/// All clients of a run.
pub(crate) struct Clients {
    hosts: Arc<Hosts>,
    connector: Connector,
    /// How long connections may be idle, by [`Idle`].
    times: [Duration; 3],
    usual: Idle,
}

impl Clients {
    /// Clients whose connections may be idle for `times`, by [`Idle`], and for `usual` unless a host needs
    /// less.
    pub(crate) fn new(
        guard: &Guard,
        sockets: &Arc<Sockets>,
        connect_timeout: Duration,
        times: [Duration; 3],
        usual: Idle,
    ) -> Result<Self, rustls::Error> {
        let hosts = Arc::new(Hosts::new(times[usual as usize]));
        let connector = Connector::new(guard, sockets, connect_timeout, &hosts)?;
        Ok(Self { hosts, connector, times, usual })
    }

    /// What is known about a host, which is given as in a URL: with its scheme, and with its port unless that
    /// is the scheme's own.
    pub(crate) fn host(&self, name: &str) -> Arc<Host> {
        self.hosts.get(name)
    }

    /// Sends a request and waits for the head of its response.
    pub(crate) async fn send(
        &self,
        host: &Arc<Host>,
        request: Request<Full<Bytes>>,
    ) -> Result<Response, Error> {
        let lease = self.lease(host);
        let (mut head, body) = lease.client.client.request(request).await?.into_parts();
        let watch = head.extensions.remove();
        let response = Response { status: head.status, headers: head.headers, body, watch, _lease: lease };
        response.note_end();
        Ok(response)
    }

    fn lease(&self, host: &Arc<Host>) -> Lease {
        let idle = host.idle().min(self.usual);
        let new = |idle: Idle| Arc::new(Client::new(&self.connector, idle, self.times[idle as usize]));
        let shared = |idle: Idle| Lease { client: self.hosts.shared(idle, || new(idle)), owner: None };
        match host.take(self.times[idle as usize]) {
            Turn::Once => shared(Idle::Never),
            Turn::Shared => shared(idle),
            Turn::Own(client) => {
                Lease { client: client.unwrap_or_else(|| new(idle)), owner: Some(host.clone()) }
            }
        }
    }
}

/// A client, while a request and its response need it.
struct Lease {
    client: Arc<Client>,
    /// The host for which it is kept, unless it is shared.
    owner: Option<Arc<Host>>,
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(host) = &self.owner {
            host.give_back(self.client.clone(), self.client.idle);
        }
    }
}

/// A response whose body is still to be read.
pub(crate) struct Response {
    status: StatusCode,
    headers: HeaderMap,
    body: Incoming,
    watch: Option<Arc<Watch>>,
    _lease: Lease,
}

impl Response {
    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    pub(crate) fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The length of what is left of the body, if the response says it.
    pub(crate) fn content_length(&self) -> Option<u64> {
        self.body.size_hint().exact()
    }

    /// The next bytes of the body.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>, hyper::Error> {
        while let Some(frame) = self.body.frame().await {
            let frame = frame?;
            self.note_end();
            if let Ok(data) = frame.into_data() {
                return Ok(Some(data));
            }
        }
        self.note_end();
        Ok(None)
    }

    fn note_end(&self) {
        if let Some(watch) = &self.watch
            && self.body.is_end_stream()
        {
            watch.responded();
        }
    }
}
