//! Where in a request a template stands, and what that does to its placeholders.

use super::exact;

/// Where in a request a template stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The URL: values are percent-encoded as one component; a placeholder at the very beginning is the URL's beginning, as it is.
    Url,
    /// A header's value: as it is (line breaks are refused when the request is built).
    Header,
    /// A JSON body: values print as JSON, and inside quotes as escaped text.
    Json,
    /// A form body (`application/x-www-form-urlencoded`): values are percent-encoded.
    Form,
    /// Any other text: as it is.
    Text,
}

/// Everything but RFC 3986's unreserved characters becomes `%XX`.
pub(super) fn percent_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len() + 8);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            for digit in [byte >> 4, byte & 15] {
                encoded.push(char::from(b"0123456789ABCDEF"[usize::from(digit)]));
            }
        }
    }
    encoded
}

/// Wraps the placeholders that their surroundings treat specially in a filter: the one at the beginning of a URL,
/// and those inside the quotes of a JSON body.
pub(super) fn prepare(source: &str, place: Place) -> String {
    let mut prepared = String::with_capacity(source.len() + 32);
    let mut quoted = false;
    let mut rest = source;
    while let Some(start) = rest.find("{{").into_iter().chain(rest.find("{%")).chain(rest.find("{#")).min() {
        let (literal, tail) = rest.split_at(start);
        quoted = ends_in_string(literal, quoted);
        prepared.push_str(literal);
        let close = match tail.as_bytes()[1] {
            b'{' => "}}",
            b'%' => "%}",
            _ => "#}",
        };
        let Some(end) = find_close(tail, close) else { break };
        let (tag, after) = tail.split_at(end);
        let filter = match place {
            Place::Url if prepared.is_empty() => "safe",
            Place::Json if quoted => "__inside_json",
            _ => "",
        };
        let tag = if close == "#}" { tag.into() } else { exact::prepare(tag) };
        match (close, filter) {
            ("}}", "") | ("%}" | "#}", _) => prepared.push_str(&tag),
            (_, filter) => {
                let inner = &tag[2..tag.len() - 2];
                let (left, inner) = inner.strip_prefix('-').map_or(("", inner), |inner| ("-", inner));
                let (inner, right) = inner.strip_suffix('-').map_or((inner, ""), |inner| (inner, "-"));
                prepared.push_str(&format!("{{{{{left} ({inner}) | {filter} {right}}}}}"));
            }
        }
        rest = after;
    }
    prepared.push_str(rest);
    prepared
}

/// The column's name when the source is `{{ name }}` and nothing else.
pub(super) fn single_column(source: &str) -> Option<&str> {
    let name = source.trim().strip_prefix("{{")?.strip_suffix("}}")?.trim();
    let mut characters = name.chars();
    let first = characters.next()?;
    let identifier = (first.is_ascii_alphabetic() || first == '_') && characters.all(|c| c.is_ascii_alphanumeric() || c == '_');
    let keyword = matches!(name, "true" | "false" | "none" | "True" | "False" | "None" | "row" | "secret" | "not" | "loop");
    (identifier && !keyword).then_some(name)
}

/// Byte after the closing mark, passing over string literals of the expression.
fn find_close(tag: &str, close: &str) -> Option<usize> {
    let bytes = tag.as_bytes();
    let mut quote = None;
    let mut at = 2;
    while at < bytes.len() {
        match (quote, bytes[at]) {
            (Some(_), b'\\') => at += 1,
            (Some(open), byte) if byte == open => quote = None,
            (None, byte @ (b'"' | b'\'')) if close != "#}" => quote = Some(byte),
            (None, _) if bytes[at..].starts_with(close.as_bytes()) => return Some(at + 2),
            _ => {}
        }
        at += 1;
    }
    None
}

/// Whether a JSON text that began inside a string (or not) ends inside one.
fn ends_in_string(text: &str, mut inside: bool) -> bool {
    let mut escaped = false;
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if inside => escaped = true,
            b'"' => inside = !inside,
            _ => {}
        }
    }
    inside
}
