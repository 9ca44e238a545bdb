//! The host of a URL template that no line can change.

use url::Url;

use super::limit_key;

/// What a URL template says about the host.
pub(super) enum Authority {
    /// The host of every rendered URL: `host` or `host:port`.
    Fixed(String),
    /// A line decides the host. The text is the beginning of the host, as far as the template has one.
    Open(String),
}

/// Reads the scheme and the authority of a template.
pub(super) fn read(source: &str) -> Result<Authority, String> {
    let start = ["{{", "{%", "{#"].iter().filter_map(|mark| source.find(mark)).min();
    let literal = &source[..start.unwrap_or(source.len())];
    if literal.is_empty() && start.is_some() {
        return Ok(Authority::Open(String::new()));
    }
    let Some((scheme, rest)) = literal.split_once("://") else {
        return Err(format!("the URL {source:?} must begin with http://, https:// or a placeholder"));
    };
    if !matches!(scheme.to_ascii_lowercase().as_str(), "http" | "https") {
        return Err(format!("{scheme:?} is not a scheme that can be requested: write http or https"));
    }
    let Some((user, host, whole)) = parts(&source[literal.len() - rest.len()..]) else {
        return Ok(Authority::Open(String::new()));
    };
    if !whole {
        return Ok(Authority::Open(host.to_owned()));
    }
    let user = if user { "user:password@" } else { "" };
    let url = Url::parse(&format!("{scheme}://{user}{host}/"))
        .map_err(|error| format!("bad URL {source:?}: {error}"))?;
    Ok(Authority::Fixed(limit_key(&url)))
}

/// Whether there is a user before the host, the host as far as it is written, and whether it ends there.
/// `None` when a line decides the whole host.
fn parts(text: &str) -> Option<(bool, &str, bool)> {
    let (mut at, mut host, mut user) = (0, 0, false);
    loop {
        let rest = &text[at..];
        let Some(next) = rest.find(['/', '?', '#', '\\', '@', '{']) else {
            return Some((user, &text[host..], true));
        };
        let end = at + next;
        match rest.as_bytes()[next] {
            b'@' => (at, host, user) = (end + 1, end + 1, true),
            b'{' => {
                // A percent-encoded value cannot end the user or the password. After `safe`, and in a tag,
                // anything may follow.
                let close = rest[next..].strip_prefix("{{").and_then(|_| rest[next..].find("}}"));
                let encoded = close.filter(|close| !rest[next..next + close].contains("safe"));
                let in_user = encoded.is_some_and(|close| at_sign_follows(&text[end + close + 2..]));
                if !in_user {
                    let host = &text[host..end];
                    return if host.is_empty() { None } else { Some((user, host, false)) };
                }
                at = end + encoded? + 2;
            }
            _ => return Some((user, &text[host..end], true)),
        }
    }
}

/// Whether an at sign follows in the authority: the placeholder before this text is then a part of the user
/// or the password.
fn at_sign_follows(text: &str) -> bool {
    let mut rest = text;
    loop {
        match rest.find(['/', '?', '#', '\\', '@', '{']).map(|at| (at, rest.as_bytes()[at])) {
            Some((_, b'@')) => return true,
            Some((at, b'{')) => match rest[at..].find("}}") {
                Some(close) => rest = &rest[at + close + 2..],
                None => return false,
            },
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixed(source: &str) -> Option<String> {
        match read(source).expect("a template") {
            Authority::Fixed(host) => Some(host),
            Authority::Open(_) => None,
        }
    }

    #[test]
    fn the_host_is_fixed_where_no_line_can_change_it() {
        for (source, host) in [
            ("https://api.example.com/{{ a }}", "api.example.com"),
            ("https://API.example.com", "api.example.com"),
            ("https://münchen.example/{{ a }}", "xn--mnchen-3ya.example"),
            ("https://api.example.com?q={{ a }}", "api.example.com"),
            ("http://{{ secret.U }}:{{ secret.P }}@127.0.0.1/{{ a }}", "127.0.0.1"),
            ("http://{{ secret.U }}:{{ secret.P }}@127.0.0.1:8080", "127.0.0.1:8080"),
            ("http://user:{{ secret.P }}@api.example.com/", "api.example.com"),
            ("http://{{ a }}@api.example.com/x@y", "api.example.com"),
        ] {
            assert_eq!(fixed(source).as_deref(), Some(host), "{source}");
        }
        for source in [
            "{{ url }}",
            "https://{{ host }}/",
            "https://api.example.com{{ path }}",
            "https://api.example.com:{{ port }}/",
            "https://{{ a }}:{{ b }}@{{ host }}/",
            "https://{{ a | safe }}@api.example.com/",
            "https://{% if a %}x{% endif %}@api.example.com/",
            "https://api.{{ a }}.example.com/",
            "https://{{ a }}@api.example.com{{ b }}/",
        ] {
            assert_eq!(fixed(source), None, "{source}");
        }
    }

    #[test]
    fn an_open_host_is_reported_as_far_as_it_is_written() {
        for (source, seen) in [
            ("https://api.example.com{{ p }}", "api.example.com"),
            ("https://{{ h }}/", ""),
            ("https://u@api.{{ p }}/", "api."),
        ] {
            assert!(matches!(read(source), Ok(Authority::Open(host)) if host == seen), "{source}");
        }
    }
}
