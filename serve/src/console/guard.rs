//! What every request to the port must be, and what every response says to browsers.
//!
//! A page of another site must neither read this server through a name of its own (the check of `Host`) nor send requests
//! with the cookie of a visitor (the checks of `Origin` and `Sec-Fetch-Site`). Cookies do not know ports, so a page
//! of another port of this machine is another site here.

use std::net::SocketAddr;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};

use super::Shared;

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      frame-ancestors 'none'; base-uri 'none'; form-action 'self'";
const HEADERS: [(HeaderName, &str); 5] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// Refuses a request that a page of another site may have sent.
pub(super) async fn check(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let refused = refusal(&shared.hosts, request.method(), request.uri(), request.headers());
    let mut response = match refused {
        Some(refused) => refused,
        None => next.run(request).await,
    };
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

fn refusal(hosts: &[String], method: &Method, uri: &Uri, headers: &HeaderMap) -> Option<Response> {
    let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let host = text(header::HOST).unwrap_or_default();
    if !hosts.contains(&name_of(host)) {
        let message = format!(
            "The host {host:?} is not a name of this console. Add it to `host` in the settings if it is.\n"
        );
        return Some((StatusCode::MISDIRECTED_REQUEST, message).into_response());
    }
    let foreign = |why: &str| {
        let message = format!("This request comes from another site ({why}), and was refused.\n");
        Some((StatusCode::FORBIDDEN, message).into_response())
    };
    let site = text(HeaderName::from_static("sec-fetch-site"));
    let own = matches!(site, None | Some("same-origin" | "none"));
    if method.is_safe() {
        if own {
            return None;
        }
        let navigates = text(HeaderName::from_static("sec-fetch-mode")) == Some("navigate");
        return if navigates { opened_by_other_site(uri) } else { foreign("Sec-Fetch-Site") };
    }
    if !own {
        return foreign("Sec-Fetch-Site");
    }
    match text(header::ORIGIN) {
        Some(origin) if origin.split_once("://").map(|(_, rest)| rest) != Some(host) => foreign("Origin"),
        // A browser names the origin of every form. A program carries the key itself, which no browser does.
        None if !headers.contains_key(header::AUTHORIZATION) => foreign("no Origin"),
        _ => None,
    }
}

/// A browser keeps the cookie back when another site, such as a mail in a browser, has a link to here. This page opens the same
/// address again, on its own account.
fn opened_by_other_site(uri: &Uri) -> Option<Response> {
    const MARK: &str = "from=elsewhere";
    if uri.query().is_some_and(|query| query.split('&').any(|part| part == MARK)) {
        return None;
    }
    let to = match uri.query() {
        Some(query) => format!("{}?{query}&{MARK}", uri.path()),
        None => format!("{}?{MARK}", uri.path()),
    };
    let page = Elsewhere { to: &to };
    Some(Html(askama::Template::render(&page).unwrap_or_default()).into_response())
}

#[derive(askama::Template)]
#[template(path = "elsewhere.html")]
struct Elsewhere<'a> {
    to: &'a str,
}

/// The name of a host in lower case, without its port.
fn name_of(host: &str) -> String {
    let end = if host.starts_with('[') { host.find(']').map(|at| at + 1) } else { host.find(':') };
    host[..end.unwrap_or(host.len())].to_ascii_lowercase()
}

/// The names by which the console is always reached.
pub(super) fn hosts(further: &[String], console: SocketAddr) -> Vec<String> {
    let own = match console {
        SocketAddr::V4(address) => address.ip().to_string(),
        SocketAddr::V6(address) => format!("[{}]", address.ip()),
    };
    let known = ["127.0.0.1", "[::1]", "localhost"].map(str::to_owned);
    known.into_iter().chain([own]).chain(further.iter().cloned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(method: Method, path: &'static str, headers: &[(&'static str, &'static str)]) -> u16 {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, HeaderValue::from_static(value));
        }
        let refused = refusal(
            &hosts(&["c.example".into()], ([127, 0, 0, 1], 1).into()),
            &method,
            &Uri::from_static(path),
            &map,
        );
        refused.map_or(0, |response| response.status().as_u16())
    }

    #[test]
    fn only_own_names_are_served() {
        for host in ["127.0.0.1", "127.0.0.1:4651", "localhost:1", "[::1]:4651", "C.example"] {
            assert_eq!(status(Method::GET, "/", &[("host", host)]), 0, "{host}");
        }
        for host in ["", "evil.example", "127.0.0.1.evil.example", "localhost.", "[::2]:1", "127.0.0.2"] {
            assert_eq!(status(Method::GET, "/", &[("host", host)]), 421, "{host}");
        }
        assert_eq!(status(Method::GET, "/", &[]), 421);
    }

    #[test]
    fn changes_need_the_own_origin() {
        let host = ("host", "localhost:1");
        let post = |more: &[(&'static str, &'static str)]| {
            status(Method::POST, "/", &[[host].as_slice(), more].concat())
        };
        assert_eq!(post(&[("origin", "http://localhost:1")]), 0);
        assert_eq!(post(&[("origin", "https://localhost:1"), ("sec-fetch-site", "same-origin")]), 0);
        assert_eq!(post(&[("authorization", "Bearer a:b")]), 0);
        for origin in
            ["http://localhost:2", "http://evil.example", "null", "http://localhost:1.evil", "localhost:1"]
        {
            assert_eq!(post(&[("origin", origin)]), 403, "{origin}");
            assert_eq!(post(&[("origin", origin), ("authorization", "Bearer a:b")]), 403, "{origin}");
        }
        assert_eq!(post(&[]), 403);
        for site in ["cross-site", "same-site"] {
            assert_eq!(post(&[("origin", "http://localhost:1"), ("sec-fetch-site", site)]), 403, "{site}");
        }
    }

    #[test]
    fn pages_of_other_sites_may_link_to_pages_and_read_nothing() {
        let get = |path, more: &[(&'static str, &'static str)]| {
            status(Method::GET, path, &[[("host", "localhost")].as_slice(), more].concat())
        };
        assert_eq!(get("/", &[("sec-fetch-site", "same-site"), ("sec-fetch-mode", "no-cors")]), 403);
        assert_eq!(get("/", &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")]), 200);
        let again = "/?from=elsewhere";
        assert_eq!(get(again, &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")]), 0);
        assert_eq!(get("/", &[("sec-fetch-site", "none")]), 0);
    }
}
