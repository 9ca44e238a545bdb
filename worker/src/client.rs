//! The HTTP client: HTTP/1 and HTTP/2 over TCP and TLS, with connections that are used again.
//!
//! Read [`hosts`] for which connection a request gets.

mod connection;
mod connector;
mod error;
mod handshake;
mod hosts;
mod proxy;
mod tls;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::client::conn::TrySendError;
use net::guard::Guard;

use self::connection::Watch;
use self::connector::Connector;
pub(crate) use self::error::Error;
use self::handshake::{Http1, Http2, Opened};
pub(crate) use self::hosts::{Host, Idle};
use self::hosts::{Hosts, Turn};
pub(crate) use self::proxy::{Proxies, ProxyError, Route};
pub use self::tls::check_pem;
pub(crate) use self::tls::{JobTls, certificates, private_key};
use crate::sockets::Sockets;

/// All connections of a run. Redirects and retries are left to the caller.
pub(crate) struct Clients {
    hosts: Arc<Hosts>,
    connector: Connector,
    /// How long connections may be idle, by [`Idle`].
    times: [Duration; 3],
    usual: Idle,
}

impl Clients {
    /// Connections that may be idle for `times`, by [`Idle`], and for `usual` unless a host needs less.
    pub(crate) fn new(
        guard: &Guard,
        wire: (JobTls, Option<Route>),
        sockets: &Arc<Sockets>,
        connect_timeout: Duration,
        times: [Duration; 3],
        usual: Idle,
    ) -> Result<Self, rustls::Error> {
        let longest = times[usual as usize];
        let hosts = Arc::new(Hosts::new(longest));
        let connector =
            Connector::new(guard, (tls::config(wire.0)?, wire.1), sockets, connect_timeout, &hosts);
        if usual > Idle::Never {
            tokio::spawn(Hosts::sweep(Arc::downgrade(&hosts), longest));
        }
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
        mut request: Request<Full<Bytes>>,
    ) -> Result<Response, Error> {
        let uri = request.uri().clone();
        loop {
            let mut lease = self.lease(host, &uri).await?;
            let mut error = match lease.send(request).await {
                Ok(response) => return Ok(Response::new(response, lease)),
                Err(error) => error,
            };
            match error.take_message() {
                // The connection ended while it was idle.
                Some(unsent) if lease.is_reused => request = unsent,
                _ => return Err(Error::Lost(error.into_error())),
            }
            *request.uri_mut() = uri.clone();
        }
    }

    /// A connection for a request to this URI.
    async fn lease(&self, host: &Arc<Host>, to: &Uri) -> Result<Lease, Error> {
        let idle = host.idle().min(self.usual);
        let time = self.times[idle as usize];
        let mut turn = host.take(time);
        let mut alone = None;
        if matches!(turn, Turn::Open) {
            alone = Some(host.opening.lock().await);
            // Another request may have made the connection meanwhile.
            turn = host.take(time);
        }
        let mut lease = Lease { connection: None, is_reused: true, idle, owner: None };
        match turn {
            Turn::Shared(shared) => {
                lease.connection = Some(Connection::Shared(shared));
                return Ok(lease);
            }
            Turn::Own(free) => {
                lease.owner = Some(host.clone());
                drop(alone);
                if let Some(mut free) = free
                    && free.is_ready().await
                {
                    lease.connection = Some(Connection::Own(free));
                    return Ok(lease);
                }
            }
            Turn::Open | Turn::Once => {}
        }
        lease.is_reused = false;
        lease.connection = match handshake::open(&self.connector, host, to).await {
            Ok(Opened::Http1(own)) => {
                host.share_nothing();
                Some(Connection::Own(own))
            }
            Ok(Opened::Http2(shared)) => {
                host.share(&shared);
                Some(Connection::Shared(shared))
            }
            Err(error) => {
                host.share_nothing();
                return Err(error);
            }
        };
        Ok(lease)
    }
}

enum Connection {
    Own(Http1),
    Shared(Http2),
}

/// A connection, while a request and its response need it.
struct Lease {
    /// `None` after a request was handed to a shared connection.
    connection: Option<Connection>,
    is_reused: bool,
    idle: Idle,
    /// The host that an own connection goes back to, unless it is used once.
    owner: Option<Arc<Host>>,
}

impl Lease {
    async fn send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<http::Response<Incoming>, TrySendError<Request<Full<Bytes>>>> {
        match self.connection.take() {
            Some(Connection::Shared(shared)) => handshake::send_shared(shared, request).await,
            Some(Connection::Own(mut own)) => {
                let sent = own.send(request);
                self.connection = Some(Connection::Own(own));
                sent.await
            }
            None => unreachable!("a lease has a connection until its request is sent"),
        }
    }

    fn watch(&self) -> Option<Arc<Watch>> {
        match &self.connection {
            Some(Connection::Own(own)) => own.watch.clone(),
            _ => None,
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        match (&self.owner, self.connection.take()) {
            (Some(host), Some(Connection::Own(own))) => host.give_back(own, self.idle),
            (Some(host), _) => host.give_up(),
            (None, _) => {}
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
    fn new(response: http::Response<Incoming>, lease: Lease) -> Self {
        let (head, body) = response.into_parts();
        let watch = lease.watch();
        let response = Self { status: head.status, headers: head.headers, body, watch, _lease: lease };
        response.note_end();
        response
    }

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
