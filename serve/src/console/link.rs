//! Links that sign in once. A link is valid for ten minutes. Whoever can read the keys of the folder can make one, and the
//! server recognises it, because both derive a key from the secret of the first admin.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::catalog::Moment;
use crate::keys::Keys;
use crate::store::{KeyReader, KeyWriter};

/// How long a link is valid, in microseconds.
const VALID: i64 = 10 * 60 * 1_000_000;
const CONTEXT: &str = "throughline serve: sign-in link";
const NONCE: usize = 16;

/// A new token for a link.
pub(crate) fn make(keys: &Keys) -> String {
    let expires = u64::try_from(Moment::now().0 + VALID).unwrap_or_default();
    let nonce: [u8; NONCE] = rand::random();
    let content = KeyWriter::default().number(expires).bytes(&nonce).done();
    let code = code(keys, &content);
    URL_SAFE_NO_PAD.encode([content, code.as_bytes().to_vec()].concat())
}

/// The content of a token, by which it is known when it is used again. None for a token that is too old, or that was not made
/// with the keys of this server.
pub(crate) fn content(keys: &Keys, token: &str) -> Option<(Moment, Vec<u8>)> {
    let token = URL_SAFE_NO_PAD.decode(token).ok()?;
    let (content, given) = token.split_at_checked(8 + NONCE)?;
    let given: [u8; 32] = given.try_into().ok()?;
    // The comparison of hashes takes the same time for all codes.
    let ours = code(keys, content) == blake3::Hash::from_bytes(given);
    let expires = Moment(i64::try_from(KeyReader(content).number()?).ok()?);
    (ours && Moment::now() < expires).then(|| (expires, content.to_vec()))
}

fn code(keys: &Keys, content: &[u8]) -> blake3::Hash {
    let key = blake3::derive_key(CONTEXT, keys.admin().secret.as_bytes());
    blake3::keyed_hash(&key, content)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::keys::{Key, Role};

    #[test]
    fn a_token_is_valid_only_as_it_was_made_and_with_its_keys() {
        let keys =
            |secret: &str| Keys::of(vec![Key { id: "A".into(), secret: secret.into(), role: Role::Admin }]);
        let (own, other) = (keys("0123456789abcdef"), keys("0123456789abcdeg"));
        let token = make(&own);
        assert_ne!(token, make(&own));
        assert!(content(&own, &token).is_some());
        assert!(content(&other, &token).is_none());
        let mut changed = URL_SAFE_NO_PAD.decode(&token).unwrap();
        for at in 0..changed.len() {
            changed[at] ^= 1;
            assert!(content(&own, &URL_SAFE_NO_PAD.encode(&changed)).is_none(), "byte {at}");
            changed[at] ^= 1;
        }
        assert!(content(&own, "").is_none());
    }
}
