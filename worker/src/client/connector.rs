//! Makes connections: looks the name up, connects, and agrees on TLS and on HTTP/1 or HTTP/2.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::client::legacy::connect::{Connection as _, HttpConnector};
use hyper_util::rt::TokioIo;
use net::guard::Guard;
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tower_service::Service;

use super::connection::{Connection, Watch};
use super::error::BoxError;
use super::hosts::Hosts;
use super::proxy::{Route, Tcp};
use crate::sockets::Sockets;

/// After this time without a packet the system asks the other side whether it is still there, and again.
const PROBE: Duration = Duration::from_secs(15);
const PROBES: u32 = 3;
/// How long sent bytes may be without an acknowledgement.
#[cfg(target_os = "linux")]
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);

/// What a connection reads and writes.
pub(super) type Stream = TokioIo<Connection<MaybeHttpsStream<TokioIo<TcpStream>>>>;
pub(super) type Connecting<T> = Pin<Box<dyn Future<Output = Result<T, BoxError>> + Send>>;

/// Makes the connections of a run.
#[derive(Clone)]
pub(crate) struct Connector {
    https: HttpsConnector<Tcp>,
    sockets: Arc<Sockets>,
    timeout: Duration,
    /// The hosts keep their clients, which keep this.
    hosts: Weak<Hosts>,
}

impl Connector {
    /// Name, TCP and TLS together may take `timeout`.
    pub(super) fn new(
        guard: &Guard,
        (tls, route): (ClientConfig, Option<Route>),
        sockets: &Arc<Sockets>,
        timeout: Duration,
        hosts: &Arc<Hosts>,
    ) -> Self {
        let mut http = HttpConnector::new_with_resolver(Resolver(guard.clone()));
        http.enforce_http(false);
        http.set_connect_timeout(Some(timeout));
        http.set_nodelay(true);
        http.set_keepalive(Some(PROBE));
        http.set_keepalive_interval(Some(PROBE));
        http.set_keepalive_retries(Some(PROBES));
        #[cfg(target_os = "linux")]
        http.set_tcp_user_timeout(Some(UNACKNOWLEDGED));
        Self {
            https: (Tcp { http, guard: guard.clone(), route }, tls).into(),
            sockets: sockets.clone(),
            timeout,
            hosts: Arc::downgrade(hosts),
        }
    }
}

impl Service<Uri> for Connector {
    type Response = Stream;
    type Error = BoxError;
    type Future = Connecting<Self::Response>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.https.poll_ready(cx)
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let Self { mut https, sockets, timeout: limit, hosts } = self.clone();
        Box::pin(async move {
            let close_idle = || hosts.upgrade().iter().for_each(|hosts| hosts.close_idle());
            let socket = sockets.connection(close_idle).await;
            // A URI without a path ends with its port and a slash.
            let host = hosts.upgrade().map(|hosts| hosts.get(to.to_string().trim_end_matches('/')));
            let stream = timeout(limit, https.call(to))
                .await
                .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "operation timed out"))??;
            let is_http2 = stream.connected().is_negotiated_h2();
            let watch = host.as_ref().filter(|_| !is_http2).map(Watch::new);
            Ok(TokioIo::new(Connection::new(stream, socket, watch)))
        })
    }
}

/// Looks up names. The guard leaves out the addresses that may not be connected to.
#[derive(Clone)]
pub(super) struct Resolver(Guard);

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<std::net::SocketAddr>;
    type Error = BoxError;
    type Future = Connecting<Self::Response>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let guard = self.0.clone();
        Box::pin(async move { Ok(guard.look_up(name.as_str()).await?.into_iter()) })
    }
}
