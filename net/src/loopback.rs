//! HTTP servers that only programs on this machine may use. A page in the user's browser may not use them,
//! even if the name of its site resolves to this machine (DNS rebinding).

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::{StatusCode, header, uri::Authority};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::task::AbortOnDropHandle;

/// How long the head of a request may take, counted from the connection or from the previous response.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// The number of connections at a time. Further ones wait until they are accepted.
const MAX_CONNECTIONS: usize = 512;

/// Serves a router at a loopback port until the handle is dropped.
///
/// # Errors
/// When the port is taken.
pub async fn serve(port: u16, router: Router) -> io::Result<AbortOnDropHandle<()>> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let listener = TcpListener::bind(address)
        .await
        .map_err(|error| io::Error::new(error.kind(), format!("{address}: {error}")))?;
    let router = router.layer(middleware::from_fn(only_local_programs));
    Ok(AbortOnDropHandle::new(tokio::spawn(accept(listener, router))))
}

async fn accept(listener: TcpListener, router: Router) {
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
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
        connections.spawn(async move {
            let _permit = permit;
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection failed");
            }
        });
    }
}

/// Refuses requests of browsers for other sites. A browser sends the name of the site (`Host`) and the page
/// that makes the request (`Origin`); a program that calls this server names loopback and has no page.
async fn only_local_programs(request: Request, next: Next) -> Response {
    let hosts = request.headers().get_all(header::HOST);
    let mut hosts = hosts
        .iter()
        .map(|host| host.to_str().ok())
        .chain(request.uri().authority().map(|host| Some(host.as_str())));
    let named =
        request.headers().contains_key(header::HOST) && hosts.all(|host| host.is_some_and(is_loopback));
    if named && !request.headers().contains_key(header::ORIGIN) {
        next.run(request).await
    } else {
        (
            StatusCode::FORBIDDEN,
            "only programs on this machine are served, under the name 127.0.0.1 or localhost\n",
        )
            .into_response()
    }
}

fn is_loopback(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    let name = authority.host();
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost")
        || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_addresses_and_localhost_are_loopback() {
        for host in ["localhost", "LOCALHOST:9001", "127.0.0.1", "127.0.0.1:9001", "127.9.9.9", "[::1]:9001"]
        {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "",
            "example.com",
            "localhost.example.com",
            "127.0.0.1.example.com",
            "10.0.0.1",
            "[::2]",
            "0.0.0.0",
            "a b",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
