//! The one rule for the URL of a request, from a line's text.

use url::{ParseError, Url};

use crate::text::excerpt;

/// The longest URL that the HTTP client can send, in bytes.
const MAX_URL: usize = 65_000;
/// Characters of a URL that an error proposes.
const PROPOSED: usize = 200;

/// Reads the URL of a request: absolute, http or https, with a host, and not too long.
///
/// # Errors
/// In words, why the text is not such a URL. Where the mistake is clear, the error proposes the correct URL.
/// Otherwise it does not quote the text, which may hold a secret.
pub fn absolute_url(text: &str) -> Result<Url, String> {
    let url = read(text)?;
    if url.as_str().len() > MAX_URL {
        return Err("the URL is longer than 65,000 bytes".to_owned());
    }
    Ok(url)
}

fn read(text: &str) -> Result<Url, String> {
    let url = match Url::parse(text) {
        Err(ParseError::RelativeUrlWithoutBase) => return Err(without_scheme(text)),
        Err(error) => return Err(format!("not an absolute http or https URL: {error}")),
        Ok(url) => url,
    };
    if !matches!(url.scheme(), "http" | "https") {
        // `localhost:8080/x` is read as the scheme `localhost`.
        let port = text
            .split_once(':')
            .map_or("", |(_, rest)| rest.split(['/', '?', '#']).next().unwrap_or_default());
        let has_port = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
        return Err(if has_port {
            without_scheme(text)
        } else {
            format!("the scheme {:?} is neither http nor https", url.scheme())
        });
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err("the URL has no host".to_owned());
    }
    Ok(url)
}

fn without_scheme(text: &str) -> String {
    let text = text.trim();
    let rest = text.trim_start_matches('/');
    let host = rest.split(['/', '?', '#', ':']).next().unwrap_or_default();
    let is_host = host == "localhost"
        || (host.contains('.') && !host.starts_with('.') && !host.contains(char::is_whitespace));
    let proposed = format!("https://{rest}");
    if is_host && text.len() - rest.len() != 1 && Url::parse(&proposed).is_ok() {
        format!("the URL has no scheme, https:// is missing: {}?", excerpt(&proposed, PROPOSED))
    } else {
        "the URL has no scheme: it must begin with https:// or http://".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_about_a_missing_scheme_proposes_the_url_with_one() {
        for (text, proposed) in [
            ("www.example.com", "https://www.example.com?"),
            ("example.com/a?b", "https://example.com/a?b?"),
            ("example.com:8080/x", "https://example.com:8080/x?"),
            ("localhost:8080", "https://localhost:8080?"),
            ("//example.com/x", "https://example.com/x?"),
        ] {
            assert_eq!(
                absolute_url(text).err(),
                Some(format!("the URL has no scheme, https:// is missing: {proposed}")),
                "{text}"
            );
        }
        for text in ["nonsense", "/path/x.html", "two words", ""] {
            assert_eq!(
                absolute_url(text).err().as_deref(),
                Some("the URL has no scheme: it must begin with https:// or http://"),
                "{text}"
            );
        }
    }

    #[test]
    fn only_http_urls_of_a_sendable_length_are_requested() {
        for (text, reason) in [
            ("ftp://a.example", "the scheme \"ftp\" is neither http nor https"),
            ("mailto:a@b.example", "the scheme \"mailto\" is neither http nor https"),
        ] {
            assert_eq!(absolute_url(text).err().as_deref(), Some(reason), "{text}");
        }
        assert!(absolute_url("https://a.example/x").is_ok());
        let long = |length: usize| format!("https://a.example/{}", "x".repeat(length - 18));
        assert!(absolute_url(&long(MAX_URL)).is_ok());
        assert_eq!(
            absolute_url(&long(MAX_URL + 1)).err().as_deref(),
            Some("the URL is longer than 65,000 bytes")
        );
    }
}
