//! A server of HTTP with limits, which ends when it is told to. With TLS it also speaks HTTP/2.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::header::HOST;
use axum::http::{HeaderValue, Request};
use axum::middleware::map_request;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::tls::Tls;

/// How long the head of a request may take, counted from the connection or from the previous response.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// The number of connections at a time. Further ones wait until they are accepted.
const MAX_CONNECTIONS: usize = 4096;
/// How long requests may take after the server was told to stop.
const GRACE: Duration = Duration::from_secs(10);

/// Listens at an address.
///
/// # Errors
/// When the address is taken or not of this machine. The message names it.
pub async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address).await;
    listener.map_err(|error| io::Error::new(error.kind(), format!("{address}: {error}")))
}

/// Serves a router until `stop` is cancelled. Requests that are under way then have some seconds to end.
pub async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) {
    serve_with(listener, router, None, stop).await;
}

/// [`serve`], with TLS if there is a certificate.
pub async fn serve_with(
    listener: TcpListener,
    router: Router,
    tls: Option<Arc<Tls>>,
    stop: CancellationToken,
) {
    let router = match &tls {
        Some(_) => router.layer(map_request(name_host)),
        None => router,
    };
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    let accepting = accept(&listener, &router, tls.as_ref(), &room, &mut connections, &stop);
    tokio::select! {
        () = accepting => {}
        () = stop.cancelled() => {}
    }
    drop(listener);
    let ended = async { while connections.join_next().await.is_some() {} };
    // What is left is aborted with the set.
    let _ = tokio::time::timeout(GRACE, ended).await;
}

async fn accept(
    listener: &TcpListener,
    router: &Router,
    tls: Option<&Arc<Tls>>,
    room: &Arc<Semaphore>,
    connections: &mut JoinSet<()>,
    stop: &CancellationToken,
) {
    loop {
        let permit = room.clone().acquire_owned().await;
        // There are too many open files, or the connection was closed before it was accepted.
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        while connections.try_join_next().is_some() {}
        let service = TowerToHyperService::new(router.clone());
        let (tls, stop) = (tls.cloned(), stop.clone());
        connections.spawn(async move {
            let _permit = permit;
            let ended = match tls {
                None => plain(stream, service, &stop).await.map_err(|error| error.to_string()),
                Some(tls) => encrypted(stream, service, &tls, &stop).await.map_err(|error| error.to_string()),
            };
            if let Err(error) = ended {
                tracing::debug!(error, "a connection failed");
            }
        });
    }
}

/// HTTP/2 names the host in the request line only.
async fn name_host<B>(mut request: Request<B>) -> Request<B> {
    if !request.headers().contains_key(HOST)
        && let Some(Ok(host)) = request.uri().authority().map(|host| HeaderValue::from_str(host.as_str()))
    {
        request.headers_mut().insert(HOST, host);
    }
    request
}

async fn plain(
    stream: TcpStream,
    service: TowerToHyperService<Router>,
    stop: &CancellationToken,
) -> hyper::Result<()> {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    }
}

async fn encrypted(
    stream: TcpStream,
    service: TowerToHyperService<Router>,
    tls: &Tls,
    stop: &CancellationToken,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let accepted = TlsAcceptor::from(tls.config()).accept(stream);
    let stream = tokio::select! {
        stream = tokio::time::timeout(HEAD_TIMEOUT, accepted) => stream??,
        () = stop.cancelled() => return Ok(()),
    };
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(HEAD_TIMEOUT)
        .keep_alive_timeout(HEAD_TIMEOUT);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    }
}
