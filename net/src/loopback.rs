//! HTTP servers that only programs on this machine may use. A page in the user's browser may not use them,
//! even if the name of its site resolves to this machine (DNS rebinding).

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::Router;
use axum::extract::Request;
use axum::http::{StatusCode, header, uri::Authority};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::server;

/// Serves a router at a loopback port until the handle is dropped.
///
/// # Errors
/// When the port is taken.
pub async fn serve(port: u16, router: Router) -> io::Result<AbortOnDropHandle<()>> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let listener = server::bind(address).await?;
    let router = router.layer(middleware::from_fn(only_local_programs));
    Ok(AbortOnDropHandle::new(tokio::spawn(server::serve(listener, router, CancellationToken::new()))))
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
