//! What an input is, read off its name and its first bytes where the job does not say.

use job::job_file::{Compression, Format, unreadable_compression};

/// The file's name without the ending of its compression, in lower case.
pub(crate) fn stem(file: &str) -> String {
    let lower = file.to_ascii_lowercase();
    match lower.rsplit_once('.') {
        Some((stem, ending)) if Compression::of_ending(ending).is_some() => stem.to_owned(),
        _ => lower,
    }
}

/// The format by the file's ending, or else by its content: a JSON object on the first line is JSONL, other JSON objects or
/// an array of them are JSON, anything else is text. CSV is never guessed from content.
pub(crate) fn format_of(file: &str, head: &[u8]) -> Format {
    let stem = stem(file);
    match Format::of_ending(stem.rsplit_once('.').map_or("", |(_, ending)| ending)) {
        Some(Format::Jsonl) if begins_array(head) => Format::Json,
        Some(Format::Json) => by_content(head, true),
        Some(format) => format,
        None => by_content(head, false),
    }
}

fn by_content(head: &[u8], json: bool) -> Format {
    let first =
        head.split(|byte| *byte == b'\n').find(|line| !line.trim_ascii().is_empty()).unwrap_or_default();
    if let Ok(serde_json::Map::<String, serde_json::Value> { .. }) = serde_json::from_slice(first) {
        return Format::Jsonl;
    }
    match head.trim_ascii_start() {
        [b'[' | b'{', ..] if json => Format::Json,
        head if begins_array(head) => Format::Json,
        [b'{', rest @ ..] if rest.trim_ascii_start().starts_with(b"\"") && first.trim_ascii() == b"{" => {
            Format::Json
        }
        _ if json => Format::Jsonl,
        _ => Format::Text,
    }
}

/// Whether this is an array of objects.
fn begins_array(head: &[u8]) -> bool {
    matches!(head.trim_ascii_start(), [b'[', rest @ ..] if rest.trim_ascii_start().starts_with(b"{"))
}

/// Why the first bytes cannot be the text of any format; `None` when they can.
pub(crate) fn unreadable(head: &[u8]) -> Option<&'static str> {
    if head.starts_with(b"PK\x03\x04") {
        return Some("it is a ZIP archive (or an Excel file): unpack it, or export it as CSV");
    }
    if unreadable_compression(head).is_some() {
        return Some("it is compressed with xz: use gzip, zstd or bzip2");
    }
    if head.starts_with(b"PAR1") {
        return Some("it is a Parquet file: export it as CSV or JSONL");
    }
    None
}
