//! Text of others, made safe to show.

use std::borrow::Cow;
use std::fmt::Write as _;

/// The text with every character visible that a terminal or an editor takes for an order: control characters but line breaks and
/// tabs, and those that turn the direction of text. They become `\uXXXX`, which means the same within JSON.
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains(is_order) {
        return Cow::Borrowed(text);
    }
    let mut visible = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_order(character) {
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

fn is_order(character: char) -> bool {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_become_visible_and_text_stays() {
        for text in ["", "Café, 東京\tא\n", "👩‍👩‍👧", "a\u{200d}b"] {
            assert!(matches!(visible(text), Cow::Borrowed(same) if same == text));
        }
        assert_eq!(visible("a\x1b[31m\u{202e}b\u{9b}\r\x7f"), "a\\u001b[31m\\u202eb\\u009b\\u000d\\u007f");
        assert_eq!(one_line("a\nb\tc\0"), "a b c\\u0000");
    }
}
