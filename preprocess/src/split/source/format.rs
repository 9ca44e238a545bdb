//! Recognises the format of an input by its name and its first bytes.

use job::job_file::Format;

/// The file's name in lower case and without the extension of its compression.
pub(crate) fn stem(file: &str) -> String {
    let lower = file.to_ascii_lowercase();
    let extensions = [".gz", ".gzip", ".zst", ".zstd", ".bz2"];
    extensions.iter().find_map(|extension| lower.strip_suffix(extension)).unwrap_or(&lower).to_owned()
}

/// The format by the file's extension, or else by its content: a JSON object on the first line means JSONL,
/// other JSON objects or an array of them mean JSON, anything else is text. CSV is never guessed from
/// content.
pub(crate) fn format_of(file: &str, head: &[u8]) -> Format {
    let stem = stem(file);
    match stem.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "csv" => Format::Csv,
        "tsv" | "tab" => Format::Tsv,
        "jsonl" | "ndjson" if !begins_array(head) => Format::Jsonl,
        "jsonl" | "ndjson" => Format::Json,
        "txt" | "text" | "list" => Format::Text,
        extension => by_content(head, extension == "json"),
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

/// Whether the text begins with an array of objects.
fn begins_array(head: &[u8]) -> bool {
    matches!(head.trim_ascii_start(), [b'[', rest @ ..] if rest.trim_ascii_start().starts_with(b"{"))
}

/// Why a file that begins with these bytes cannot be read; `None` if it may be text.
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
