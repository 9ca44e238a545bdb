//! How the fields of a record are separated, quoted and escaped.

use job::job_file::{Format, Input, Quote};
use serde::{Deserialize, Serialize};

/// Records at the beginning of the input that must agree on a delimiter that the job does not name.
const AGREEING: usize = 20;

/// Three ASCII characters, two of which may not be there.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Dialect {
    pub(crate) delimiter: u8,
    /// Begins and ends a quoted field; within one it is doubled.
    pub(crate) quote: Option<u8>,
    /// What follows stands for itself, or is a letter for a control character.
    pub(crate) escape: Option<u8>,
}

impl Dialect {
    /// What the job says, or else what is usual for the format.
    pub(crate) fn of(input: &Input, format: Format) -> Self {
        let quote = match input.quote {
            Some(Quote::Char(quote)) => Some(quote),
            Some(Quote::None) => None,
            None => (format != Format::Tsv).then_some(b'"'),
        };
        let delimiter = input.delimiter.unwrap_or(if format == Format::Tsv { b'\t' } else { b',' });
        // A quote that escapes quotes is doubled anyway.
        Self { delimiter, quote, escape: input.escape.filter(|escape| Some(*escape) != quote) }
    }

    /// The delimiter of a file whose header has not the usual one but another, as often as each of the first records has it.
    pub(crate) fn sniff(&self, head: &[u8]) -> Option<u8> {
        let mut lines = head.split(|byte| matches!(byte, b'\n' | b'\r')).filter(|line| !line.trim_ascii().is_empty());
        let header = lines.next()?;
        if self.count(header, self.delimiter) != Some(0) {
            return None;
        }
        // The last line may be cut.
        let complete = head.ends_with(b"\n") || head.ends_with(b"\r");
        let others: Vec<&[u8]> = lines.take(AGREEING + 1).collect();
        let others = &others[..others.len().saturating_sub(usize::from(!complete || others.len() > AGREEING))];
        let candidates = [b';', b'\t', b'|', b','].into_iter();
        let unused = candidates.filter(|byte| *byte != self.delimiter && Some(*byte) != self.quote && Some(*byte) != self.escape);
        let agreed = |candidate: &u8| {
            let wanted = self.count(header, *candidate).filter(|count| *count > 0);
            wanted.is_some() && others.iter().all(|line| self.count(line, *candidate) == wanted)
        };
        let mut agreed = unused.filter(agreed);
        let found = agreed.next();
        // Two that would do are a guess.
        found.filter(|_| agreed.next().is_none())
    }

    /// How often a character stands outside of quotes; `None` where a quote is still open at the end.
    fn count(&self, line: &[u8], wanted: u8) -> Option<usize> {
        let (mut quoted, mut escaped, mut count) = (false, false, 0);
        for byte in line {
            if std::mem::take(&mut escaped) {
                continue;
            }
            if Some(*byte) == self.escape {
                escaped = true;
            } else if Some(*byte) == self.quote {
                quoted = !quoted;
            } else if *byte == wanted && !quoted {
                count += 1;
            }
        }
        (!quoted).then_some(count)
    }
}

/// The delimiter that the line `sep=;` names, which Excel writes and reads before a header.
pub(crate) fn sep_line(line: &[u8]) -> Option<u8> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let line = line.strip_prefix(b"\"").and_then(|line| line.strip_suffix(b"\"")).unwrap_or(line);
    match line {
        [s, e, p, b'=', delimiter] if [*s, *e, *p].eq_ignore_ascii_case(b"sep") && delimiter.is_ascii() && *delimiter != b'"' => {
            Some(*delimiter)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sniff(head: &str) -> Option<char> {
        Dialect { delimiter: b',', quote: Some(b'"'), escape: None }.sniff(head.as_bytes()).map(char::from)
    }

    #[test]
    fn a_delimiter_is_taken_from_the_header_only_where_the_lines_agree() {
        assert_eq!(sniff("id;name\n1;Ann\n2;1,5\n"), Some(';'));
        assert_eq!(sniff("id\tname\n1\tAnn\n"), Some('\t'));
        assert_eq!(sniff("id|name"), Some('|'));
        assert_eq!(sniff("id;\"a;b\"\n1;2\n3;4;5"), Some(';'), "the last line may be cut");
        assert_eq!(sniff("id;name\n1;2\n3\n"), None);
        assert_eq!(sniff("id,name;x\n1;2\n"), None, "the usual delimiter is there");
        assert_eq!(sniff("url\nhttp://a/;x\n"), None);
        assert_eq!(sniff("a;b|c\n1;2|3\n"), None, "two would do");
        assert_eq!(sniff(""), None);
    }

    #[test]
    fn the_line_of_excel_names_the_delimiter() {
        assert_eq!(sep_line(b"sep=;\r"), Some(b';'));
        assert_eq!(sep_line(b"SEP=\t"), Some(b'\t'));
        assert_eq!(sep_line(b"\"sep=,\""), Some(b','));
        assert_eq!(sep_line(b"sep=;;"), None);
        assert_eq!(sep_line(b"sep="), None);
    }
}
