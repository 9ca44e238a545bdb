//! Tokens of pages. A token names the list that it belongs to and a position in it, and carries a code by
//! which only this server can have made it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{Api, ApiError, Input};
use crate::catalog::Moment;
use crate::store::{KeyReader, KeyWriter};

/// How long a token is valid, in microseconds: a day, as on AWS.
const VALID: i64 = 24 * 60 * 60 * 1_000_000;
/// The length of the code of a token, in bytes.
const CODE: usize = 16;

impl Api {
    /// The token of the page that begins after `position`. `list` names the list: the operation and its
    /// filters.
    pub(super) fn page_token(&self, list: &str, position: &[u8]) -> String {
        let expires = u64::try_from(Moment::now().0 + VALID).unwrap_or_default();
        let content = KeyWriter::default().number(expires).bytes(position).done();
        let code = self.code(list, &content);
        URL_SAFE_NO_PAD.encode([content, code.to_vec()].concat())
    }

    /// The position of a request's token, if it has one.
    ///
    /// # Errors
    /// `InvalidToken` for a token that this server has not made for this list, and for one that is too old.
    pub(super) fn page_position(&self, list: &str, input: &Input) -> Result<Option<Vec<u8>>, ApiError> {
        let Some(token) = input.maybe("nextToken") else { return Ok(None) };
        let position = || {
            let token = URL_SAFE_NO_PAD.decode(token).ok()?;
            let (content, code) = token.split_at_checked(token.len().checked_sub(CODE)?)?;
            let mut reader = KeyReader(content);
            let expires = i64::try_from(reader.number()?).ok()?;
            // The comparison of hashes takes the same time for all codes.
            let ours = blake3::Hash::from_bytes(padded(&self.code(list, content)));
            let same = ours == blake3::Hash::from_bytes(padded(code));
            (same && Moment::now().0 < expires).then(|| reader.0.to_vec())
        };
        position().map(Some).ok_or_else(ApiError::invalid_token)
    }

    fn code(&self, list: &str, content: &[u8]) -> [u8; CODE] {
        let mut hasher = blake3::Hasher::new_keyed(self.catalog.secret());
        hasher.update(b"page\0").update(list.as_bytes()).update(b"\0").update(content);
        let mut code = [0; CODE];
        hasher.finalize_xof().fill(&mut code);
        code
    }
}

fn padded(code: &[u8]) -> [u8; 32] {
    let mut padded = [0; 32];
    padded[..code.len()].copy_from_slice(code);
    padded
}
