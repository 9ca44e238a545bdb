//! The codes of failed lines: the `error` column of the output.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

/// The causes of a failed connection. The detail of a line with [`Code::Connect`] begins with one of them and
/// a colon, and the report counts by them.
pub const CONNECT_CAUSES: [&str; 7] =
    ["dns", "refused", "unreachable", "timeout", "reset", "closed", "unprocessed"];

/// Why a line failed: the `error` column of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Code {
    /// The line is not UTF-8.
    Decode,
    /// The line is not a record of the input's format.
    Parse,
    /// A template could not be rendered for this line.
    Render,
    /// The rendered URL is not an absolute http or https URL.
    Url,
    /// The URL leads to an address that the job does not allow.
    AddressDenied,
    /// A rendered header is not a legal header value.
    Header,
    /// A secret may not be sent to this host.
    SecretDenied,
    /// A file of the body cannot be sent.
    File,
    /// There was no connection, or it broke before the response began.
    Connect,
    /// The response is not HTTP.
    BadResponse,
    /// The TLS handshake failed.
    Tls,
    /// The response was not complete within the job's timeout.
    Timeout,
    /// The response's body ended early.
    BodyCut,
    /// The response, or the line itself, is larger than the limit.
    TooLarge,
    /// The response's status does not count as success.
    Http(u16),
    /// The job's `fail_if` holds for the response, or cannot be evaluated.
    FailIf,
    /// The job's `retry_if` has held for every response.
    RetryIf,
    /// A redirect led to another origin while the request carried a secret.
    RedirectWithSecret,
    /// More redirects than the job follows.
    RedirectLoop,
    /// The body of a response that counts as success is not what the columns need.
    Extract,
    /// The response has no answer for this line of the request.
    Spread,
    /// A step that is repeated has not ended in time.
    Pending,
    /// The provider asked for a longer wait than the job's `max_wait`.
    RateLimited,
    /// The request may have been sent before a crash; it is not repeated.
    OutcomeUnknown,
    /// The run was stopped before the line was sent.
    Stopped,
    /// The line has no result.
    NotProcessed,
}

impl Code {
    /// Every code except those of a status.
    const WITHOUT_STATUS: [Self; 25] = [
        Self::Decode,
        Self::Parse,
        Self::Render,
        Self::Url,
        Self::AddressDenied,
        Self::Header,
        Self::SecretDenied,
        Self::File,
        Self::Connect,
        Self::BadResponse,
        Self::Tls,
        Self::Timeout,
        Self::BodyCut,
        Self::TooLarge,
        Self::FailIf,
        Self::RetryIf,
        Self::RedirectWithSecret,
        Self::RedirectLoop,
        Self::Extract,
        Self::Spread,
        Self::Pending,
        Self::RateLimited,
        Self::OutcomeUnknown,
        Self::Stopped,
        Self::NotProcessed,
    ];

    /// The stable string.
    pub fn as_str(self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Decode => "decode",
            Self::Parse => "parse",
            Self::Render => "render",
            Self::Url => "url",
            Self::AddressDenied => "address_denied",
            Self::Header => "header",
            Self::SecretDenied => "secret_denied",
            Self::File => "file",
            Self::Connect => "connect",
            Self::BadResponse => "bad_response",
            Self::Tls => "tls",
            Self::Timeout => "timeout",
            Self::BodyCut => "body_cut",
            Self::TooLarge => "too_large",
            Self::FailIf => "fail_if",
            Self::RetryIf => "retry_if",
            Self::RedirectWithSecret => "redirect_with_secret",
            Self::RedirectLoop => "redirect_loop",
            Self::Extract => "extract",
            Self::Spread => "spread",
            Self::Pending => "pending",
            Self::RateLimited => "rate_limited",
            Self::OutcomeUnknown => "outcome_unknown",
            Self::Stopped => "stopped",
            Self::NotProcessed => "not_processed",
            Self::Http(status) => return Cow::Owned(format!("http_{status}")),
        })
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.as_str())
    }
}

/// A text that is not the stable string of a [`Code`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this version has no such code")]
pub struct UnknownCode;

impl FromStr for Code {
    type Err = UnknownCode;

    fn from_str(text: &str) -> Result<Self, UnknownCode> {
        if let Some(code) = Self::WITHOUT_STATUS.into_iter().find(|code| code.as_str() == text) {
            return Ok(code);
        }
        let digits =
            text.strip_prefix("http_").filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
        digits.and_then(|digits| digits.parse().ok()).map(Self::Http).ok_or(UnknownCode)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_read_from_its_string() {
        for code in Code::WITHOUT_STATUS.into_iter().chain([Code::Http(404), Code::Http(503)]) {
            assert_eq!(code.as_str().parse(), Ok(code), "{code}");
        }
        assert_eq!(Code::Http(404).to_string(), "http_404");
        for other in ["", "http_", "http_+404", "http_99999", "Decode", "stopped "] {
            assert_eq!(other.parse::<Code>(), Err(UnknownCode), "{other:?}");
        }
    }
}
