//! A workbook of Excel as an input: its first sheet, as CSV.

use std::fs::{self, File, OpenOptions};
use std::io::{BufReader, BufWriter, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use calamine::{Data, Reader, Xlsx};

/// The largest workbook in bytes: a sheet is in memory as a whole, at many times the size of the file.
const LARGEST: u64 = 32 << 20;

/// Whether a name is that of a workbook.
pub(super) fn is_workbook(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|ending| ending.eq_ignore_ascii_case("xlsx"))
}

/// The first sheet as CSV, in a file that has no name.
///
/// # Errors
/// In words, why it cannot be read.
pub(super) fn as_csv(file: File) -> Result<File, String> {
    let size = file.metadata().map_err(|error| error.to_string())?.len();
    if size > LARGEST {
        return Err(format!(
            "a workbook may have {} MiB, and this one has {}: save the sheet as CSV",
            LARGEST >> 20,
            size.div_ceil(1 << 20)
        ));
    }
    let unreadable = |error: calamine::XlsxError| format!("it is not a workbook that can be read: {error}");
    let mut workbook = Xlsx::new(BufReader::new(file)).map_err(unreadable)?;
    let sheet = workbook.worksheet_range_at(0).ok_or("the workbook has no sheet")?.map_err(unreadable)?;
    let written = nameless().and_then(|csv| {
        let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(BufWriter::new(&csv));
        for row in sheet.rows() {
            writer.write_record(row.iter().map(text))?;
        }
        let mut rest = writer.into_inner().map_err(|error| error.into_error())?;
        rest.flush()?;
        drop(rest);
        (&csv).rewind()?;
        Ok(csv)
    });
    written.map_err(|error| format!("its CSV cannot be written to a temporary file: {error}"))
}

/// A cell as text: a date in ISO 8601, a whole number without decimals.
fn text(cell: &Data) -> String {
    match cell {
        Data::Empty => String::new(),
        Data::Int(number) => number.to_string(),
        Data::Float(number) => number.to_string(),
        Data::Bool(value) => value.to_string(),
        Data::DateTime(moment) if moment.is_datetime() => {
            let (year, month, day, hour, minute, second, _) = moment.to_ymd_hms_milli();
            let day = format!("{year:04}-{month:02}-{day:02}");
            match (hour, minute, second) {
                (0, 0, 0) => day,
                (hour, minute, second) => format!("{day} {hour:02}:{minute:02}:{second:02}"),
            }
        }
        Data::DateTime(duration) => duration.as_f64().to_string(),
        other => other.to_string(),
    }
}

/// An empty file without a name, which only this process can read.
fn nameless() -> std::io::Result<File> {
    let path = std::env::temp_dir().join(format!(".throughline-{}", uuid::Uuid::new_v4().simple()));
    let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
    fs::remove_file(&path)?;
    Ok(file)
}
