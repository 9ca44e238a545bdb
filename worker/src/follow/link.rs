//! The header `Link` (RFC 8288).

/// The target of the first link with the relation `next`.
pub(super) fn next_link(header: &str) -> Option<String> {
    let mut rest = header;
    while let Some((_, link)) = rest.split_once('<') {
        let (target, parameters) = link.split_once('>')?;
        let end = end_of_parameters(parameters);
        if has_relation(&parameters[..end], "next") {
            return Some(target.trim().to_owned());
        }
        rest = &parameters[end..];
    }
    None
}

/// Where the parameters of a link end: at the comma that is not in quotes.
fn end_of_parameters(text: &str) -> usize {
    let (mut quoted, mut escaped) = (false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ',' if !quoted => return at,
            _ => {}
        }
    }
    text.len()
}

fn has_relation(parameters: &str, wanted: &str) -> bool {
    parameters.split(';').any(|parameter| {
        let Some((name, value)) = parameter.split_once('=') else { return false };
        let value = value.trim().trim_matches('"');
        name.trim().eq_ignore_ascii_case("rel")
            && value.split_ascii_whitespace().any(|relation| relation.eq_ignore_ascii_case(wanted))
    })
}

#[cfg(test)]
mod tests {
    use super::next_link;

    #[test]
    fn the_next_link_is_found() {
        for (header, expected) in [
            ("<https://a.example/?page=2>; rel=\"next\"", Some("https://a.example/?page=2")),
            ("</first>; rel=first, </x?a=1,2>; title=\"a, <b>\"; rel=\"last Next\"", Some("/x?a=1,2")),
            ("<a>; rel=prev, <b>;rel=next", Some("b")),
            ("<a>; rel=\"nextish\"", None),
            ("", None),
            ("<a; rel=next", None),
        ] {
            assert_eq!(next_link(header).as_deref(), expected, "{header}");
        }
    }
}
