//! The sizes of texts, and their lines.

/// The height of a line, and the font size to which it belongs.
pub(super) const LINE: f64 = 15.0;
pub(super) const SIZE: f64 = 12.0;
/// The font size of all texts but names, in relation to that of names.
pub(super) const SMALL: f64 = 11.0 / 12.0;

/// The width of a text in the font size [`SIZE`]. It is measured for a wide font, so that the text also fits in
/// others.
pub(super) fn width(text: &str) -> f64 {
    text.chars().map(advance).sum::<f64>() * SIZE
}

/// The width of a letter in relation to the font size, as in DejaVu Sans.
fn advance(c: char) -> f64 {
    match c {
        'i' | 'j' | 'l' | '\'' | '|' => 0.29,
        ' ' | ',' | '.' => 0.32,
        'I' | ':' | ';' | '/' | '\\' | '-' => 0.37,
        'f' | 't' | 'r' | 'J' | '(' | ')' | '[' | ']' | '!' => 0.42,
        '"' | '_' | '*' | 's' | 'z' | 'v' | 'x' | 'y' | 'c' | 'k' | '?' => 0.60,
        'a'..='z' if c != 'm' && c != 'w' => 0.64,
        '0'..='9' | '$' | '{' | '}' => 0.64,
        'w' | '=' | '<' | '>' | '+' | '~' | '#' | '^' => 0.84,
        'm' | '%' | '@' | 'W' => 1.0,
        'M' | 'O' | 'Q' | 'D' | 'G' | 'H' | 'N' | 'U' | '&' => 0.87,
        'A'..='Z' => 0.72,
        // Latin letters with accents, Greek and Cyrillic are as wide as others; everything else may be wider.
        '\u{a0}'..='\u{5ff}' | '\u{2010}'..='\u{2027}' => 0.75,
        _ => 1.05,
    }
}

/// The lines of a text, none of them wider than `most`. Breaks are between words, then in names between their
/// parts, then anywhere.
pub(super) fn wrap(text: &str, most: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for piece in pieces(text) {
        let mut piece = piece;
        if width(&(line.clone() + piece.trim_end())) <= most {
            line.push_str(piece);
            continue;
        }
        if !line.trim().is_empty() {
            lines.push(line.trim().to_owned());
            line = String::new();
        }
        while width(piece.trim_end()) > most {
            let mut length = 0;
            for (at, c) in piece.char_indices() {
                if at > 0 && width(&piece[..at + c.len_utf8()]) > most {
                    break;
                }
                length = at + c.len_utf8();
            }
            lines.push(piece[..length].to_owned());
            piece = &piece[length..];
        }
        line.push_str(piece);
    }
    if !line.trim().is_empty() || lines.is_empty() {
        lines.push(line.trim().to_owned());
    }
    lines
}

/// The pieces between which a line may end. Each begins a word or a part of a name.
fn pieces(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let (mut start, mut before) = (0, ' ');
    for (at, c) in text.char_indices() {
        let part = before.is_lowercase() && c.is_uppercase() || matches!(before, '_' | '-' | '.' | '/' | ':');
        let word = before.is_whitespace() && !c.is_whitespace();
        // A short rest of a name is not worth a line.
        if at > 0 && (word || part && c.is_alphanumeric()) {
            pieces.push(&text[start..at]);
            start = at;
        }
        before = c;
    }
    pieces.push(&text[start..]);
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_broken_between_words_and_parts_of_names() {
        assert_eq!(wrap("Validate the order", 90.0), ["Validate the", "order"]);
        assert_eq!(wrap("ValidateTheCustomerOrder", 110.0), ["ValidateThe", "CustomerOrder"]);
        assert_eq!(wrap("", 50.0), [""]);
        for text in
            ["x".repeat(80), "質問に答える".repeat(8), "a b ".repeat(30), "$.a.b.c[0].d == 'x y'".repeat(5)]
        {
            let lines = wrap(&text, 100.0);
            assert!(lines.iter().all(|line| width(line) <= 100.0), "{lines:?}");
            let plain = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
            assert_eq!(plain(&lines.concat()), plain(&text));
        }
    }
}
