//! A result of the run before as a result of the new run: its columns are those of the new job.

use std::borrow::Cow;

use job::file::{Conversion, Identity, Unmade};
use job::wire::{ResultView, seal, write_values};
use job::{Code, Job, LineId, LineResult};

/// The most bytes that the values of a result may have together, as a multiple of the largest body. Workers
/// keep the same.
const COPIES: usize = 2;

/// Makes results of the run before into results of the new run.
pub(super) struct Rewriter {
    /// `None`: there are columns that cannot be made from what was kept, and so there is no success.
    conversion: Option<Conversion>,
    most: usize,
}

/// A result without its line's number and closing brace.
pub(super) struct Rewritten<'a> {
    pub(super) tail: Cow<'a, [u8]>,
    /// It has the values of all columns, or it is a failure of the run before.
    pub(super) as_before: bool,
}

impl Rewriter {
    pub(super) fn new(conversion: Option<Conversion>, job: &Job) -> Self {
        let most = usize::try_from(job.request.max_response).unwrap_or(usize::MAX).saturating_mul(COPIES);
        Self { conversion, most }
    }

    /// Rewrites a line of a segment. A success without the values of a new column becomes the failure that a
    /// response like it would be.
    ///
    /// # Errors
    /// In words, when the result is damaged.
    pub(super) fn rewrite<'a>(
        &self,
        line: &'a [u8],
        view: &ResultView<'_>,
        identity: Identity,
    ) -> Result<Rewritten<'a>, String> {
        let conversion = self.conversion.as_ref();
        let same = view.error.is_some() || conversion.is_some_and(Conversion::changes_nothing);
        if same
            && view.id == Some(identity)
            && let Some(tail) = tail(line)
        {
            return Ok(Rewritten { tail: Cow::Borrowed(tail), as_before: true });
        }
        let figures = LineResult {
            n: LineId::default(),
            t: view.t,
            ms: view.ms,
            tries: view.tries,
            status: view.status,
            id: Some(identity),
            v: None,
            error: view.error.clone(),
            detail: view.detail.clone(),
            earlier: Vec::new(),
        };
        if view.error.is_some() {
            return Ok(rewritten(&figures.to_line(), true));
        }
        let Some(conversion) = conversion else {
            return Err("the columns of the job cannot be made from it".to_owned());
        };
        let (code, detail) = match conversion.convert(view, self.most) {
            Ok(values) => return Ok(rewritten(&write_values(&figures, &values), true)),
            Err(Unmade::NotJson(detail)) => (Code::Extract, detail),
            Err(Unmade::TooMuch) => (
                Code::TooLarge,
                format!("the values of the columns have more than {} bytes together", self.most),
            ),
            Err(Unmade::Damaged) => return Err("it does not have the values of its job's columns".to_owned()),
        };
        let failed =
            LineResult { error: Some(code.to_string().into()), detail: Some(detail.into()), ..figures };
        Ok(rewritten(&failed.to_line(), false))
    }
}

fn rewritten(line: &[u8], as_before: bool) -> Rewritten<'static> {
    let tail = tail(line.trim_ascii_end()).expect("a result that was just written has its number first");
    Rewritten { tail: Cow::Owned(tail.to_vec()), as_before }
}

/// A result after its line's number, without its sum and its closing brace. `None` if it is not as a step
/// writes it.
fn tail(line: &[u8]) -> Option<&[u8]> {
    let rest = seal::without(line)?.strip_prefix(b"{\"n\":")?;
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    (digits > 0).then(|| &rest[digits..])
}

/// Appends the result of line `n` with this tail.
pub(super) fn write(out: &mut Vec<u8>, n: LineId, tail: &[u8]) {
    out.extend_from_slice(b"{\"n\":");
    job::wire::json::number(out, n.number());
    out.extend_from_slice(tail);
    out.extend_from_slice(b"}\n");
}

/// The tail of the result of a line that may have been sent and has no result.
pub(super) fn unknown(identity: Identity) -> Vec<u8> {
    let result = LineResult {
        n: LineId::default(),
        t: 0,
        ms: 0,
        tries: 0,
        status: 0,
        id: Some(identity),
        v: None,
        error: Some(Code::OutcomeUnknown.as_str()),
        detail: Some(
            "an earlier run may have sent it before it was interrupted, and it must not be sent twice".into(),
        ),
        earlier: Vec::new(),
    };
    rewritten(&result.to_line(), true).tail.into_owned()
}
