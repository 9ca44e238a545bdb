//! The request that follows a redirect. Each one is an attempt: it is paced and guarded and has a timeout.

use http::header::{
    AUTHORIZATION, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LOCATION, CONTENT_TYPE, COOKIE, HeaderValue,
    PROXY_AUTHORIZATION,
};
use http::{Method, StatusCode};
use job::Code;

use crate::failure::Failure;
use crate::request::Prepared;

pub(super) fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// The request that follows a redirect. Source: Fetch Standard, "HTTP-redirect fetch".
pub(super) fn follow(
    from: &Prepared,
    status: StatusCode,
    location: &HeaderValue,
    carries_secret: bool,
    most: u8,
) -> Result<Prepared, Failure> {
    let wrong = |code, detail: String| Failure { status: status.as_u16(), ..Failure::new(code, detail) };
    if from.hops >= most {
        return Err(wrong(Code::RedirectLoop, format!("more than {most} redirects")));
    }
    let url = from
        .url
        .join(&in_ascii(location.as_bytes()))
        .map_err(|error| wrong(Code::Url, format!("the location of a redirect is not a URL: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
        return Err(wrong(Code::Url, "a redirect leads to a URL that is not http or https".to_owned()));
    }
    let same_origin = url.origin() == from.url.origin();
    if carries_secret && !same_origin {
        let detail = format!(
            "a redirect leads to {}, and the request carries a secret",
            url.origin().ascii_serialization()
        );
        return Err(wrong(Code::RedirectWithSecret, detail));
    }
    let mut next = Prepared { url, hops: from.hops + 1, ..from.clone() };
    let becomes_get = match status.as_u16() {
        301 | 302 => from.method == Method::POST,
        303 => !matches!(from.method, Method::GET | Method::HEAD),
        _ => false,
    };
    if becomes_get {
        next.method = Method::GET;
        next.body = None;
        next.upload = None;
        for name in [CONTENT_TYPE, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LOCATION] {
            next.headers.remove(name);
        }
        next.headers.remove("idempotency-key");
    }
    if !same_origin {
        for name in [AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION] {
            next.headers.remove(name);
        }
    }
    Ok(next)
}

/// The bytes of a header have no charset, so those beyond ASCII are percent-encoded as they came.
fn in_ascii(location: &[u8]) -> String {
    let mut ascii = String::with_capacity(location.len());
    for byte in location {
        if byte.is_ascii() {
            ascii.push(char::from(*byte));
        } else {
            ascii.push_str(&format!("%{byte:02X}"));
        }
    }
    ascii
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::HeaderMap;
    use url::Url;

    use super::*;

    fn post() -> Prepared {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_static("x"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("x"));
        let url = Url::parse("https://a.example/b/c").expect("a URL");
        Prepared {
            method: Method::POST,
            url,
            headers,
            body: Some(Bytes::from_static(b"x")),
            hops: 0,
            cookies: None,
            cost: None,
            upload: None,
            has_new_token: false,
            identity: None,
            unit: None,
            chain: None,
        }
    }

    fn hop(from: &Prepared, status: u16, location: &str, secret: bool) -> Result<Prepared, Code> {
        let status = StatusCode::from_u16(status).expect("a status");
        follow(from, status, &HeaderValue::from_str(location).expect("a header"), secret, 5)
            .map_err(|failure| failure.code)
    }

    #[test]
    fn methods_after_a_redirect() {
        for (status, expected) in [
            (301, Method::GET),
            (302, Method::GET),
            (303, Method::GET),
            (307, Method::POST),
            (308, Method::POST),
        ] {
            let next = hop(&post(), status, "d", false).expect("a hop");
            assert_eq!(next.url.as_str(), "https://a.example/b/d");
            assert_eq!(next.body.is_some(), expected == Method::POST, "{status}");
            assert_eq!(next.headers.contains_key(CONTENT_TYPE), expected == Method::POST);
            assert_eq!(next.method, expected);
            assert!(next.headers.contains_key(AUTHORIZATION));
        }
        let put = Prepared { method: Method::PUT, ..post() };
        assert_eq!(hop(&put, 302, "d", false).map(|next| next.method), Ok(Method::PUT));
        assert_eq!(hop(&put, 303, "d", false).map(|next| next.method), Ok(Method::GET));
    }

    #[test]
    fn bytes_beyond_ascii_are_percent_encoded_as_they_came() {
        let leads_to = |location: &[u8]| {
            let location = HeaderValue::from_bytes(location).expect("a header");
            follow(&post(), StatusCode::FOUND, &location, false, 5)
                .map(|next| next.url.to_string())
                .expect("a hop")
        };
        assert_eq!(leads_to(b"/caf\xe9?q=\xe9"), "https://a.example/caf%E9?q=%E9");
        assert_eq!(leads_to("/café?q=é".as_bytes()), "https://a.example/caf%C3%A9?q=%C3%A9");
        assert_eq!(leads_to("https://münchen.example/".as_bytes()), "https://xn--mnchen-3ya.example/");
    }

    #[test]
    fn secrets_do_not_follow_to_another_origin() {
        for other in ["http://a.example/b", "https://a.example:8443/", "https://b.example/", "//b.example/"] {
            assert_eq!(hop(&post(), 307, other, true).map(|_| ()), Err(Code::RedirectWithSecret), "{other}");
            let next = hop(&post(), 307, other, false).expect("a hop");
            assert!(!next.headers.contains_key(AUTHORIZATION));
        }
        assert!(hop(&post(), 307, "https://a.example:443/", true).is_ok());
        assert_eq!(hop(&post(), 307, "ftp://a.example/", false).map(|_| ()), Err(Code::Url));
        assert_eq!(
            hop(&Prepared { hops: 5, ..post() }, 307, "/", false).map(|_| ()),
            Err(Code::RedirectLoop)
        );
    }
}
