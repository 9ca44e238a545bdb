//! From a line's text to a URL that can be requested.

use url::{ParseError, Url};

/// Reads an absolute http or https URL.
///
/// # Errors
/// In words, why it is none, and what it should be where that can be told.
pub fn absolute_url(text: &str) -> Result<Url, String> {
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
        let proposed: String = proposed.chars().take(200).collect();
        format!("the URL has no scheme, https:// is missing: {proposed}?")
    } else {
        "the URL has no scheme: it must begin with https:// or http://".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_without_a_scheme_is_named_with_one() {
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
        assert_eq!(
            absolute_url("ftp://a.example").err().as_deref(),
            Some("the scheme \"ftp\" is neither http nor https")
        );
        assert_eq!(
            absolute_url("mailto:a@b.example").err().as_deref(),
            Some("the scheme \"mailto\" is neither http nor https")
        );
        assert!(absolute_url("https://a.example/x").is_ok());
    }
}
