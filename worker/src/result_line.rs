//! The result of a line as bytes: one line of a result segment.

use job::file::Identity;
use job::text::one_line;
use job::wire::{Tried, write_values};
use job::{Code, LineId, LineResult};

/// The figures of a result, apart from its values or its error.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Figures {
    pub(crate) n: LineId,
    /// Milliseconds since 1970.
    pub(crate) at: u64,
    pub(crate) millis: u32,
    pub(crate) tries: u32,
    pub(crate) status: u16,
    /// The identity of the line's request, if it was rendered.
    pub(crate) id: Option<Identity>,
}

/// The result of a line that succeeded; `values` is a JSON array.
pub(crate) fn success(figures: Figures, earlier: &[Tried], values: &[u8]) -> Vec<u8> {
    write_values(&LineResult { earlier: earlier.to_vec(), ..result(figures) }, values)
}

/// The result of a line that failed; `values` is a JSON array.
pub(crate) fn failure(
    figures: Figures,
    earlier: &[Tried],
    code: Code,
    detail: &str,
    values: Option<&[u8]>,
) -> Vec<u8> {
    let detail = (!detail.is_empty()).then(|| one_line(detail));
    let earlier = earlier.to_vec();
    let result = LineResult { error: Some(code.as_str()), detail, earlier, ..result(figures) };
    match values {
        Some(values) => write_values(&result, values),
        None => result.to_line(),
    }
}

/// The result of a line whose item is an error.
pub(crate) fn refused(figures: Figures, error: &str, detail: Option<&str>) -> Vec<u8> {
    LineResult { error: Some(error.into()), detail: detail.map(one_line), ..result(figures) }.to_line()
}

fn result(figures: Figures) -> LineResult<'static> {
    let Figures { n, at, millis, tries, status, id } = figures;
    LineResult {
        n,
        t: at,
        ms: millis,
        tries,
        status,
        id,
        v: None,
        error: None,
        detail: None,
        earlier: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn details_contain_no_control_characters() {
        for line in [
            failure(Figures::default(), &[], Code::Url, "a\x1b[31m\u{202e}\nb", None),
            refused(Figures::default(), "url", Some("a\x1b[31m\u{202e}\nb")),
        ] {
            assert_eq!(LineResult::parse(&line).unwrap().detail.unwrap(), "a\\u001b[31m\\u202e b");
        }
    }

    #[test]
    fn result_of_a_success_has_its_values() {
        let id = Some(Identity([7; 16]));
        let figures = Figures { n: LineId::nth(3), at: 5, millis: 7, tries: 1, status: 200, id };
        let line = success(figures, &[], b"[1.50,\"a\"]");
        assert_eq!(line.last(), Some(&b'\n'));
        let result = LineResult::parse(&line).unwrap();
        assert_eq!(
            (result.n.number(), result.t, result.ms, result.tries, result.status, result.id, result.ok()),
            (3, 5, 7, 1, 200, id, true)
        );
        assert_eq!(result.v.unwrap().iter().map(|value| value.get()).collect::<Vec<_>>(), ["1.50", "\"a\""]);
    }
}
