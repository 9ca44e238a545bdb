//! A response whose status does not count as success.

use http::{HeaderMap, StatusCode};
use job::Code;
use tokio::time::{Instant, timeout_at};

use super::{EXCERPT, REFUSAL, Sender, body, charset, coding, media_type, retry_after, shorten};
use crate::client::Response;
use crate::failure::{FailedAttempt, Failure, Nature};

impl Sender {
    /// The failure of a response of which only the beginning is read.
    pub(super) async fn refusal(
        &self,
        response: Response,
        whole: Option<u64>,
        deadline: Instant,
    ) -> FailedAttempt {
        let status = response.status();
        let headers = response.headers().clone();
        let body = timeout_at(deadline, body::prefix(response, whole.unwrap_or(REFUSAL).min(REFUSAL)))
            .await
            .unwrap_or_default();
        match coding::Codings::of(&headers) {
            Ok(codings) => {
                let body = codings.undo_prefix(body, REFUSAL);
                if let Some(tap) = &self.tap {
                    tap.body(&body, body.len() as u64 >= REFUSAL);
                }
                self.refused(status, &headers, &body)
            }
            Err(_) if body.is_empty() => self.refused(status, &headers, &[]),
            Err(_) => self.refused_with(status, &headers, None),
        }
    }

    /// The failure of a response; `body` is all of its content, or the beginning.
    pub(super) fn refused(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> FailedAttempt {
        self.refused_with(status, headers, self.excerpt(body, headers))
    }

    fn refused_with(
        &self,
        status: StatusCode,
        headers: &HeaderMap,
        excerpt: Option<String>,
    ) -> FailedAttempt {
        let (slow, retry_after) = retry_after::asked(status, headers, self.wall.now().millis);
        let detail = match excerpt {
            Some(excerpt) if !excerpt.is_empty() => excerpt,
            Some(_) => format!("the response was {status}, without a body"),
            None => {
                format!("the response was {status}, with a body that is not text ({})", media_type(headers))
            }
        };
        let status = status.as_u16();
        let failure = Failure { status, ..Failure::new(Code::Http(status), detail) };
        let nature = match slow {
            true => Nature::Throttled,
            false if self.job.retry.statuses.contain(status) => Nature::Doubtful,
            false => Nature::Final,
        };
        FailedAttempt { failure, nature, on_wire: true, retry_after }
    }

    /// The beginning of a body's text; `None` if the body is not text.
    pub(crate) fn excerpt(&self, body: &[u8], headers: &HeaderMap) -> Option<String> {
        let most = usize::try_from(REFUSAL).unwrap_or(usize::MAX);
        let (body, cut) = (&body[..body.len().min(most)], body.len() >= most);
        if body.is_empty() {
            return Some(String::new());
        }
        let text = charset::readable(body, cut, headers)?;
        Some(shorten(&self.mask.text(&text), EXCERPT))
    }
}
