//! The address guard. Requests cannot reach loopback, private, link-local or metadata addresses unless the
//! job allows it. The guard checks the very addresses that are connected to, so a name whose addresses change
//! between two look-ups gains nothing. Addresses in a URL are checked before the request.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;
use job::file::host_listed;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

pub use job::file::net::{Net, is_public};

/// The addresses that one job may reach.
#[derive(Clone)]
pub struct Guard {
    names: Arc<[String]>,
    nets: Arc<[Net]>,
    look_up: Arc<dyn LookUp>,
}

/// Looks up the addresses of a name.
#[async_trait]
pub trait LookUp: Send + Sync {
    /// The addresses, with port 0.
    ///
    /// # Errors
    /// When the name has no address, or the look-up fails.
    async fn look_up(&self, name: &str) -> io::Result<Vec<SocketAddr>>;
}

/// Looks names up as the system does.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemLookUp;

#[async_trait]
impl LookUp for SystemLookUp {
    async fn look_up(&self, name: &str) -> io::Result<Vec<SocketAddr>> {
        Ok(tokio::net::lookup_host((name, 0)).await?.collect())
    }
}

/// The job may not reach the address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressDenied {
    host: String,
}

impl Guard {
    /// A guard for `[request] allow`: host names (also `*.domain`), addresses, and networks as
    /// `address/bits`.
    pub fn new(allow: &[String]) -> Self {
        Self::looking_up(allow, Arc::new(SystemLookUp))
    }

    /// [`Guard::new`], with another way to look names up.
    pub fn looking_up(allow: &[String], look_up: Arc<dyn LookUp>) -> Self {
        let nets = allow.iter().filter_map(|entry| Net::parse(entry)).collect();
        let names = allow.iter().filter(|entry| Net::parse(entry).is_none()).cloned().collect();
        Self { names, nets, look_up }
    }

    /// Checks a URL whose host is an address. A name is checked when it is looked up.
    ///
    /// # Errors
    /// When the address may not be reached.
    pub fn check(&self, url: &Url) -> Result<(), AddressDenied> {
        let address = match url.host() {
            Some(Host::Ipv4(address)) => IpAddr::V4(address),
            Some(Host::Ipv6(address)) => IpAddr::V6(address),
            _ => return Ok(()),
        };
        if self.allows(address) { Ok(()) } else { Err(AddressDenied { host: address.to_string() }) }
    }

    /// Checks a URL as [`Guard::check`] does, and also refuses names that always lead to this machine (RFC
    /// 6761).
    ///
    /// # Errors
    /// When the host may not be reached.
    pub fn check_without_lookup(&self, url: &Url) -> Result<(), AddressDenied> {
        let host = url.host_str().unwrap_or_default().trim_end_matches('.').to_ascii_lowercase();
        let loops = host == "localhost" || host.ends_with(".localhost");
        let addresses = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
        if loops
            && !host_listed(&self.names, &host)
            && !addresses.into_iter().any(|address| self.allows(address))
        {
            return Err(AddressDenied { host });
        }
        self.check(url)
    }

    /// Whether an address may be connected to.
    pub fn allows(&self, address: IpAddr) -> bool {
        is_public(address) || self.nets.iter().any(|net| net.contains(address))
    }

    /// The addresses of a name that may be connected to, with port 0.
    ///
    /// # Errors
    /// When the name has no address, the look-up fails, or none of the addresses may be reached.
    pub async fn look_up(&self, name: &str) -> Result<Vec<SocketAddr>, Box<dyn Error + Send + Sync>> {
        let found = self.look_up.look_up(name).await?;
        if found.is_empty() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address").into());
        }
        Ok(self.filter(name.trim_end_matches('.'), found)?)
    }

    /// Keeps the addresses of a name that may be connected to.
    fn filter(&self, host: &str, found: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, AddressDenied> {
        if host_listed(&self.names, &host.to_ascii_lowercase()) {
            return Ok(found);
        }
        let allowed: Vec<_> = found.iter().copied().filter(|address| self.allows(address.ip())).collect();
        if allowed.is_empty() && !found.is_empty() {
            Err(AddressDenied { host: host.to_owned() })
        } else {
            Ok(allowed)
        }
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move { Ok(Box::new(guard.look_up(name.as_str()).await?.into_iter()) as Addrs) })
    }
}

impl AddressDenied {
    /// The name or address.
    pub fn host(&self) -> &str {
        &self.host
    }
}

impl fmt::Display for AddressDenied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} is a private, local or reserved address; [request] allow lists the exceptions",
            self.host
        )
    }
}

impl Error for AddressDenied {}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(allow: &[&str]) -> Guard {
        Guard::new(&allow.iter().map(|entry| (*entry).to_owned()).collect::<Vec<_>>())
    }

    fn check(guard: &Guard, url: &str) -> bool {
        guard.check(&Url::parse(url).expect("a URL")).is_ok()
    }

    #[test]
    fn private_addresses_are_denied_in_every_notation() {
        for url in [
            "http://127.0.0.1/",
            "http://2130706433/",
            "http://0x7f000001/",
            "http://0177.0.0.1/",
            "http://127.1/",
            "http://0/",
            "http://0.0.0.0/",
            "http://10.1.2.3/",
            "http://172.16.0.1/",
            "http://172.31.255.255/",
            "http://192.168.0.1/",
            "http://169.254.169.254/latest/meta-data",
            "http://168.63.129.16/",
            "http://100.64.0.1/",
            "http://192.0.0.1/",
            "http://198.18.0.1/",
            "http://224.0.0.1/",
            "http://255.255.255.255/",
            "http://240.0.0.1/",
            "http://[::]/",
            "http://[::1]/",
            "http://[::ffff:127.0.0.1]/",
            "http://[::ffff:a00:1]/",
            "http://[::127.0.0.1]/",
            "http://[2002:7f00:1::]/",
            "http://[64:ff9b::7f00:1]/",
            "http://[64:ff9b:1::1]/",
            "http://[2001:0:1::1]/",
            "http://[fc00::1]/",
            "http://[fd00:ec2::254]/",
            "http://[fe80::1]/",
            "http://[fec0::1]/",
            "http://[ff02::1]/",
        ] {
            assert!(!check(&guard(&[]), url), "{url}");
        }
        for url in [
            "http://8.8.8.8/",
            "http://172.32.0.1/",
            "http://[2606:4700::1111]/",
            "http://[64:ff9b::808:808]/",
            "http://[2002:808:808::]/",
            "http://example.com/",
        ] {
            assert!(check(&guard(&[]), url), "{url}");
        }
    }

    #[test]
    fn names_of_this_machine_are_denied_without_a_lookup() {
        let denied = |allow: &[&str], url: &str| {
            guard(allow).check_without_lookup(&Url::parse(url).expect("a URL")).is_err()
        };
        for url in
            ["http://localhost/", "http://LOCALHOST.:8080/", "http://api.localhost/", "http://10.0.0.1/"]
        {
            assert!(denied(&[], url), "{url}");
        }
        assert!(!denied(&[], "http://example.com/"));
        for allow in ["127.0.0.1", "::1", "127.0.0.0/8", "localhost"] {
            assert!(!denied(&[allow], "http://localhost/"), "{allow}");
        }
    }

    #[test]
    fn allowed_addresses_names_and_networks_are_exceptions() {
        let guard = guard(&["127.0.0.1", "10.0.0.0/8", "fd00::/16", "localhost", "*.internal"]);
        for url in [
            "http://127.0.0.1/",
            "http://2130706433/",
            "http://[::ffff:127.0.0.1]/",
            "http://10.9.9.9/",
            "http://[fd00::7]/",
        ] {
            assert!(check(&guard, url), "{url}");
        }
        assert!(!check(&guard, "http://127.0.0.2/"));
        assert!(!check(&guard, "http://[fd01::7]/"));
        let loopback: SocketAddr = "127.0.0.9:0".parse().expect("an address");
        let public: SocketAddr = "8.8.8.8:0".parse().expect("an address");
        assert_eq!(guard.filter("localhost", vec![loopback]), Ok(vec![loopback]));
        assert_eq!(guard.filter("a.internal", vec![loopback]), Ok(vec![loopback]));
        assert_eq!(guard.filter("example.com", vec![loopback, public]), Ok(vec![public]));
        assert!(guard.filter("example.com", vec![loopback]).is_err());
        assert_eq!(guard.filter("example.com", vec![]), Ok(vec![]));
    }
}
