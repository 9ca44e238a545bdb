//! The method of a request.

use std::fmt;
use std::sync::Arc;

/// The methods that may be sent again by their definition, because a second request has no further effect.
/// Source: IANA, "HTTP Method Registry", column "Idempotent". TRACE is not among them: it cannot be sent.
const IDEMPOTENT: [&str; 9] =
    ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "PROPFIND", "REPORT", "SEARCH", "QUERY"];

/// A request method: a token in upper case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Method(Arc<str>);

impl Method {
    /// Reads a method.
    ///
    /// # Errors
    /// In words, if it cannot be the method of a line's request.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let is_token = !text.is_empty()
            && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'-');
        match text {
            "CONNECT" | "TRACE" => Err(format!("{text} cannot be the method of a line's request")),
            _ if is_token && text.len() <= 32 => Ok(Self(text.into())),
            _ => {
                let upper = text.trim().to_ascii_uppercase();
                let known = IDEMPOTENT.into_iter().chain(["POST", "PATCH"]).find(|known| *known == upper);
                Err(match known {
                    Some(known) => format!("{text:?} is not a method: write {known:?}"),
                    None => {
                        format!(
                            "{text:?} is not a method: write GET, HEAD, POST, PUT, PATCH or DELETE, or another one in capitals"
                        )
                    }
                })
            }
        }
    }

    /// The name in a request line.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a second request has no further effect.
    pub fn is_idempotent(&self) -> bool {
        IDEMPOTENT.contains(&self.as_str())
    }
}

impl Default for Method {
    fn default() -> Self {
        Self("GET".into())
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
