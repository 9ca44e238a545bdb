//! The hosts of a job file, normalised to the form that they have in URLs.

use std::net::Ipv6Addr;

use url::{Host, Url};

use super::limits::{host_of, matches_domain};
use super::net::Net;

/// A host that may receive secrets: an entry of `[request] secret_hosts`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretHost {
    /// `https` where the entry has no scheme.
    scheme: Option<&'static str>,
    /// A host or `*.domain`.
    host: String,
    /// The scheme's default port where the entry has none.
    port: Option<u16>,
}

impl SecretHost {
    /// Reads `host`, `host:port` or `*.domain`, each also after `http://` or `https://`.
    ///
    /// # Errors
    /// In words, what is wrong with the entry.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (Some("http"), rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (Some("https"), rest),
            Some((scheme, _)) => return Err(format!("secrets go over http or https, not over {scheme:?}")),
            None => (None, text),
        };
        let (host, port) = split(rest)?;
        Ok(Self { scheme, host: host_name(host)?, port })
    }

    /// Whether a secret may be sent to this URL. A host that the job allows (`private`) belongs to the user:
    /// it may have any scheme and port that the entry does not exclude.
    pub fn admits(&self, url: &Url, private: bool) -> bool {
        let scheme = self.scheme.or(if private { None } else { Some("https") });
        let port =
            self.port.or(if private { None } else { Some(if scheme == Some("http") { 80 } else { 443 }) });
        self.names(url)
            && scheme.is_none_or(|scheme| scheme == url.scheme())
            && port.is_none_or(|port| Some(port) == url.port_or_known_default())
    }

    /// Whether the entry names the URL's host, whatever the scheme and port.
    pub fn names(&self, url: &Url) -> bool {
        let host = url.host_str().unwrap_or_default().trim_end_matches('.');
        self.host == host || matches_domain(&self.host, host)
    }
}

/// Whether the host of a URL is a private host that the job allows.
pub fn is_allowed(allow: &[String], url: &Url) -> bool {
    let address = match url.host() {
        Some(Host::Ipv4(address)) => Some(address.into()),
        Some(Host::Ipv6(address)) => Some(address.into()),
        _ => None,
    };
    let host = url.host_str().unwrap_or_default().trim_end_matches('.');
    allow.iter().any(|entry| match (Net::parse(entry), address) {
        (Some(net), Some(address)) => net.contains(address),
        (Some(_), None) => false,
        (None, _) => entry == host || matches_domain(entry, host),
    })
}

/// A host or `*.domain` in the form of URLs: in lower case, with names beyond ASCII encoded (IDNA).
pub(super) fn host_name(text: &str) -> Result<String, String> {
    let wrong = |why: &str| format!("{text:?} is not a host: {why}");
    let (wild, name) = text.strip_prefix("*.").map_or((false, text), |domain| (true, domain));
    if name.contains('*') {
        return Err(wrong("a star is only allowed at the beginning, as in *.example.com"));
    }
    let name = name.strip_suffix('.').unwrap_or(name);
    if let Ok(address) = name.parse::<Ipv6Addr>() {
        return Ok(format!("[{address}]"));
    }
    match Host::parse(name).map_err(|_| wrong("write a name or an address, without scheme and path"))? {
        Host::Domain(domain) => {
            let labels = || domain.split('.');
            if labels().any(|label| label.is_empty() || label.len() > 63) || domain.len() > 253 {
                return Err(wrong(
                    "the parts between its dots have from 1 to 63 characters, and all together 253",
                ));
            }
            if !domain.bytes().any(|byte| byte.is_ascii_alphabetic()) {
                return Err(wrong("it is neither a name nor an address"));
            }
            Ok(if wild { format!("*.{domain}") } else { domain })
        }
        _ if wild => Err(wrong("an address has no subdomains")),
        address => Ok(address.to_string()),
    }
}

/// [`host_name`] with a port, if there is one.
pub(super) fn host_and_port(text: &str) -> Result<String, String> {
    let (host, port) = split(text)?;
    let host = host_name(host)?;
    Ok(port.map_or_else(|| host.clone(), |port| format!("{host}:{port}")))
}

/// An entry of `[request] allow`, a network, an address, a host or `*.domain`, in the form that is compared.
pub(super) fn allowed(text: &str) -> Result<String, String> {
    if Net::parse(text).is_some() {
        return Ok(text.to_ascii_lowercase());
    }
    if text.contains('/') {
        return Err(format!(
            "{text:?} is neither a host nor a network: write a name, an address, or address/bits as in 10.1.0.0/16"
        ));
    }
    match split(text)? {
        (_, Some(_)) => Err(format!("{text:?} has a port: an address is allowed whatever the port")),
        (host, None) => host_name(host),
    }
}

fn split(text: &str) -> Result<(&str, Option<u16>), String> {
    let host = host_of(text);
    match text[host.len()..].strip_prefix(':') {
        None => Ok((host, None)),
        Some(port) => {
            Ok((host, Some(port.parse().map_err(|_| format!("{text:?} has a port that does not exist"))?)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_normalised_as_in_urls() {
        for (written, expected) in [
            ("API.Example.com", "api.example.com"),
            ("münchen.example", "xn--mnchen-3ya.example"),
            ("*.MÜNCHEN.example", "*.xn--mnchen-3ya.example"),
            ("straße.example.", "xn--strae-oqa.example"),
            ("例え.テスト:8443", "xn--r8jz45g.xn--zckzah:8443"),
            ("127.1", "127.0.0.1"),
            ("::1", "[::1]"),
            ("[::1]:80", "[::1]:80"),
            ("under_score.example", "under_score.example"),
        ] {
            assert_eq!(host_and_port(written).as_deref(), Ok(expected), "{written}");
        }
    }

    #[test]
    fn an_allowed_host_that_cannot_match_is_refused() {
        for entry in [
            "",
            "*",
            "*.",
            "10.*",
            "a*.example",
            ".example.com",
            "a..example",
            "10.0.0.0/33",
            "fd00::/129",
            "localhost/",
            "a/8",
            "127.0.0.1-5",
            "192.168.1.256",
            "http://localhost",
            "localhost:8080",
            "[::1]:80",
            "fe80::1%eth0",
            "a b",
            "*.10.0.0.1",
            "user@host",
        ] {
            assert!(allowed(entry).is_err(), "{entry:?}");
        }
        for entry in [
            "localhost",
            "*.internal",
            "10.0.0.0/8",
            "127.0.0.1",
            "fd00::/8",
            "::1",
            "[::1]",
            "db.intern",
            "xn--mnchen-3ya.example",
        ] {
            assert!(allowed(entry).is_ok(), "{entry:?}");
        }
    }

    #[test]
    fn secrets_need_https_unless_the_entry_says_otherwise() {
        let admits = |entry: &str, url: &str, private| {
            SecretHost::parse(entry).expect("an entry").admits(&Url::parse(url).expect("a URL"), private)
        };
        for (entry, url, expected) in [
            ("api.example.com", "https://api.example.com/", true),
            ("api.example.com", "https://api.example.com./", true),
            ("api.example.com", "http://api.example.com/", false),
            ("api.example.com", "https://api.example.com:8443/", false),
            ("api.example.com", "http://api.example.com:443/", false),
            ("api.example.com:8443", "https://api.example.com:8443/", true),
            ("api.example.com:8443", "http://api.example.com:8443/", false),
            ("api.example.com:8443", "https://api.example.com/", false),
            ("http://api.example.com", "http://api.example.com/", true),
            ("http://api.example.com", "https://api.example.com/", false),
            ("http://api.example.com:8080", "http://api.example.com:8080/", true),
            ("https://api.example.com", "https://api.example.com/", true),
            ("*.example.com", "https://a.example.com/", true),
            ("*.example.com", "http://a.example.com/", false),
            ("*.example.com", "https://example.com/", false),
            ("münchen.example", "https://münchen.example/", true),
        ] {
            assert_eq!(admits(entry, url, false), expected, "{entry} {url}");
        }
        for (entry, url, expected) in [
            ("localhost", "http://localhost:8080/", true),
            ("localhost:8080", "http://localhost:8080/", true),
            ("localhost:8080", "http://localhost:9090/", false),
            ("https://localhost", "http://localhost/", false),
        ] {
            assert_eq!(admits(entry, url, true), expected, "{entry} {url}");
        }
        for entry in ["ftp://a", "https://a/b", "a b", "", "https://", "a:99999"] {
            assert!(SecretHost::parse(entry).is_err(), "{entry:?}");
        }
    }

    #[test]
    fn only_allowed_private_hosts_are_allowed() {
        let allow = ["127.0.0.0/8".to_owned(), "*.internal".to_owned()];
        let is_allowed = |url: &str| is_allowed(&allow, &Url::parse(url).expect("a URL"));
        assert!(is_allowed("http://127.0.0.1:8080/") && is_allowed("http://a.internal/"));
        assert!(!is_allowed("http://10.0.0.1/") && !is_allowed("http://internal/"));
    }
}
