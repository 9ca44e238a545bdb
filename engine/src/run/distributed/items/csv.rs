//! Text with delimiters, as Step Functions reads it (page "How Step Functions parses input CSV files" of the
//! developer guide).
//!
//! Every field is a string. In double quotation marks a field may hold delimiters and line ends; a doubled
//! quotation mark stands for one, within quotation marks and without. A backslash makes the next character an
//! ordinary one and is dropped itself. Rows that are too short are filled up with empty strings, and what is
//! too much in a row is dropped. Blank lines are passed over.

use super::{LONGEST, Raw, Step, TOO_LONG};
use std::sync::Arc;

use crate::dataset::Csv;
use crate::quotas::MAX_CSV_HEADER;

pub(super) struct Rows {
    delimiter: u8,
    headers: Option<Arc<Vec<String>>>,
    buffer: Vec<u8>,
    at: usize,
    row: Vec<String>,
    field: Vec<u8>,
    /// Whether the field has begun, if only with a quotation mark.
    in_field: bool,
    in_quotes: bool,
    /// The size of the row so far, in bytes.
    size: usize,
    rows: u64,
    first: bool,
}

impl Rows {
    pub(super) fn new(csv: &Csv) -> Result<Self, String> {
        let headers = csv.headers.clone().map(headers).transpose()?;
        Ok(Self {
            delimiter: csv.delimiter,
            headers,
            buffer: Vec::new(),
            at: 0,
            row: Vec::new(),
            field: Vec::new(),
            in_field: false,
            in_quotes: false,
            size: 0,
            rows: 0,
            first: true,
        })
    }

    pub(super) fn push(&mut self, chunk: &[u8]) {
        self.buffer.drain(..self.at);
        self.at = 0;
        self.buffer.extend_from_slice(chunk);
    }

    pub(super) fn next(&mut self) -> Result<Step, String> {
        // The meaning of a quotation mark, a backslash and a carriage return depends on the next byte.
        while self.at + 1 < self.buffer.len() {
            let (byte, following) = (self.buffer[self.at], self.buffer[self.at + 1]);
            if let Some(raw) = self.see(byte, Some(following))? {
                return Ok(Step::Item(raw));
            }
        }
        Ok(Step::More)
    }

    /// The last row, if it has no line end.
    pub(super) fn finish(&mut self) -> Result<Option<Raw>, String> {
        while let Some(&byte) = self.buffer.get(self.at) {
            let following = self.buffer.get(self.at + 1).copied();
            if let Some(raw) = self.see(byte, following)? {
                return Ok(Some(raw));
            }
        }
        self.end_row()
    }

    fn see(&mut self, byte: u8, following: Option<u8>) -> Result<Option<Raw>, String> {
        self.at += 1;
        self.size += 1;
        if self.size > LONGEST {
            return Err(format!("row {} of the file {TOO_LONG}", self.rows + 1));
        }
        match byte {
            b'\\' => {
                if let Some(escaped) = following {
                    self.at += 1;
                    self.put(escaped);
                }
            }
            b'"' if following == Some(b'"') && self.in_field => {
                self.at += 1;
                self.put(b'"');
            }
            b'"' => {
                let opens = !self.in_quotes && !self.in_field;
                let closes = self.in_quotes
                    && following.is_none_or(|next| next == self.delimiter || matches!(next, b'\n' | b'\r'));
                self.in_quotes = !self.in_quotes;
                self.in_field = true;
                // In the middle of a field it is an ordinary character.
                if !opens && !closes {
                    self.put(b'"');
                }
            }
            b'\n' if !self.in_quotes => return self.end_row(),
            b'\r' if !self.in_quotes && following.is_none_or(|next| next == b'\n') => {}
            _ if byte == self.delimiter && !self.in_quotes => self.end_field(),
            _ => self.put(byte),
        }
        Ok(None)
    }

    fn put(&mut self, byte: u8) {
        self.in_field = true;
        self.field.push(byte);
    }

    fn end_field(&mut self) {
        let mut field = std::mem::take(&mut self.field);
        if std::mem::take(&mut self.first) && field.starts_with("\u{feff}".as_bytes()) {
            field.drain(.."\u{feff}".len());
        }
        self.row.push(
            String::from_utf8(field)
                .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()),
        );
        self.in_field = false;
    }

    fn end_row(&mut self) -> Result<Option<Raw>, String> {
        self.size = 0;
        self.in_quotes = false;
        if self.row.is_empty() && !self.in_field {
            return Ok(None);
        }
        self.end_field();
        self.rows += 1;
        let row = std::mem::take(&mut self.row);
        match &self.headers {
            Some(headers) => Ok(Some(Raw::Row(headers.clone(), row))),
            None => {
                self.headers = Some(headers(row)?);
                Ok(None)
            }
        }
    }
}

fn headers(names: Vec<String>) -> Result<Arc<Vec<String>>, String> {
    if names.iter().map(String::len).sum::<usize>() > MAX_CSV_HEADER {
        return Err("the CSV headers are longer than 10 KiB".into());
    }
    let mut inputs = std::collections::HashSet::new();
    if names.iter().all(|name| inputs.insert(name)) {
        Ok(Arc::new(names))
    } else {
        Err("CSV headers cannot contain duplicates.".into())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn rows(delimiter: u8, text: &str, size: usize) -> Result<Value, String> {
        let mut rows = Rows::new(&Csv { delimiter, headers: Some(vec!["a".into(), "b".into()]) })?;
        let mut items = Vec::new();
        for chunk in text.as_bytes().chunks(size) {
            rows.push(chunk);
            while let Step::Item(Raw::Row(_, row)) = rows.next()? {
                items.push(json!(row));
            }
        }
        while let Some(Raw::Row(_, row)) = rows.finish()? {
            items.push(json!(row));
        }
        Ok(items.into())
    }

    #[test]
    fn rows_are_split_into_fields() {
        for (text, expected) in [
            ("a,b\nc,d", json!([["a", "b"], ["c", "d"]])),
            ("a,b\r\n\r\nc\r\n", json!([["a", "b"], ["c"]])),
            ("\"a,\nb\",\"\"\n", json!([["a,\nb", ""]])),
            ("\"say \"\"x\"\"\",{\"\"k\"\":1}", json!([["say \"x\"", "{\"k\":1}"]])),
            ("\"\"\"q\"\"\"", json!([["\"q\""]])),
            ("ab\"c,d\"e,f", json!([["ab\"c,d\"e", "f"]])),
            ("C:\\\\x\\y,1\\,2\\\"", json!([["C:\\xy", "1,2\""]])),
            (" a ,   \n   \n", json!([[" a ", "   "], ["   "]])),
            (",,,\n", json!([["", "", "", ""]])),
            ("\u{feff}é,\"ü\"\n", json!([["é", "ü"]])),
            ("\"open", json!([["open"]])),
            ("", json!([])),
        ] {
            for size in 1..8 {
                assert_eq!(rows(b',', text, size), Ok(expected.clone()), "{text:?} by {size}");
            }
        }
        assert_eq!(rows(b'|', "a|\"b|c\",d", 3), Ok(json!([["a", "b|c\",d"]])));
        assert_eq!(rows(b' ', "a  b", 3), Ok(json!([["a", "", "b"]])));
    }
}
