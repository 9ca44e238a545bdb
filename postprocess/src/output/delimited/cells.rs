//! Writes the cells of CSV and TSV.

use job::file::Style;

use super::{csv, tsv};

const COMMA: u8 = b',';
const TAB: u8 = b'\t';
/// The first characters of a formula in a spreadsheet (OWASP, "CSV Injection").
const FORMULA: [u8; 7] = *b"=+-@\t\r\n";
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// How cells are written.
#[derive(Debug, Clone, Copy)]
pub(in crate::output) struct Cells {
    tsv: bool,
    style: Style,
}

impl Cells {
    pub(in crate::output) fn csv(style: Style) -> Self {
        Self { tsv: false, style }
    }

    pub(in crate::output) fn tsv(style: Style) -> Self {
        Self { tsv: true, style }
    }

    /// The byte order mark of the file, if the job asks for one.
    pub(super) fn mark(self) -> &'static [u8] {
        if self.style.bom { BYTE_ORDER_MARK } else { b"" }
    }

    pub(super) fn separator(self) -> u8 {
        if self.tsv { TAB } else { COMMA }
    }

    pub(super) fn text(self, out: &mut Vec<u8>, text: &[u8]) {
        self.guarded(out, |out| if self.tsv { tsv::text(out, text) } else { csv::text(out, text, COMMA) });
    }

    pub(super) fn value(self, out: &mut Vec<u8>, value: &str) {
        self.guarded(
            out,
            |out| if self.tsv { tsv::value(out, value) } else { csv::value(out, value, COMMA) },
        );
    }

    fn guarded(self, out: &mut Vec<u8>, write: impl Fn(&mut Vec<u8>)) {
        let start = out.len();
        write(out);
        if self.style.guard_formulas {
            let quoted = !self.tsv && out.get(start) == Some(&b'"');
            let content = start + usize::from(quoted);
            let escaped = self.tsv && matches!(out.get(start..start + 2), Some(b"\\t" | b"\\n" | b"\\r"));
            let formula = escaped || out.get(content).is_some_and(|first| FORMULA.contains(first));
            if formula && !is_number(&out[content..]) {
                out.insert(content, b'\'');
            }
        }
    }
}

/// Whether a cell is a number like `-5`, `+41` or `-1.5e-3`, which a spreadsheet does not evaluate.
fn is_number(text: &[u8]) -> bool {
    let Some(digits) = text.strip_prefix(b"-").or_else(|| text.strip_prefix(b"+")) else { return false };
    digits.first().is_some_and(u8::is_ascii_digit)
        && std::str::from_utf8(digits).is_ok_and(|digits| digits.parse::<f64>().is_ok())
}
