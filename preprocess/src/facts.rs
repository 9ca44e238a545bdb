//! What an input is, read off its name and its first bytes where the job does not say.

use job::job_file::{Compression, Format};

/// The file's name without the ending of its compression, in lower case.
pub(crate) fn stem(file: &str) -> String {
    let lower = file.to_ascii_lowercase();
    let endings = [".gz", ".gzip", ".zst", ".zstd", ".bz2"];
    endings.iter().find_map(|ending| lower.strip_suffix(ending)).unwrap_or(&lower).to_owned()
}

/// The format by the file's ending, or else by the first line: a JSON object is JSONL, anything else text.
/// CSV is never guessed from content.
pub(crate) fn format_of(file: &str, head: &[u8]) -> Format {
    let stem = stem(file);
    match stem.rsplit_once('.').map_or("", |(_, ending)| ending) {
        "csv" => Format::Csv,
        "tsv" | "tab" => Format::Tsv,
        "jsonl" | "ndjson" => Format::Jsonl,
        "txt" | "text" | "list" => Format::Text,
        _ => {
            let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
            let first = head.split(|byte| *byte == b'\n').find(|line| !line.trim_ascii().is_empty());
            match first.map(serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>) {
                Some(Ok(_)) => Format::Jsonl,
                _ => Format::Text,
            }
        }
    }
}

/// The field separator where the job does not say.
pub(crate) fn delimiter_of(format: Format) -> u8 {
    if format == Format::Tsv { b'\t' } else { b',' }
}

/// Why the first bytes cannot be the text of any format; `None` when they can.
pub(crate) fn unreadable(head: &[u8], compression: Compression) -> Option<&'static str> {
    if compression == Compression::None && (head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff")) {
        return Some("it is UTF-16: convert it to UTF-8, for example with iconv -f UTF-16 -t UTF-8");
    }
    if head.starts_with(b"PK\x03\x04") {
        return Some("it is a ZIP archive (or an Excel file): unpack it, or export it as CSV");
    }
    if head.starts_with(b"\xfd7zXZ\0") {
        return Some("it is compressed with xz: use gzip, zstd or bzip2");
    }
    if head.starts_with(b"PAR1") {
        return Some("it is a Parquet file: export it as CSV or JSONL");
    }
    None
}
