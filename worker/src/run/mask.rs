//! Keeps the values of secrets out of everything that is written. It is a safety net and not a proof: it
//! knows the forms in which servers echo values, but not every possible form.

mod views;

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use aho_corasick::{AhoCorasick, MatchKind};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use job::file::secrets::Secret;
use job::json::{Kind, Tape, write_string};

/// Tokens that are masked at a time: those before them have expired.
const TOKENS: usize = 8;
const MASK: &str = "***";
/// Secrets shorter than this are not masked, since they occur everywhere by chance.
const SHORTEST: usize = 4;
/// In the values of columns, which are data, only secrets are masked that are too long to occur by chance.
const LONG: usize = 8;
/// Bytes that are searched at a time, so that views of a text stay small.
const WINDOW: usize = 64 << 10;
/// The most bytes of a text that encode one byte of a secret: `&#x000070;`, `\u0070`.
const WIDEST: usize = 10;

/// The values of a job's secrets. New values can be added while the run lasts.
#[derive(Default)]
pub(crate) struct Mask(RwLock<Patterns>);

#[derive(Default)]
struct Patterns {
    values: Vec<String>,
    /// The tokens that the run got last.
    tokens: VecDeque<String>,
    all: Option<Forms>,
    long: Option<Forms>,
}

/// Secrets, as they are and in base64; other forms are decoded in the text that is searched.
struct Forms {
    search: AhoCorasick,
    /// Patterns from this one on are base64.
    base64: usize,
    longest: usize,
}

impl Mask {
    /// Masks these secrets too from now on.
    pub(crate) fn learn<'a>(&self, secrets: impl IntoIterator<Item = &'a Secret>) {
        let values = secrets.into_iter().flat_map(Secret::forms).map(str::to_owned);
        let mut patterns = self.0.write().unwrap_or_else(PoisonError::into_inner);
        patterns.values.extend(values.filter(|value| value.len() >= SHORTEST));
        patterns.build();
    }

    /// Masks a token from now on, until many others have come after it.
    pub(crate) fn learn_token(&self, token: &Secret) {
        let mut patterns = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if token.reveal().len() >= SHORTEST && !patterns.tokens.iter().any(|known| known == token.reveal()) {
            patterns.tokens.push_back(token.reveal().to_owned());
            if patterns.tokens.len() > TOKENS {
                patterns.tokens.pop_front();
            }
            patterns.build();
        }
    }

    /// A message without secrets.
    pub(crate) fn text(&self, text: &str) -> String {
        let patterns = self.patterns();
        patterns.all.as_ref().and_then(|forms| forms.mask(text)).unwrap_or_else(|| text.to_owned())
    }

    /// The JSON value at the end of `out`, from `from` on, without secrets.
    pub(crate) fn value(&self, out: &mut Vec<u8>, from: usize) {
        let patterns = self.patterns();
        let Some(forms) = &patterns.long else { return };
        let masked = std::str::from_utf8(&out[from..]).ok().and_then(|value| forms.mask_json(value));
        if let Some(masked) = masked {
            out.truncate(from);
            out.extend_from_slice(&masked);
        }
    }

    fn patterns(&self) -> RwLockReadGuard<'_, Patterns> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Patterns {
    fn build(&mut self) {
        let all: Vec<String> = self.values.iter().chain(&self.tokens).cloned().collect();
        self.long = Forms::new(all.iter().filter(|value| value.len() >= LONG).cloned().collect());
        self.all = Forms::new(all);
    }
}

impl Forms {
    fn new(mut values: Vec<String>) -> Option<Self> {
        values.sort();
        values.dedup();
        let mut patterns: Vec<Vec<u8>> = values.iter().map(|value| value.clone().into_bytes()).collect();
        let base64 = patterns.len();
        for value in &values {
            patterns.extend((0..3).flat_map(|before| in_base64(value.as_bytes(), before)));
        }
        let longest = patterns.iter().map(Vec::len).max()?;
        let search = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(&patterns).ok()?;
        Some(Self { search, base64, longest })
    }

    fn mask(&self, text: &str) -> Option<String> {
        let found = self.find(text.as_bytes());
        if found.is_empty() {
            return None;
        }
        let mut masked = String::with_capacity(text.len());
        let mut done = 0;
        for Range { start, end } in found {
            // A form of a secret may begin or end within a character.
            let start = text.floor_char_boundary(start).max(done);
            if start > done || done == 0 {
                masked.push_str(&text[done..start]);
                masked.push_str(MASK);
            }
            done = text.ceil_char_boundary(end).max(done);
        }
        masked.push_str(&text[done..]);
        Some(masked)
    }

    /// A JSON value whose strings, keys and numbers hold no secret.
    fn mask_json(&self, value: &str) -> Option<Vec<u8>> {
        if !value.contains('\\') && self.find(value.as_bytes()).is_empty() {
            return None;
        }
        let tape = Tape::parse(value).ok()?;
        let mut masked = Vec::with_capacity(value.len());
        let mut done = 0;
        for leaf in tape.root(value).leaves() {
            let raw = leaf.raw();
            let clean = match leaf.kind() {
                Kind::String => self.mask(&leaf.text()),
                Kind::Number => self.mask(raw),
                _ => None,
            };
            if let Some(clean) = clean {
                let place = raw.as_ptr() as usize - value.as_ptr() as usize;
                masked.extend_from_slice(&value.as_bytes()[done..place]);
                write_string(&mut masked, &clean);
                done = place + raw.len();
            }
        }
        masked.extend_from_slice(&value.as_bytes()[done..]);
        (done > 0).then_some(masked)
    }

    /// The ranges that hold secrets, in order and without overlaps.
    fn find(&self, text: &[u8]) -> Vec<Range<usize>> {
        let mut found: Vec<_> = self
            .search
            .find_iter(text)
            .map(|m| self.place(text, m.pattern().as_usize(), m.range()))
            .collect();
        let overlap = self.longest * WIDEST;
        let views: Vec<_> = views::ALL.into_iter().filter(|view| view.applies(text)).collect();
        for start in (0..text.len()).step_by(WINDOW) {
            let window = &text[start..text.len().min(start + WINDOW + overlap)];
            for view in &views {
                let (plain, places) = view.of(window);
                for m in self.search.find_iter(&plain) {
                    let Range { start: first, end } = self.place(&plain, m.pattern().as_usize(), m.range());
                    found.push(start + places[first]..start + places[end]);
                }
            }
        }
        found.sort_by_key(|range| range.start);
        found.dedup_by(|next, last| {
            let overlaps = next.start < last.end;
            if overlaps {
                last.end = last.end.max(next.end);
            }
            overlaps
        });
        found
    }

    /// The range to mask for a match. Of base64 it is the whole word, which holds more of the same, such as
    /// the user's name.
    fn place(&self, text: &[u8], pattern: usize, Range { mut start, mut end }: Range<usize>) -> Range<usize> {
        if pattern >= self.base64 {
            let word =
                |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_' | b'=');
            start -= text[..start].iter().rev().take_while(|byte| word(byte)).count();
            end += text[end..].iter().take_while(|byte| word(byte)).count();
        }
        start..end
    }
}

/// The part of a base64 text that is certain if `before` bytes, modulo three, precede a value and anything
/// follows it. In the usual alphabet and in that of URLs.
fn in_base64(value: &[u8], before: usize) -> Vec<Vec<u8>> {
    let bytes = [&vec![0; before], value].concat();
    let certain = (before * 8).div_ceil(6)..bytes.len() * 8 / 6;
    let cut = |text: String| {
        text.as_bytes().get(certain.clone()).filter(|text| text.len() >= SHORTEST).map(<[u8]>::to_vec)
    };
    let (usual, url_safe) = (cut(STANDARD_NO_PAD.encode(&bytes)), cut(URL_SAFE_NO_PAD.encode(&bytes)));
    if usual == url_safe { usual.into_iter().collect() } else { usual.into_iter().chain(url_safe).collect() }
}

#[cfg(test)]
mod tests;
