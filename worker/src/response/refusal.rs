//! A response that is neither 2xx nor a redirect.

use http::{HeaderMap, StatusCode};
use job::Code;
use tokio::time::{Instant, timeout_at};

use super::{EXCERPT, REFUSAL, Sender, body, charset, coding, media_type, retry_after, shorten};
use crate::client::Response;
use crate::failure::{FailedAttempt, Failure, Nature};

impl Sender {
    /// The failure of a response that is neither 2xx nor a redirect.
    pub(super) async fn refusal(
        &self,
        response: Response,
        whole: Option<u64>,
        deadline: Instant,
    ) -> FailedAttempt {
        let status = response.status();
        let now = self.wall.now().millis;
        let (slow, retry_after) = retry_after::asked(status, response.headers(), now);
        let headers = response.headers().clone();
        let body = timeout_at(deadline, body::prefix(response, whole.unwrap_or(REFUSAL).min(REFUSAL)))
            .await
            .unwrap_or_default();
        let detail = match self.excerpt(body, &headers) {
            Some(excerpt) if !excerpt.is_empty() => excerpt,
            Some(_) => format!("the response was {status}, without a body"),
            None => {
                format!("the response was {status}, with a body that is not text ({})", media_type(&headers))
            }
        };
        let failure = Failure { code: Code::Http(status.as_u16()), detail, status: status.as_u16() };
        let nature = match status {
            _ if slow => Nature::Throttled,
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY => Nature::Doubtful,
            status if status.is_server_error() => Nature::Doubtful,
            _ => Nature::Final,
        };
        FailedAttempt { failure, nature, on_wire: true, retry_after }
    }

    /// The beginning of a refusal's text; `None` if the body is not text.
    fn excerpt(&self, body: Vec<u8>, headers: &HeaderMap) -> Option<String> {
        if body.is_empty() {
            return Some(String::new());
        }
        let packed = body.len() as u64;
        let unpacked = coding::Codings::of(headers).ok()?.undo_prefix(body, REFUSAL);
        let text = charset::readable(&unpacked, packed.max(unpacked.len() as u64) >= REFUSAL, headers)?;
        Some(shorten(&self.run.mask.text(&text), EXCERPT))
    }
}
