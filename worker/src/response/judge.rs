//! Whether a response that was read counts as success, and what it says if not.

use job::Code;
use job::file::Condition;

use super::Sender;
use super::body::ReadLimits;
use super::extract::Seen;
use super::retry_after;
use crate::failure::{FailedAttempt, Failure, Nature};

impl Sender {
    /// Fails if the response does not count as success.
    pub(super) async fn judge(
        &self,
        seen: &Seen<'_>,
        succeeds: bool,
        limits: &mut ReadLimits<'_>,
    ) -> Result<(), FailedAttempt> {
        let Some(mut failed) = self.refusal_of(seen, succeeds) else { return Ok(()) };
        if self.job.output.failed_columns {
            // What cannot be read has no values.
            failed.failure.values = self.extract(seen, limits).await.ok().map(Vec::into_boxed_slice);
        }
        Err(failed)
    }

    /// Why a response does not count as success.
    fn refusal_of(&self, seen: &Seen<'_>, succeeds: bool) -> Option<FailedAttempt> {
        let rules = &self.job.response;
        if let Some(retry_if) = &rules.retry_if {
            let (slow, retry_after) = retry_after::asked(seen.status, seen.headers, self.wall.now().millis);
            let held = if succeeds || !slow { self.held(retry_if, "retry_if", seen) } else { None };
            if let Some(failed) = held {
                let nature = if failed.evaluated { Nature::Asked } else { Nature::Final };
                let failed = FailedAttempt::from(failed.failure(Code::RetryIf, seen.status.as_u16()));
                return Some(FailedAttempt { nature, retry_after, ..failed });
            }
        }
        if !succeeds {
            return Some(self.refused(seen.status, seen.headers, seen.body));
        }
        let failed = rules.fail_if.as_ref().and_then(|condition| self.held(condition, "fail_if", seen))?;
        Some(failed.failure(Code::FailIf, seen.status.as_u16()).into())
    }

    /// What a condition finds, unless it is false.
    fn held(&self, condition: &Condition, key: &str, seen: &Seen<'_>) -> Option<Held> {
        let evaluated = seen.holds(condition);
        if evaluated == Ok(false) {
            return None;
        }
        let excerpt = self.excerpt(seen.body, seen.headers).unwrap_or_default();
        let detail = match &evaluated {
            Err(why) => format!("{key} cannot be evaluated for this response: {why}: {excerpt}"),
            Ok(_) if excerpt.is_empty() => format!("{key} holds for the response"),
            Ok(_) => excerpt,
        };
        Some(Held { detail, evaluated: evaluated.is_ok() })
    }
}

/// A condition that holds, or that could not be evaluated.
struct Held {
    detail: String,
    evaluated: bool,
}

impl Held {
    fn failure(self, code: Code, status: u16) -> Failure {
        Failure { status, ..Failure::new(code, self.detail) }
    }
}
