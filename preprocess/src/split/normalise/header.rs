//! Reads the columns of an input from its header.

use crate::split::records::{LineError, Record};

/// The maximum number of columns of CSV and TSV.
const MAX_COLUMNS: usize = 100_000;
/// The last columns of every output.
pub(super) const OUTPUT: [&str; 2] = ["error", "error_detail"];

/// The content of a header.
pub(super) struct Header {
    pub(super) columns: Vec<String>,
    /// It is the header of an earlier output.
    pub(super) output: bool,
    /// The names given to columns without a name.
    pub(super) named: Vec<String>,
}

/// Reads a header. A column without a name is named by its number.
///
/// # Errors
/// Why the header cannot be used.
pub(super) fn read(record: &Record<'_>, encoding: &str) -> Result<Header, String> {
    if let Some(LineError { detail, .. }) = &record.error {
        return Err(format!("the header cannot be read: {detail}"));
    }
    if record.fields.len() > MAX_COLUMNS {
        return Err(format!("the header has {} columns: at most {MAX_COLUMNS}", record.fields.len()));
    }
    let mut columns = Vec::with_capacity(record.fields.len());
    for (index, field) in record.fields.iter().enumerate() {
        columns.push(
            std::str::from_utf8(field)
                .map_err(|error| undecoded(index + 1, field[error.valid_up_to()], encoding))?
                .to_owned(),
        );
    }
    let named = name_the_unnamed(&mut columns);
    let mut sorted: Vec<(&str, usize)> = columns.iter().map(String::as_str).zip(1..).collect();
    sorted.sort_unstable();
    if let Some([(name, first), (_, second)]) =
        sorted.windows(2).find(|pair| pair[0].0 == pair[1].0).and_then(|pair| pair.first_chunk())
    {
        return Err(format!(
            "the columns {first} and {second} are both called {name:?}: rename one, or pass over the header with [input] skip and \
             header = false, which calls the columns c1, c2, and so on"
        ));
    }
    let found = OUTPUT.map(|name| columns.iter().any(|column| column == name));
    match found {
        [true, false] | [false, true] => {
            let name = OUTPUT[usize::from(found[1])];
            Err(format!(
                "the input has a column {name:?}, which is a column of every output: rename it in the input"
            ))
        }
        [output, _] => Ok(Header { columns, output, named }),
    }
}

fn undecoded(column: usize, byte: u8, encoding: &str) -> String {
    if encoding == encoding_rs::UTF_8.name() {
        format!(
            "the header is not UTF-8 (byte {byte:#04x} in column {column}): set input.encoding, for example \"windows-1252\""
        )
    } else {
        format!(
            "the header has bytes in column {column} that are not valid in {encoding}: set another input.encoding"
        )
    }
}

fn name_the_unnamed(columns: &mut [String]) -> Vec<String> {
    let mut named = Vec::new();
    for index in 0..columns.len() {
        if columns[index].trim().is_empty() {
            let mut name = format!("c{}", index + 1);
            while columns.contains(&name) {
                name.push('_');
            }
            named.push(name.clone());
            columns[index] = name;
        }
    }
    named
}
