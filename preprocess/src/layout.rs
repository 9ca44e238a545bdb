//! How the records of an input are laid out, found out once at its beginning.

use std::io::{self, Read};

use encoding_rs::Encoding;
use job::Job;
use job::job_file::{Compression, Format};
use serde::{Deserialize, Serialize};

use crate::facts;
use crate::records::{Dialect, Position, sep_line};
use crate::window::Window;

/// Bytes of the decoded input that are looked at.
const HEAD: usize = 64 << 10;
/// Bytes of the lines before the header that are kept.
const MAX_PREAMBLE: usize = 64 << 10;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// What a reader of records must know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Layout {
    pub(crate) compression: Compression,
    /// Its name.
    encoding: String,
    pub(crate) format: Format,
    /// The job does not say the format.
    pub(crate) guessed: bool,
    pub(crate) dialect: Dialect,
    /// Lines of text and JSONL end with CR, too.
    pub(crate) cr: bool,
    pub(crate) keep_blank: bool,
    /// The lines before the header, with their line ends.
    pub(crate) preamble: String,
    pub(crate) notes: Vec<String>,
}

impl Layout {
    /// Looks at the beginning of a decoded input, and passes over what stands before its header or first record.
    pub(crate) fn find<R: Read>(
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
            let line = pass_line(window)?;
            sep = sep.or_else(|| sep_line(&line));
            keep(&mut preamble, &line);
        }
        let format = match job.input.format {
            Some(format) => format,
            None => facts::format_of(file, head(window)?),
        };
        let mut lines = u64::from(job.input.skip);
        let mut dialect = Dialect::of(&job.input, format);
        let mut notes = Vec::new();
        if format.is_delimited() {
            if let Some(delimiter) =
                head(window)?.split(|byte| matches!(byte, b'\n' | b'\r')).next().and_then(sep_line)
            {
                sep = Some(delimiter);
                keep(&mut preamble, &pass_line(window)?);
                lines += 1;
            }
            let head = head(window)?;
            let sniffed = || job.input.header.then(|| dialect.sniff(head, head.len() < HEAD)).flatten();
            match (job.input.delimiter, sep.or_else(sniffed)) {
                (None, Some(delimiter)) if delimiter != dialect.delimiter => {
                    dialect.delimiter = delimiter;
                    let named =
                        if sep.is_some() { "the line sep= of the file says" } else { "the header shows" };
                    notes.push(format!("fields are separated by {}, as {named}", shown(delimiter)));
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

    /// How the file is encoded.
    pub(crate) fn encoding(&self) -> &'static Encoding {
        Encoding::for_label(self.encoding.as_bytes()).unwrap_or(encoding_rs::UTF_8)
    }

    /// Whether an offset of the text is one of the file.
    pub(crate) fn is_plain(&self) -> bool {
        self.compression == Compression::None && self.encoding() == encoding_rs::UTF_8
    }
}

/// The beginning of what is left, the same however much is at hand.
fn head<R: Read>(window: &mut Window<R>) -> io::Result<&[u8]> {
    let at_hand = window.look(HEAD)?;
    Ok(&at_hand[..at_hand.len().min(HEAD)])
}

/// A character for messages.
pub(crate) fn shown(delimiter: u8) -> String {
    match delimiter {
        b'\t' => "a tab".to_owned(),
        other => format!("{:?}", char::from(other)),
    }
}

/// Passes over a line: its beginning, with the line end.
fn pass_line<R: Read>(window: &mut Window<R>) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    loop {
        let bytes = window.look(1)?;
        let end = memchr::memchr2(b'\n', b'\r', bytes);
        let count = end.unwrap_or(bytes.len());
        line.extend_from_slice(&bytes[..count.min(MAX_PREAMBLE.saturating_sub(line.len()))]);
        window.consume(count);
        if end.is_some() {
            let end = if window.look(2)?.starts_with(b"\r\n") { 2 } else { 1 };
            line.extend_from_slice(&window.at_hand()[..end]);
            window.consume(end);
            return Ok(line);
        }
        if count == 0 {
            return Ok(line);
        }
    }
}

/// A line too many is kept as an empty one, so that the number of lines stays.
fn keep(preamble: &mut String, line: &[u8]) {
    let text = String::from_utf8_lossy(line);
    let text =
        if preamble.len() + text.len() <= MAX_PREAMBLE { text.trim_end_matches(['\r', '\n']) } else { "" };
    preamble.push_str(text);
    preamble.push('\n');
}
