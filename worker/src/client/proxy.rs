//! Connections through a proxy. The name of the server is looked up here, so that the guard sees the address
//! to which the proxy connects: `CONNECT` names that address, and TLS and `Host` keep the name.

use std::error::Error;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{HeaderValue, Uri};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use hyper_util::rt::TokioIo;
use net::guard::Guard;
use tokio::net::TcpStream;
use tower_service::Service;
use url::{Host, Url};

use super::connector::{Connecting, Resolver};
use super::error::BoxError;

/// Which proxy a connection takes.
#[derive(Clone)]
pub(crate) struct Proxies(Arc<Matcher>);

impl Proxies {
    /// `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`, in capitals or not.
    pub(crate) fn of_environment() -> Self {
        Self(Arc::new(Matcher::from_env()))
    }

    /// One proxy for all hosts.
    pub(crate) fn all(url: &str) -> Self {
        Self(Arc::new(Matcher::builder().all(url).build()))
    }

    /// The proxy of a URL.
    fn of(&self, to: &Uri) -> Option<Intercept> {
        self.0.intercept(to)
    }

    /// The proxy of a URL, without user and password.
    pub(crate) fn address(&self, to: &str) -> Option<String> {
        let proxy = self.of(&to.parse().ok()?)?;
        let uri = proxy.uri();
        Some(format!("{}://{}", uri.scheme_str().unwrap_or("http"), uri.authority()?))
    }

    /// The values by which proxies know who uses them.
    pub(crate) fn passwords(&self) -> Vec<String> {
        let urls = ["http://a.example/", "https://a.example/"].map(Uri::from_static);
        let proxies = urls.iter().filter_map(|url| self.of(url));
        proxies
            .flat_map(|proxy| {
                let raw = proxy.raw_auth().map(|(_, password)| password.to_owned());
                let basic = proxy.basic_auth().and_then(|value| value.to_str().ok()).and_then(password);
                raw.into_iter().chain(basic).collect::<Vec<_>>()
            })
            .collect()
    }
}

/// The password of `Basic …`.
fn password(basic: &str) -> Option<String> {
    use base64::prelude::{BASE64_STANDARD, Engine as _};
    let pair = BASE64_STANDARD.decode(basic.strip_prefix("Basic ")?).ok()?;
    Some(String::from_utf8(pair).ok()?.split_once(':')?.1.to_owned())
}

/// What a job says about its proxy.
#[derive(Clone)]
pub(crate) struct Route {
    pub(crate) proxies: Proxies,
    /// The proxy looks names up, and the guard does not see the addresses.
    pub(crate) resolves: bool,
}

/// Makes TCP connections, some of them through a proxy.
#[derive(Clone)]
pub(super) struct Tcp {
    pub(super) http: HttpConnector<Resolver>,
    pub(super) guard: Guard,
    pub(super) route: Option<Route>,
}

impl Service<Uri> for Tcp {
    type Response = TokioIo<TcpStream>;
    type Error = BoxError;
    type Future = Connecting<Self::Response>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.http.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let proxy = self.route.as_ref().and_then(|route| Some((route.proxies.of(&to)?, route.resolves)));
        let mut http = self.http.clone();
        let Some((proxy, resolves)) = proxy else {
            return Box::pin(async move { Ok(http.call(to).await?) });
        };
        let guard = self.guard.clone();
        Box::pin(async move {
            let targets = if resolves { vec![whole(&to)?] } else { addresses(&guard, &to).await? };
            let mut last = None;
            for target in targets {
                match tunnel(&proxy, http.clone(), target).await {
                    Ok(stream) => return Ok(stream),
                    Err(error) => last = Some(error),
                }
            }
            Err(last.expect("a name has an address").into())
        })
    }
}

async fn tunnel(
    proxy: &Intercept,
    http: HttpConnector<Resolver>,
    target: Uri,
) -> Result<TokioIo<TcpStream>, ProxyError> {
    let error = |why: BoxError| ProxyError {
        proxy: proxy.uri().authority().map(ToString::to_string).unwrap_or_default(),
        target: target.authority().map(ToString::to_string).unwrap_or_default(),
        why,
    };
    if proxy.uri().scheme_str() != Some("http") {
        return Err(error("throughline connects to proxies over http only".into()));
    }
    let mut tunnel = Tunnel::new(proxy.uri().clone(), http);
    if let Some(user) = proxy.basic_auth() {
        tunnel = tunnel.with_auth(HeaderValue::clone(user));
    }
    tunnel.call(target.clone()).await.map_err(|why| error(why.into()))
}

/// The addresses of a URL's host that may be connected to, as URLs with a port.
async fn addresses(guard: &Guard, to: &Uri) -> Result<Vec<Uri>, BoxError> {
    let port = port(to);
    let url = Url::parse(&to.to_string())?;
    guard.check(&url)?;
    let addresses = match url.host() {
        Some(Host::Ipv4(address)) => vec![IpAddr::V4(address)],
        Some(Host::Ipv6(address)) => vec![IpAddr::V6(address)],
        Some(Host::Domain(name)) => {
            guard.look_up(name).await?.into_iter().map(|address| address.ip()).collect()
        }
        None => Vec::new(),
    };
    let uri = |address: IpAddr| format!("http://{}", std::net::SocketAddr::new(address, port)).parse();
    Ok(addresses.into_iter().map(uri).collect::<Result<_, _>>()?)
}

/// The URL with its port.
fn whole(to: &Uri) -> Result<Uri, BoxError> {
    Ok(format!("http://{}:{}", to.host().unwrap_or_default(), port(to)).parse()?)
}

fn port(to: &Uri) -> u16 {
    to.port_u16().unwrap_or(if to.scheme_str() == Some("http") { 80 } else { 443 })
}

/// A proxy made no connection.
#[derive(Debug)]
pub(crate) struct ProxyError {
    proxy: String,
    target: String,
    why: BoxError,
}

impl fmt::Display for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { proxy, target, why } = self;
        let why = why.to_string();
        match why.as_str() {
            "tunnel error: proxy authorization required" => {
                write!(f, "the proxy {proxy} wants a user and a password (407)")
            }
            "tunnel error: unsuccessful" => write!(
                f,
                "the proxy {proxy} does not connect to {target}: it may want the name (proxy_resolves = true), or forbid the port"
            ),
            _ => write!(f, "no connection through the proxy {proxy}: {why}"),
        }
    }
}

impl Error for ProxyError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.why)
    }
}
