//! Describes text that is not JSON in the words of Jackson, the parser that AWS uses.

/// Jackson's message and source for an error at `offset`. `message` is the engine's own.
pub(super) fn described(text: &str, offset: usize, message: &str) -> (String, String) {
    /// The characters of the source that Jackson shows.
    const SHOWN: usize = 500;
    let word = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    let start = text[..offset]
        .rfind(|c| !word(c))
        .map_or(0, |at| at + text[at..].chars().next().map_or(0, char::len_utf8));
    let end = text[offset..].find(|c| !word(c)).map_or(text.len(), |at| offset + at);
    let token = &text[start..end];
    let expected = "was expecting (JSON String, Number, Array, Object or token 'null', 'true' or 'false')";
    let (message, stands) = if token.starts_with(char::is_alphabetic) {
        (format!("Unrecognized token '{token}': {expected}"), end)
    } else {
        (message.to_owned(), offset)
    };
    let before = &text[..stands];
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    let shown: String = text.chars().take(SHOWN).collect();
    let left = text.chars().count().saturating_sub(SHOWN);
    let left = if left > 0 { format!("[truncated {left} chars]") } else { String::new() };
    (message, format!("[Source: (String)\"{shown}\"{left}; line: {line}, column: {column}]"))
}
