//! Reads the records and columns of a CSV text.

/// The records of a CSV text, header first.
pub fn records(text: &str) -> Vec<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
    reader.records().map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect()
}

/// One column of a CSV text, without its header.
#[track_caller]
pub fn column(text: &str, name: &str) -> Vec<String> {
    let records = records(text);
    let at = records[0]
        .iter()
        .position(|column| column == name)
        .unwrap_or_else(|| panic!("no column {name} in {:?}", records[0]));
    records[1..].iter().map(|record| record[at].clone()).collect()
}
