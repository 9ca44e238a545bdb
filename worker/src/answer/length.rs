//! The length of a body whose framing two headers name.

use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, TRANSFER_ENCODING};

/// The body's length, where `Transfer-Encoding: identity` stands next to `Content-Length`. The coding `identity` was dropped in RFC
/// 7230 and means that nothing is done to the body; the client reads such a body until the connection ends, which a server that
/// keeps it does not do.
pub(super) fn of_identity(response: &reqwest::Response) -> Option<u64> {
    let headers = response.headers();
    if !headers.contains_key(TRANSFER_ENCODING) || headers.contains_key(CONTENT_ENCODING) {
        return None;
    }
    let mut codings = headers
        .get_all(TRANSFER_ENCODING)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    if !codings.all(|coding| {
        matches!(coding.trim_ascii(), b"") || coding.trim_ascii().eq_ignore_ascii_case(b"identity")
    }) {
        return None;
    }
    let mut lengths =
        headers.get_all(CONTENT_LENGTH).iter().map(|value| value.to_str().ok()?.trim().parse().ok());
    let length = lengths.next()??;
    lengths.all(|other| other == Some(length)).then_some(length)
}
