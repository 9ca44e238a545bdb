//! Text from others, made safe to show.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Makes every character visible that a terminal or an editor would obey: control characters, except line
/// breaks and tabs, and characters that change the direction of text. They become `\uXXXX`, which means the
/// same within JSON.
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains(must_be_visible) {
        return Cow::Borrowed(text);
    }
    let mut visible = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if must_be_visible(character) {
            write!(visible, "\\u{:04x}", u32::from(character)).expect("writing to memory does not fail");
        } else {
            visible.push(character);
        }
    }
    Cow::Owned(visible)
}

/// [`visible`], on one line.
pub fn one_line(text: &str) -> Cow<'_, str> {
    match visible(text) {
        text if text.contains(['\n', '\t']) => Cow::Owned(text.replace(['\n', '\t'], " ")),
        text => text,
    }
}

fn must_be_visible(character: char) -> bool {
    match character {
        '\n' | '\t' => false,
        '\u{61c}'
        | '\u{200e}'
        | '\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}'
        | '\u{feff}' => true,
        character => character.is_control(),
    }
}

/// The first `most` characters of a text, and an ellipsis where there are more.
pub fn excerpt(text: &str, most: usize) -> Cow<'_, str> {
    match text.char_indices().nth(most) {
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
        None => Cow::Borrowed(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_control_characters_are_replaced() {
        for text in ["", "Café, 東京\tא\n", "👩‍👩‍👧", "a\u{200d}b"] {
            assert!(matches!(visible(text), Cow::Borrowed(same) if same == text));
        }
        assert_eq!(visible("a\x1b[31m\u{202e}b\u{9b}\r\x7f"), "a\\u001b[31m\\u202eb\\u009b\\u000d\\u007f");
        assert_eq!(one_line("a\nb\tc\0"), "a b c\\u0000");
    }

    #[test]
    fn an_excerpt_ends_with_an_ellipsis_where_text_is_cut() {
        assert_eq!(excerpt("Café", 4), "Café");
        assert_eq!(excerpt("Cafés", 4), "Café…");
        assert_eq!(excerpt("", 0), "");
    }
}
