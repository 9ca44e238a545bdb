//! A connection from its handshake on: how requests are handed to it.

use std::future::Future;
use std::sync::{Arc, Weak};

use bytes::Bytes;
use http::header::{HOST, HeaderValue};
use http::uri::{PathAndQuery, Scheme};
use http::{Request, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1, http2};
use hyper_util::client::legacy::connect::{Connected, Connection as _};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tower_service::Service;

use super::connection::Watch;
use super::connector::{Connector, Stream};
use super::error::Error;
use super::hosts::Host;

/// Lines of a response's head. Reading takes 32 bytes a line, and clears them: this is the most that the allocator
/// has at hand, and 3% of the CPU time of a run whose API responds at once.
const HEAD_LINES: usize = 1000;
/// Bytes of the head of an HTTP/2 response; for HTTP/1 the client's own limit is 400 KiB.
const HEAD_BYTES: u32 = 512 << 10;

type Body = Full<Bytes>;
type Sent = Result<http::Response<Incoming>, TrySendError<Request<Body>>>;

/// A handle of a connection that all requests share.
pub(super) type Http2 = http2::SendRequest<Body>;

/// A connection that serves one request at a time.
pub(super) struct Http1 {
    sender: http1::SendRequest<Body>,
    pub(super) watch: Option<Arc<Watch>>,
    is_proxied: bool,
}

/// A new connection.
pub(super) enum Opened {
    Http1(Http1),
    Http2(Http2),
}

/// Makes a connection for requests to this URI. `host` is told when one that requests share has ended.
pub(super) async fn open(connector: &Connector, host: &Arc<Host>, to: &Uri) -> Result<Opened, Error> {
    let mut server = to.clone().into_parts();
    server.path_and_query = Some(PathAndQuery::from_static("/"));
    let server = Uri::from_parts(server).map_err(|error| Error::Connect(error.into()))?;
    let stream = connector.clone().call(server).await.map_err(Error::Connect)?;
    let connected = stream.inner().connected();
    let opened = if connected.is_negotiated_h2() {
        open_http2(stream, Arc::downgrade(host)).await.map(Opened::Http2)
    } else {
        open_http1(stream, &connected).await.map(Opened::Http1)
    };
    opened.map_err(|error| Error::Connect(error.into()))
}

async fn open_http1(stream: Stream, connected: &Connected) -> hyper::Result<Http1> {
    let watch = stream.inner().watch();
    let (mut sender, connection) = http1::Builder::new()
        // Heads are read as curl and browsers do.
        .max_headers(HEAD_LINES)
        .allow_spaces_after_header_name_in_responses(true)
        .allow_obsolete_multiline_headers_in_responses(true)
        .ignore_invalid_headers_in_responses(true)
        .handshake(stream)
        .await?;
    // The request that is under way gets the connection's error.
    tokio::spawn(async move { _ = connection.await });
    sender.ready().await?;
    Ok(Http1 { sender, watch, is_proxied: connected.is_proxied() })
}

async fn open_http2(stream: Stream, host: Weak<Host>) -> hyper::Result<Http2> {
    let (mut sender, connection) = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .max_header_list_size(HEAD_BYTES)
        .handshake(stream)
        .await?;
    tokio::spawn(async move {
        _ = connection.await;
        if let Some(host) = host.upgrade() {
            host.drop_ended();
        }
    });
    sender.ready().await?;
    Ok(sender)
}

impl Http1 {
    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Waits until the last response has ended for the connection, too. Whether it can be used then.
    pub(super) async fn is_ready(&mut self) -> bool {
        self.sender.ready().await.is_ok()
    }

    /// Sends a request whose URI is absolute.
    pub(super) fn send(&mut self, mut request: Request<Body>) -> impl Future<Output = Sent> + use<> {
        let uri = request.uri();
        if !request.headers().contains_key(HOST)
            && let Some(host) = host_of(uri)
        {
            request.headers_mut().insert(HOST, host);
        }
        if !self.is_proxied {
            let path = request.uri().path_and_query().cloned();
            *request.uri_mut() = path.unwrap_or_else(|| PathAndQuery::from_static("/")).into();
        }
        self.sender.try_send_request(request)
    }
}

/// Hands a request over, and keeps no handle of the connection while it waits: a request that was queued for
/// a connection that has just ended comes back when the last handle is dropped.
pub(super) fn send_shared(mut connection: Http2, request: Request<Body>) -> impl Future<Output = Sent> {
    connection.try_send_request(request)
}

/// The value of the `Host` header: the port is left out where it is the scheme's own.
fn host_of(uri: &Uri) -> Option<HeaderValue> {
    let authority = uri.authority()?;
    let own = match uri.scheme() {
        Some(scheme) if *scheme == Scheme::HTTPS => 443,
        _ => 80,
    };
    let host = match authority.port_u16() {
        Some(port) if port != own => format!("{}:{port}", authority.host()),
        _ => authority.host().to_owned(),
    };
    HeaderValue::from_maybe_shared(Bytes::from(host)).ok()
}
