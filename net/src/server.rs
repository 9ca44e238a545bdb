//! A server of HTTP/1.1 with limits, which ends when it is told to.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How long the head of a request may take, counted from the connection or from the previous response.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// The number of connections at a time. Further ones wait until they are accepted.
const MAX_CONNECTIONS: usize = 512;
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
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    let accepting = accept(&listener, &router, &room, &mut connections, &stop);
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
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .serve_connection(TokioIo::new(stream), service);
        let stop = stop.clone();
        connections.spawn(async move {
            let _permit = permit;
            tokio::pin!(connection);
            let ended = tokio::select! {
                ended = connection.as_mut() => ended,
                () = stop.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = ended {
                tracing::debug!(%error, "a connection failed");
            }
        });
    }
}
