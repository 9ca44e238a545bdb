//! A text with one kind of escapes decoded, and the place that each of its bytes comes from.

use std::borrow::Cow;

/// A kind of escapes.
#[derive(Debug, Clone, Copy)]
pub(super) enum View {
    /// `%2f`, and `+` for a space.
    Percent,
    /// `\/`, `\u002f`, `\n`.
    Backslash,
    /// `&amp;`, `&#47;`, `&#x2f;`.
    Entity,
}

pub(super) const ALL: [View; 3] = [View::Percent, View::Backslash, View::Entity];

/// Names of the characters that markup must escape.
const ENTITIES: [(&[u8], char); 6] =
    [(b"amp", '&'), (b"lt", '<'), (b"gt", '>'), (b"quot", '"'), (b"apos", '\''), (b"nbsp", '\u{a0}')];

impl View {
    /// Whether the text has such escapes.
    pub(super) fn applies(self, text: &[u8]) -> bool {
        match self {
            Self::Percent => text.iter().any(|byte| matches!(byte, b'%' | b'+')),
            Self::Backslash => text.contains(&b'\\'),
            Self::Entity => text.contains(&b'&'),
        }
    }

    /// The decoded text, and for each of its bytes, and for its end, the place in the text.
    pub(super) fn of(self, text: &[u8]) -> (Vec<u8>, Vec<usize>) {
        let (mut plain, mut places) = (Vec::with_capacity(text.len()), Vec::with_capacity(text.len() + 1));
        let mut at = 0;
        while at < text.len() {
            let (bytes, length) = self.unescape(&text[at..]).unwrap_or((Cow::Borrowed(&text[at..=at]), 1));
            plain.extend_from_slice(&bytes);
            places.resize(plain.len(), at);
            at += length;
        }
        places.push(text.len());
        (plain, places)
    }

    /// The bytes that the escape at the beginning encodes, and the escape's length.
    fn unescape(self, text: &[u8]) -> Option<(Cow<'static, [u8]>, usize)> {
        let character = |character: char| Cow::Owned(character.encode_utf8(&mut [0; 4]).as_bytes().to_vec());
        match (self, text[0]) {
            (Self::Percent, b'+') => Some((Cow::Borrowed(b" "), 1)),
            (Self::Percent, b'%') => Some((Cow::Owned(vec![u8::try_from(hex(text.get(1..3)?)?).ok()?]), 3)),
            (Self::Backslash, b'\\') => match text.get(1)? {
                b'u' => {
                    let first = hex(text.get(2..6)?)?;
                    let second = text
                        .get(6..)
                        .and_then(|rest| rest.strip_prefix(b"\\u"))
                        .and_then(|rest| hex(rest.get(..4)?));
                    match (first, second) {
                        (0xd800..0xdc00, Some(second @ 0xdc00..0xe000)) => Some((
                            character(char::from_u32(
                                0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00),
                            )?),
                            12,
                        )),
                        _ => Some((character(char::from_u32(first)?), 6)),
                    }
                }
                b'x' => Some((character(char::from_u32(hex(text.get(2..4)?)?)?), 4)),
                b'n' => Some((Cow::Borrowed(b"\n"), 2)),
                b't' => Some((Cow::Borrowed(b"\t"), 2)),
                b'r' => Some((Cow::Borrowed(b"\r"), 2)),
                byte @ (b'"' | b'\'' | b'\\' | b'/') => Some((Cow::Owned(vec![*byte]), 2)),
                _ => None,
            },
            (Self::Entity, b'&') => {
                let end = text.iter().take(12).position(|byte| *byte == b';')?;
                let name = &text[1..end];
                let number = match name.strip_prefix(b"#") {
                    Some([b'x' | b'X', digits @ ..]) => hex(digits),
                    Some(digits) => std::str::from_utf8(digits).ok()?.parse().ok(),
                    None => ENTITIES
                        .iter()
                        .find(|(known, _)| *known == name)
                        .map(|(_, character)| u32::from(*character)),
                };
                Some((character(char::from_u32(number?)?), end + 1))
            }
            _ => None,
        }
    }
}

fn hex(digits: &[u8]) -> Option<u32> {
    if digits.is_empty() || digits.len() > 8 {
        return None;
    }
    digits.iter().try_fold(0_u32, |number, digit| {
        number.checked_mul(16)?.checked_add(char::from(*digit).to_digit(16)?)
    })
}
