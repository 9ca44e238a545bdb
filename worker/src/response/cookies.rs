//! The cookies of one parcel's redirects (RFC 6265): each is sent only to its own hosts and paths.

use cookie_store::CookieStore;
use http::HeaderMap;
use http::header::{COOKIE, HeaderValue, SET_COOKIE};

use crate::request::Prepared;

/// The cookies after a response. A cookie that its host may not set is ignored.
pub(super) fn after(prepared: &Prepared, headers: &HeaderMap) -> Box<CookieStore> {
    let mut jar = prepared.cookies.clone().unwrap_or_default();
    for text in
        headers.get_all(SET_COOKIE).iter().filter_map(|line| std::str::from_utf8(line.as_bytes()).ok())
    {
        jar.parse(text, &prepared.url).ok();
    }
    jar
}

/// The `Cookie` header of a request, if it has cookies. The job's own cookies come first.
pub(super) fn header(prepared: &Prepared) -> Option<HeaderValue> {
    let mut value = prepared.headers.get(COOKIE).map(|own| own.as_bytes().to_vec()).unwrap_or_default();
    let own = value.len();
    for (name, content) in prepared.cookies.as_ref()?.get_request_values(&prepared.url) {
        let mark = if value.is_empty() { "" } else { "; " };
        value.extend_from_slice(format!("{mark}{name}={content}").as_bytes());
    }
    (value.len() > own).then(|| HeaderValue::from_bytes(&value).ok()).flatten()
}
