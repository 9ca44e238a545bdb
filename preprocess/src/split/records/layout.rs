//! The layout of an input's records, detected once at the beginning of the input.

use std::io::{self, Read};

use encoding_rs::Encoding;
use job::Job;
use job::file::{Compression, Format};
use serde::{Deserialize, Serialize};

use super::Position;
use super::dialect::{Dialect, sep_line};
use crate::split::source::{Window, format};

/// Bytes of the decoded input that decide the format and the delimiter.
const HEAD: usize = 64 << 10;
/// Bytes of the lines before the header that are kept.
const MAX_PREAMBLE: usize = 64 << 10;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// What a reader of records needs to know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Layout {
    pub(crate) compression: Compression,
    /// The encoding's name.
    encoding: String,
    pub(crate) format: Format,
    /// The format was detected, since the job does not name it.
    pub(crate) guessed: bool,
    pub(crate) dialect: Dialect,
    /// A CR alone ends a line of text or JSONL, too.
    pub(crate) cr: bool,
    pub(crate) keep_blank: bool,
    /// The lines before the header, with their line ends.
    pub(crate) preamble: String,
    pub(crate) notes: Vec<String>,
}

impl Layout {
    /// Detects the layout of a decoded input, and consumes what comes before its header or first record.
    pub(crate) fn detect<R: Read>(
        window: &mut Window<R>,
        job: &Job,
        file: &str,
        compression: Compression,
        encoding: &'static Encoding,
    ) -> io::Result<(Self, Position)> {
        if head(window)?.starts_with(BYTE_ORDER_MARK) {
            window.consume(BYTE_ORDER_MARK.len());
        }
        let beginning = head(window)?;
        let cr = memchr::memchr(b'\n', beginning).is_none() && memchr::memchr(b'\r', beginning).is_some();
        let (mut preamble, mut sep) = (String::new(), None);
        for _ in 0..job.input.skip {
            let line = read_line(window)?;
            sep = sep.or_else(|| sep_line(&line));
            keep(&mut preamble, &line);
        }
        let format = match job.input.format {
            Some(format) => format,
            None => format::format_of(file, head(window)?),
        };
        let mut lines = u64::from(job.input.skip);
        let mut dialect = Dialect::of(&job.input, format);
        let mut notes = Vec::new();
        if format.is_delimited() {
            if let Some(delimiter) =
                head(window)?.split(|byte| matches!(byte, b'\n' | b'\r')).next().and_then(sep_line)
            {
                sep = Some(delimiter);
                keep(&mut preamble, &read_line(window)?);
                lines += 1;
            }
            let head = head(window)?;
            let sniffed = || job.input.header.then(|| dialect.sniff(head, head.len() < HEAD)).flatten();
            match (job.input.delimiter, sep.or_else(sniffed)) {
                (None, Some(delimiter)) if delimiter != dialect.delimiter => {
                    dialect.delimiter = delimiter;
                    let named =
                        if sep.is_some() { "the line sep= of the file says" } else { "the header shows" };
                    notes.push(format!("fields are separated by {}, as {named}", display(delimiter)));
                }
                _ => {}
            }
        }
        let layout = Self {
            compression,
            encoding: encoding.name().to_owned(),
            format,
            guessed: job.input.format.is_none(),
            dialect,
            cr,
            keep_blank: job.input.keep_blank,
            preamble,
            notes,
        };
        Ok((layout, Position::begin(window.offset(), lines)))
    }

    /// The encoding of the file.
    pub(crate) fn encoding(&self) -> &'static Encoding {
        Encoding::for_label(self.encoding.as_bytes()).unwrap_or(encoding_rs::UTF_8)
    }

    /// Whether an offset in the text is also one in the file.
    pub(crate) fn is_plain(&self) -> bool {
        self.compression == Compression::None && self.encoding() == encoding_rs::UTF_8
    }
}

/// The first bytes that are left: their number does not depend on how many are buffered.
fn head<R: Read>(window: &mut Window<R>) -> io::Result<&[u8]> {
    let buffered = window.look(HEAD)?;
    Ok(&buffered[..buffered.len().min(HEAD)])
}

/// A delimiter as messages name it.
pub(crate) fn display(delimiter: u8) -> String {
    match delimiter {
        b'\t' => "a tab".to_owned(),
        other => format!("{:?}", char::from(other)),
    }
}

/// Consumes a line, and returns its beginning with the line end.
fn read_line<R: Read>(window: &mut Window<R>) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    loop {
        let bytes = window.look(1)?;
        let end = memchr::memchr2(b'\n', b'\r', bytes);
        let count = end.unwrap_or(bytes.len());
        line.extend_from_slice(&bytes[..count.min(MAX_PREAMBLE.saturating_sub(line.len()))]);
        window.consume(count);
        if end.is_some() {
            let end = if window.look(2)?.starts_with(b"\r\n") { 2 } else { 1 };
            line.extend_from_slice(&window.buffered()[..end]);
            window.consume(end);
            return Ok(line);
        }
        if count == 0 {
            return Ok(line);
        }
    }
}

/// Appends a line. One that does not fit is kept as an empty line, so that the number of lines stays the
/// same.
fn keep(preamble: &mut String, line: &[u8]) {
    let text = String::from_utf8_lossy(line);
    let text =
        if preamble.len() + text.len() <= MAX_PREAMBLE { text.trim_end_matches(['\r', '\n']) } else { "" };
    preamble.push_str(text);
    preamble.push('\n');
}
