//! Decodes a body as text: by its byte order mark, else by the charset that it declares, else as UTF-8.

use std::borrow::Cow;

use encoding_rs::{Encoding, REPLACEMENT, UTF_8, WINDOWS_1252};
use http::HeaderMap;
use http::header::CONTENT_TYPE;

/// A document declares its charset within this many bytes. Source: HTML Standard, "prescan a byte stream".
const PRESCAN: usize = 1024;

/// The media type without parameters, in lower case; empty if there is none.
pub(super) fn media_type(headers: &HeaderMap) -> String {
    let value = headers.get(CONTENT_TYPE).map(|value| String::from_utf8_lossy(value.as_bytes()));
    value.as_deref().and_then(|value| value.split(';').next()).unwrap_or_default().trim().to_ascii_lowercase()
}

/// The text of a body, without a byte order mark.
///
/// # Errors
/// In words: why the body is not text.
pub(super) fn text<'a>(body: &'a [u8], headers: &HeaderMap) -> Result<Cow<'a, str>, String> {
    let (encoding, source) = encoding(body, headers)?;
    if encoding == UTF_8 {
        let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
        return std::str::from_utf8(body).map(Cow::Borrowed).map_err(|error| {
            let at = error.valid_up_to();
            let of = if source.is_empty() {
                format!(", and {} declares no charset", described(headers))
            } else {
                source
            };
            format!("the body is not text: its byte {} ({:#04x}) is not UTF-8{of}", at + 1, body[at])
        });
    }
    let (text, _, malformed) = encoding.decode(body);
    if malformed {
        Err(format!("the body is not text: it is not {}{source}", encoding.name()))
    } else {
        Ok(text)
    }
}

/// The text of a refusal, for a person to read. Bytes without a declared charset are read as windows-1252, as
/// browsers do. `None` if that would not give text. The last character of a body that was `cut` may be
/// incomplete.
pub(crate) fn readable<'a>(body: &'a [u8], cut: bool, headers: &HeaderMap) -> Option<Cow<'a, str>> {
    let whole = match std::str::from_utf8(body) {
        Err(error) if cut && error.error_len().is_none() => &body[..error.valid_up_to()],
        _ => body,
    };
    let media_type = media_type(headers);
    let textual =
        ["text", "json", "xml", "html", "javascript", "form"].iter().any(|kind| media_type.contains(kind));
    match text(whole, headers) {
        Ok(text) => Some(text),
        Err(_) if textual || media_type.is_empty() => {
            let encoding = encoding(whole, headers).map_or(WINDOWS_1252, |(encoding, _)| encoding);
            Some(if encoding == UTF_8 { WINDOWS_1252 } else { encoding }.decode(whole).0)
        }
        Err(_) => None,
    }
}

/// The encoding and, in words, the source that declares it.
fn encoding(body: &[u8], headers: &HeaderMap) -> Result<(&'static Encoding, String), String> {
    if let Some((encoding, _)) = Encoding::for_bom(body) {
        return Ok((encoding, ", as its byte order mark says".to_owned()));
    }
    let declared = headers.get(CONTENT_TYPE).and_then(|value| parameter(value.as_bytes()));
    let named = declared.map(|label| (label, "Content-Type")).or_else(|| {
        let markup =
            !body.is_ascii() && ["html", "xml"].iter().any(|kind| media_type(headers).ends_with(kind));
        let label = markup.then(|| prescan(&body[..body.len().min(PRESCAN)])).flatten()?;
        Some((label, "document"))
    });
    let Some((label, whose)) = named else { return Ok((UTF_8, String::new())) };
    match Encoding::for_label(&label) {
        Some(encoding) if encoding != REPLACEMENT => Ok((encoding, format!(", as its {whose} says"))),
        // An unknown name does no harm if the bytes are valid UTF-8.
        _ if std::str::from_utf8(body).is_ok() => Ok((UTF_8, String::new())),
        _ => Err(format!(
            "the body is not text: its {whose} declares the charset {:?}, which is not known",
            String::from_utf8_lossy(&label)
        )),
    }
}

/// The first parameter `charset` of a Content-Type, quoted or not.
fn parameter(content_type: &[u8]) -> Option<Vec<u8>> {
    let mut rest = content_type;
    while let Some(at) = end_of_parameter(rest) {
        rest = rest[at + 1..].trim_ascii_start();
        let equals = rest.iter().position(|byte| *byte == b'=')?;
        if rest[..equals].trim_ascii().eq_ignore_ascii_case(b"charset") {
            let value = &rest[equals + 1..];
            let value = value[..end_of_parameter(value).unwrap_or(value.len())].trim_ascii();
            let unquoted = value
                .iter()
                .filter(|byte| !matches!(byte, b'"' | b'\'' | b'\\'))
                .copied()
                .collect::<Vec<_>>();
            return (!unquoted.is_empty()).then_some(unquoted);
        }
    }
    None
}

/// The next semicolon outside quotes.
fn end_of_parameter(text: &[u8]) -> Option<usize> {
    let mut quoted = false;
    text.iter().position(|byte| {
        quoted ^= *byte == b'"';
        *byte == b';' && !quoted
    })
}

/// The charset in `<meta charset="…">`, `<meta … content="…; charset=…">` or `<?xml … encoding="…"?>`.
fn prescan(start: &[u8]) -> Option<Vec<u8>> {
    let lower = start.to_ascii_lowercase();
    let find = |from: usize, what: &[u8]| {
        lower[from..].windows(what.len()).position(|window| window == what).map(|at| from + at)
    };
    let value = |from: usize, name: &[u8], end: usize| {
        let at = find(from, name).filter(|at| *at < end)? + name.len();
        let rest = lower[at..end].trim_ascii_start().strip_prefix(b"=")?.trim_ascii_start();
        let rest = rest.strip_prefix(b"\"").or_else(|| rest.strip_prefix(b"'")).unwrap_or(rest);
        let length = rest.iter().position(|byte| {
            matches!(byte, b'"' | b'\'' | b';' | b'>' | b'/' | b'?') || byte.is_ascii_whitespace()
        });
        Some(rest[..length.unwrap_or(rest.len())].to_vec()).filter(|label| !label.is_empty())
    };
    if lower.starts_with(b"<?xml") {
        return value(0, b"encoding", find(0, b"?>")?);
    }
    let mut from = 0;
    while let Some(tag) = find(from, b"<meta") {
        let end = find(tag, b">")?;
        if let Some(label) = value(tag, b"charset", end) {
            // Markup that can be read as ASCII is not in UTF-16.
            return Some(if label.starts_with(b"utf-16") { b"utf-8".to_vec() } else { label });
        }
        from = end;
    }
    None
}

fn described(headers: &HeaderMap) -> String {
    match media_type(headers) {
        none if none.is_empty() => "the response".to_owned(),
        media_type => media_type,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(content_type: &str) -> HeaderMap {
        let value = HeaderValue::from_bytes(content_type.as_bytes()).expect("a header");
        if content_type.is_empty() { HeaderMap::new() } else { [(CONTENT_TYPE, value)].into_iter().collect() }
    }

    #[test]
    fn the_byte_order_mark_then_the_declaration_then_utf_8() {
        let ok = |body: &[u8], content_type: &str, expected: &str| {
            assert_eq!(text(body, &headers(content_type)).as_deref(), Ok(expected), "{content_type}");
        };
        for label in ["ISO-8859-1", "\"iso-8859-1\"", "latin1", "windows-1252 ", "'l1'", "L1; x=y"] {
            ok(b"Caf\xe9", &format!("text/html; x=\";charset=utf-8\"; ChArSeT={label}"), "Café");
        }
        ok("Café".as_bytes(), "", "Café");
        ok(b"\xef\xbb\xbfa", "text/plain; charset=latin1", "a");
        ok(b"\xff\xfea\0\xe9\0", "application/json", "aé");
        ok(b"\xfe\xff\0a", "text/plain; charset=utf-8", "a");
        ok(b"a\0", "text/plain; charset=utf-16", "a");
        ok(b"\x83e\x83X", "text/plain; charset=Shift_JIS", "テス");
        ok("Café".as_bytes(), "text/plain; charset=nonsense", "Café");
        ok("Café".as_bytes(), "text/plain; charset=", "Café");
        ok(b"", "text/plain; charset=nonsense", "");
    }

    #[test]
    fn bodies_that_are_not_text_fail_with_a_reason() {
        let wrong = |body: &[u8], content_type: &str, why: &str| {
            let error = text(body, &headers(content_type)).expect_err("it is not text");
            assert!(error.starts_with("the body is not text: ") && error.contains(why), "{error}");
        };
        wrong(b"\x89PNG", "image/png", "byte 1 (0x89) is not UTF-8, and image/png declares no charset");
        wrong(b"a\xe9", "", "and the response declares no charset");
        wrong(b"a\xe9", "text/plain; charset=utf-8", "not UTF-8, as its Content-Type says");
        wrong(b"a\xe9", "text/plain; charset=klingon", "the charset \"klingon\"");
        wrong(b"\x83", "text/plain; charset=shift_jis", "not Shift_JIS");
        wrong(b"\xff", "text/plain; charset=iso-2022-kr", "iso-2022-kr");
    }

    #[test]
    fn documents_declare_their_charset_themselves() {
        for document in [
            &b"<!doctype html><META name=x><meta Charset='ISO-8859-1'>Caf\xe9"[..],
            b"<meta http-equiv=content-type content=\"text/html; charset=latin1\">Caf\xe9",
        ] {
            assert!(text(document, &headers("text/html")).is_ok_and(|text| text.ends_with("Café")));
            assert!(text(document, &headers("text/plain")).is_err(), "it is not a document");
        }
        let xml = b"<?xml version='1.0' encoding='iso-8859-15'?><a>\xa4</a>";
        assert!(text(xml, &headers("application/xml")).is_ok_and(|text| text.contains('€')));
    }

    #[test]
    fn refusals_are_decoded_for_people() {
        assert_eq!(readable(b"Caf\xe9", false, &headers("text/html")).as_deref(), Some("Café"));
        assert_eq!(
            readable(b"Caf\xe9", false, &headers("text/html; charset=utf-8")).as_deref(),
            Some("Café")
        );
        assert_eq!(readable(b"Caf\xc3", true, &headers("")).as_deref(), Some("Caf"));
        assert_eq!(readable(b"\x89PNG", false, &headers("image/png")), None);
    }
}
