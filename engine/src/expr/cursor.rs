//! A cursor over the characters of an expression.

pub(crate) struct Cursor<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Cursor<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        Self { text, at: 0 }
    }

    pub(crate) fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    pub(crate) fn at(&self) -> usize {
        self.at
    }

    pub(crate) fn since(&self, start: usize) -> &'t str {
        &self.text[start..self.at]
    }

    pub(crate) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(crate) fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    pub(crate) fn eat(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    pub(crate) fn expect(&mut self, token: &str) -> Result<(), String> {
        if self.eat(token) { Ok(()) } else { Err(self.error(&format!("{token:?} expected"))) }
    }

    pub(crate) fn spaces(&mut self) {
        self.take_while(char::is_whitespace);
    }

    pub(crate) fn take_while(&mut self, accept: impl Fn(char) -> bool) -> &'t str {
        let rest = self.rest();
        let end = rest.find(|c| !accept(c)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    pub(crate) fn integer(&mut self) -> Option<i64> {
        let start = self.at;
        self.eat("-");
        self.take_while(|c| c.is_ascii_digit());
        let number = self.since(start).parse().ok();
        if number.is_none() {
            self.at = start;
        }
        number
    }

    /// Reads a quoted text. `keep` receives the quotation mark and an escaped character, and says whether the
    /// backslash is kept.
    pub(crate) fn quoted(&mut self, keep: impl Fn(char, char) -> bool) -> Result<String, String> {
        let Some(quote @ ('\'' | '"')) = self.next() else {
            return Err(self.error("a quoted text expected"));
        };
        let mut text = String::new();
        loop {
            match self.next() {
                None => return Err(self.error("the quoted text has no end")),
                Some(c) if c == quote => return Ok(text),
                Some('\\') => match self.next() {
                    None => return Err(self.error("the quoted text has no end")),
                    Some(c) if keep(quote, c) => text.extend(['\\', c]),
                    Some(c) => text.push(c),
                },
                Some(c) => text.push(c),
            }
        }
    }

    /// Reads what follows a backslash: `u` with four hexadecimal digits, twice for a surrogate pair, or the
    /// character itself.
    pub(crate) fn escaped(&mut self) -> Result<char, String> {
        let Some(unit) = self.utf16_unit() else {
            return self.next().ok_or_else(|| self.error("a character expected"));
        };
        let mut units = vec![unit];
        let start = self.at;
        if (0xD800..0xDC00).contains(&unit) && self.eat("\\") {
            match self.utf16_unit() {
                Some(low @ 0xDC00..0xE000) => units.push(low),
                _ => self.at = start,
            }
        }
        Ok(char::decode_utf16(units).next().and_then(Result::ok).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn utf16_unit(&mut self) -> Option<u16> {
        let digits = self.rest().strip_prefix('u')?.get(..4)?;
        let unit = digits.bytes().all(|digit| digit.is_ascii_hexdigit()).then_some(digits)?;
        self.at += 5;
        u16::from_str_radix(unit, 16).ok()
    }

    /// Reads a token, or a word in any case whose last character, a blank, is not read.
    pub(crate) fn eat_word(&mut self, token: &str) -> bool {
        let Some(word) = token.strip_suffix(' ') else { return self.eat(token) };
        let Some((found, rest)) = self.rest().split_at_checked(word.len()) else { return false };
        let ends = rest.starts_with(|c: char| c.is_whitespace() || c == '[' || c == '\'');
        let found = ends && found.eq_ignore_ascii_case(word);
        if found {
            self.at += word.len();
        }
        found
    }

    pub(crate) fn finish(&self) -> Result<(), String> {
        match self.rest() {
            "" => Ok(()),
            rest => Err(self.error(&format!("{rest:?} not understood"))),
        }
    }

    pub(crate) fn error(&self, message: &str) -> String {
        format!("{message} at character {} of {:?}", self.text[..self.at].chars().count() + 1, self.text)
    }
}
