//! What an input is, read off its name and its first bytes where the job does not say.

use job::job_file::Format;

/// The file's name without the ending of its compression, in lower case.
pub(crate) fn stem(file: &str) -> String {
    let lower = file.to_ascii_lowercase();
    let endings = [".gz", ".gzip", ".zst", ".zstd", ".bz2"];
    endings.iter().find_map(|ending| lower.strip_suffix(ending)).unwrap_or(&lower).to_owned()
}

/// The format by the file's ending, or else by its content: a JSON object on the first line is JSONL, other JSON objects or
/// an array of them are JSON, anything else is text. CSV is never guessed from content.
pub(crate) fn format_of(file: &str, head: &[u8]) -> Format {
    let stem = stem(file);
    match stem.rsplit_once('.').map_or("", |(_, ending)| ending) {
        "csv" => Format::Csv,
        "tsv" | "tab" => Format::Tsv,
        "jsonl" | "ndjson" if !begins_array(head) => Format::Jsonl,
        "jsonl" | "ndjson" => Format::Json,
        "txt" | "text" | "list" => Format::Text,
        ending => by_content(head, ending == "json"),
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
    if head.starts_with(b"\xfd7zXZ\0") {
        return Some("it is compressed with xz: use gzip, zstd or bzip2");
    }
    if head.starts_with(b"PAR1") {
        return Some("it is a Parquet file: export it as CSV or JSONL");
    }
    None
}
