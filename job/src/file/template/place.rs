//! The part of a request that a template is for, which decides how its placeholders are encoded.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

use super::{calculate, operators};

const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// The bytes above which literal text is counted, since a loop may write it many times.
const LONG_LITERAL: usize = 256;

/// The part of a request that a template is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The URL: values are percent-encoded as one component. A placeholder at the very beginning is not
    /// encoded.
    Url,
    /// A header's value: values are not encoded. Line breaks are refused when the request is built.
    Header,
    /// A JSON body: values print as JSON, and inside quotes as escaped text.
    Json,
    /// A form body (`application/x-www-form-urlencoded`): values are percent-encoded.
    Form,
    /// Any other text: values are not encoded.
    Text,
}

/// Everything but RFC 3986's unreserved characters as `%XX`, piece by piece.
pub(super) fn percent_encoded(text: &str) -> impl Iterator<Item = &str> {
    percent_encode(text.as_bytes(), RESERVED)
}

/// Puts a filter around each placeholder that needs one: at the beginning of a URL, and inside the quotes of
/// a JSON body. Operators and long texts become filters that count what they make.
pub(super) fn prepare(source: &str, place: Place) -> String {
    let mut prepared = String::with_capacity(source.len() + 32);
    let counts = source.contains("{%");
    let mut quoted = false;
    let mut rest = source;
    while let Some(start) = rest.find("{{").into_iter().chain(rest.find("{%")).chain(rest.find("{#")).min() {
        let (literal, tail) = rest.split_at(start);
        quoted = ends_in_string(literal, quoted);
        push_literal(&mut prepared, literal, counts, false);
        let close = match tail.as_bytes()[1] {
            b'{' => "}}",
            b'%' => "%}",
            _ => "#}",
        };
        let Some(end) = find_close(tail, close) else {
            rest = tail;
            break;
        };
        let (tag, after) = tail.split_at(end);
        rest = after;
        if close == "#}" {
            prepared.push_str(tag);
            continue;
        }
        let prepared_tag = calculate::prepare(tag);
        let inner = &prepared_tag[2..prepared_tag.len() - 2];
        let (left, inner) = split_mark(inner, |inner| inner.strip_prefix(['-', '+']), false);
        let (right, inner) = split_mark(inner, |inner| inner.strip_suffix(['-', '+']), true);
        let guarded = operators::guarded(inner);
        let expression = guarded.as_deref().unwrap_or(inner);
        let filter = match place {
            _ if close == "%}" => "",
            Place::Url if prepared.is_empty() => "safe",
            Place::Json if quoted => "__inside_json",
            _ => "",
        };
        if filter.is_empty() {
            prepared.push_str(&tag[..2]);
            prepared.push_str(left);
            prepared.push_str(expression);
            prepared.push_str(right);
            prepared.push_str(close);
        } else {
            prepared.push_str(&format!("{{{{{left} ({expression}) | {filter} {right}}}}}"));
        }
        if close == "%}"
            && inner.trim() == "raw"
            && let Some((raw, end_of_raw)) = raw_block(after)
        {
            quoted = ends_in_string(raw, quoted);
            push_literal(&mut prepared, raw, counts, true);
            prepared.push_str(end_of_raw);
            rest = &after[raw.len() + end_of_raw.len()..];
        }
    }
    push_literal(&mut prepared, rest, counts, false);
    prepared
}

/// The white-space mark at one side of a tag, and the rest of the tag.
fn split_mark<'a>(
    inner: &'a str,
    strip: impl Fn(&'a str) -> Option<&'a str>,
    at_end: bool,
) -> (&'a str, &'a str) {
    match strip(inner) {
        Some(stripped) if at_end => (&inner[stripped.len()..], stripped),
        Some(stripped) => (&inner[..inner.len() - stripped.len()], stripped),
        None => ("", inner),
    }
}

/// The text before `{% endraw %}`, and that tag.
fn raw_block(text: &str) -> Option<(&str, &str)> {
    text.match_indices("{%").find_map(|(start, _)| {
        let end = start + text[start..].find("%}")? + 2;
        (text[start + 2..end - 2].trim_matches(['-', '+']).trim() == "endraw")
            .then(|| (&text[..start], &text[start..end]))
    })
}

/// A long literal gets a placeholder in its middle that counts its bytes and writes nothing.
fn push_literal(prepared: &mut String, literal: &str, counts: bool, raw: bool) {
    let middle = |at: &usize| {
        let black = |c: Option<char>| c.is_some_and(|c| !c.is_whitespace() && c != '{');
        literal.is_char_boundary(*at)
            && black(literal[..*at].chars().next_back())
            && black(literal[*at..].chars().next())
    };
    let split = (literal.len() / 2..literal.len()).chain((1..literal.len() / 2).rev()).find(middle);
    match split.filter(|_| counts && literal.len() > LONG_LITERAL) {
        None => prepared.push_str(literal),
        Some(at) => {
            let (begin, end) = if raw { ("{% endraw %}", "{% raw %}") } else { ("", "") };
            let bytes = literal.len();
            prepared.push_str(&literal[..at]);
            prepared.push_str(&format!("{begin}{{{{ {bytes} | __spent }}}}{end}"));
            prepared.push_str(&literal[at..]);
        }
    }
}

/// The column's name when the source is `{{ name }}` and nothing else.
pub(super) fn single_column(source: &str) -> Option<&str> {
    let name = source.trim().strip_prefix("{{")?.strip_suffix("}}")?.trim();
    let mut characters = name.chars();
    let first = characters.next()?;
    let identifier =
        (first.is_alphabetic() || first == '_') && characters.all(|c| c.is_alphanumeric() || c == '_');
    let keyword = matches!(
        name,
        "true" | "false" | "none" | "True" | "False" | "None" | "row" | "secret" | "not" | "loop"
    );
    (identifier && !keyword).then_some(name)
}

/// The byte after the closing mark. String literals and brackets of the expression are skipped.
fn find_close(tag: &str, close: &str) -> Option<usize> {
    let bytes = tag.as_bytes();
    let mut quote = None;
    let mut depth = 0_usize;
    let mut at = 2;
    while at < bytes.len() {
        match (quote, bytes[at]) {
            _ if close == "#}" && !bytes[at..].starts_with(b"#}") => {}
            (Some(_), b'\\') => at += 1,
            (Some(open), byte) if byte == open => quote = None,
            (None, byte @ (b'"' | b'\'')) => quote = Some(byte),
            (None, _) if depth == 0 && bytes[at..].starts_with(close.as_bytes()) => return Some(at + 2),
            (None, b'(' | b'[' | b'{') => depth += 1,
            (None, b')' | b']' | b'}') => depth = depth.saturating_sub(1),
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
