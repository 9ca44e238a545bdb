//! How the fields of a record are delimited, quoted and escaped.

use job::file::{Format, Input, Quote};
use serde::{Deserialize, Serialize};

use super::field::{FieldReader, Progress};

/// The maximum number of records after the header that must agree on a detected delimiter.
const SAMPLED_RECORDS: usize = 20;

/// Three ASCII characters, two of which are optional.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Dialect {
    pub(crate) delimiter: u8,
    /// Begins and ends a quoted field; within the field it is doubled.
    pub(crate) quote: Option<u8>,
    /// The character after it is literal, or the letter of a control character.
    pub(crate) escape: Option<u8>,
}

impl Dialect {
    /// As the job says, or else as is usual for the format.
    pub(crate) fn of(input: &Input, format: Format) -> Self {
        let quote = match input.quote {
            Some(Quote::Char(quote)) => Some(quote),
            Some(Quote::None) => None,
            None => (format != Format::Tsv).then_some(b'"'),
        };
        let delimiter = input.delimiter.unwrap_or(if format == Format::Tsv { b'\t' } else { b',' });
        // A quote that escapes itself is the usual doubling.
        Self { delimiter, quote, escape: input.escape.filter(|escape| Some(*escape) != quote) }
    }

    /// Detects a delimiter other than this one: it occurs in the header, and splits the first records into as
    /// many fields. `None` if the header has this one, or if more than one would do. `ended`: the file has no
    /// more bytes than `head`.
    pub(crate) fn sniff(self, head: &[u8], ended: bool) -> Option<u8> {
        let (header, _) = self.counts(head, ended)?;
        if header > 1 {
            return None;
        }
        let candidates = [b';', b'\t', b'|', b','].into_iter();
        let unused = candidates.filter(|byte| {
            *byte != self.delimiter && Some(*byte) != self.quote && Some(*byte) != self.escape
        });
        let agree = |delimiter: &u8| {
            let counts = Self { delimiter: *delimiter, ..self }.counts(head, ended);
            counts.is_some_and(|(header, others)| header > 1 && others.iter().all(|count| *count == header))
        };
        let mut agreeing = unused.filter(agree);
        let found = agreeing.next();
        found.filter(|_| agreeing.next().is_none())
    }

    /// The number of fields of the header, and of each of the first records.
    fn counts(self, head: &[u8], ended: bool) -> Option<(usize, Vec<usize>)> {
        let mut fields = FieldReader::new(self);
        let (mut rest, mut counts) = (head, Vec::new());
        while counts.len() <= SAMPLED_RECORDS {
            rest = &rest[rest.iter().take_while(|byte| matches!(byte, b'\n' | b'\r')).count()..];
            fields.begin();
            match fields.read(rest, ended) {
                Progress::Record(length) => {
                    counts.push(fields.ends.len());
                    rest = &rest[length..];
                }
                Progress::Malformed(_) => {
                    let line =
                        rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')).unwrap_or(rest.len());
                    rest = &rest[line..];
                }
                Progress::More | Progress::End => break,
            }
        }
        let others = counts.split_off(counts.len().min(1));
        Some((*counts.first()?, others))
    }
}

/// The delimiter that a line like `sep=;` names. Excel writes and reads such a line before the header.
pub(crate) fn sep_line(line: &[u8]) -> Option<u8> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let line = line.strip_prefix(b"\"").and_then(|line| line.strip_suffix(b"\"")).unwrap_or(line);
    match line {
        [s, e, p, b'=', delimiter]
            if [*s, *e, *p].eq_ignore_ascii_case(b"sep") && delimiter.is_ascii() && *delimiter != b'"' =>
        {
            Some(*delimiter)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sniff(head: &str) -> Option<char> {
        Dialect { delimiter: b',', quote: Some(b'"'), escape: None }
            .sniff(head.as_bytes(), !head.ends_with("5"))
            .map(char::from)
    }

    #[test]
    fn a_delimiter_is_detected_only_if_header_and_records_agree() {
        assert_eq!(sniff("id;name\n1;Ann\n2;1,5\n"), Some(';'));
        assert_eq!(sniff("id\tname\n1\tAnn\n"), Some('\t'));
        assert_eq!(sniff("id|name"), Some('|'));
        assert_eq!(sniff("id;\"a;b\"\n1;2\n3;4;5"), Some(';'), "the last line may be truncated");
        assert_eq!(sniff("id;name\n1;\"a\nb;c\"\n2;d\n"), Some(';'), "a record may have many lines");
        assert_eq!(sniff("id;name\n1;2\n3\n"), None);
        assert_eq!(sniff("id,name;x\n1;2\n"), None, "the usual delimiter is there");
        assert_eq!(sniff("url\nhttp://a/;x\n"), None);
        assert_eq!(sniff("a;b|c\n1;2|3\n"), None, "two would do");
        assert_eq!(sniff(""), None);
    }

    #[test]
    fn the_sep_line_of_excel_names_the_delimiter() {
        assert_eq!(sep_line(b"sep=;\r"), Some(b';'));
        assert_eq!(sep_line(b"SEP=\t"), Some(b'\t'));
        assert_eq!(sep_line(b"\"sep=,\""), Some(b','));
        assert_eq!(sep_line(b"sep=;;"), None);
        assert_eq!(sep_line(b"sep="), None);
    }
}
