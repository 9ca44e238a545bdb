//! The identity of a request: two lines with the same identity ask the same thing.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::template::Template;
use super::{Job, Request, Row};

/// 128 bits of BLAKE3 over the method, URL, headers and body of a request, as rendered for one line alone.
/// Secrets and drawn values such as `uuid()` are in it by name. The order of the headers does not count, and
/// neither does the key that makes a request idempotent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity(pub [u8; 16]);

/// The texts of a request that was rendered with the values of its secrets.
pub struct Rendered<'a> {
    /// `url`, as it was rendered.
    pub url: &'a str,
    /// `body`, if the job has one.
    pub body: Option<&'a [u8]>,
    /// The value of a header of the job.
    pub header: &'a dyn Fn(&str) -> Option<&'a [u8]>,
}

impl Job {
    /// The identity of a line's request. `None` where a template cannot be rendered for the line.
    pub fn identity(&self, row: &Arc<Row>) -> Option<Identity> {
        self.identity_with(row, None)
    }

    /// [`Self::identity`], where the request has been rendered already: only the templates that name a secret
    /// are rendered again.
    pub fn identity_of(&self, row: &Arc<Row>, rendered: &Rendered<'_>) -> Option<Identity> {
        self.identity_with(row, Some(rendered))
    }

    fn identity_with(&self, row: &Arc<Row>, rendered: Option<&Rendered<'_>>) -> Option<Identity> {
        let row = &*self.framed(row);
        let mut sum = Sum(Vec::with_capacity(512));
        let Request { method, url, headers: of_job, body, json_body, .. } = &self.request;
        sum.part(method.as_str().as_bytes());
        sum.part(&text(url, row, rendered.map(|known| known.url.as_bytes()))?);
        if let Some(body) = body {
            sum.part(&text(body, row, rendered.and_then(|known| known.body))?);
        }
        let mut headers = Vec::with_capacity(of_job.len() + 1);
        for (name, value) in of_job {
            let known = rendered.and_then(|known| (known.header)(name));
            headers.push((name.as_str(), text(value, row, known)?));
        }
        if *json_body && !of_job.iter().any(|(name, _)| name == "content-type") {
            headers.push(("content-type", b"application/json".into()));
        }
        headers.sort_unstable();
        for (name, value) in headers {
            sum.part(name.as_bytes());
            sum.part(&value);
        }
        if let Some(upload) = &self.request.upload {
            for (name, template) in upload.identifying() {
                sum.part(name.as_bytes());
                sum.part(&text(template, row, None)?);
            }
        }
        if let Some(follow) = &self.follow {
            for part in follow.identifying(row) {
                sum.part(part.as_bytes());
            }
        }
        if let Some(auth) = &self.auth {
            for template in auth.identifying() {
                sum.part(auth.name().as_bytes());
                sum.part(&text(template, row, None)?);
            }
        }
        Some(sum.identity())
    }
}

/// A template's text without the values of secrets. `known` is its text with them.
fn text<'a>(template: &'a Template, row: &Arc<Row>, known: Option<&'a [u8]>) -> Option<Cow<'a, [u8]>> {
    match known {
        Some(known) if template.secrets().is_empty() && !template.draws() => Some(Cow::Borrowed(known)),
        _ => match template.render_named(row).ok()? {
            Cow::Borrowed(text) => Some(Cow::Borrowed(text.as_bytes())),
            Cow::Owned(text) => Some(Cow::Owned(text.into_bytes())),
        },
    }
}

/// Parts with their lengths. The number of parts says whether there is a body: headers are pairs. They are
/// hashed in one go, which costs half of what it does part by part.
struct Sum(Vec<u8>);

impl Sum {
    fn part(&mut self, part: &[u8]) {
        let length = u32::try_from(part.len()).expect("a request is smaller than 4 GiB");
        self.0.extend_from_slice(&length.to_le_bytes());
        self.0.extend_from_slice(part);
    }

    fn identity(&self) -> Identity {
        let mut identity = [0; 16];
        identity.copy_from_slice(&blake3::hash(&self.0).as_bytes()[..16]);
        Identity(identity)
    }
}

/// The text is not 32 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is not the identity of a request: expected 32 hexadecimal digits")]
pub struct InvalidIdentity;

impl Identity {
    fn digits(&self) -> [u8; 32] {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut digits = [0; 32];
        for (pair, byte) in digits.as_chunks_mut::<2>().0.iter_mut().zip(self.0) {
            *pair = [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]];
        }
        digits
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.digits()).expect("digits are ASCII"))
    }
}

impl FromStr for Identity {
    type Err = InvalidIdentity;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return Err(InvalidIdentity) };
        let mut identity = [0; 16];
        if pairs.len() != identity.len() {
            return Err(InvalidIdentity);
        }
        let mut wrong = 0;
        for (byte, [high, low]) in identity.iter_mut().zip(pairs) {
            let (high, low) = (VALUES[usize::from(*high)], VALUES[usize::from(*low)]);
            wrong |= high | low;
            *byte = high << 4 | low;
        }
        if wrong == NOT_A_DIGIT {
            return Err(InvalidIdentity);
        }
        Ok(Self(identity))
    }
}

const NOT_A_DIGIT: u8 = 0xff;

/// The values of hexadecimal digits.
const VALUES: [u8; 256] = {
    let mut values = [NOT_A_DIGIT; 256];
    let mut value = 0;
    while value < 16 {
        values[b"0123456789abcdef"[value as usize] as usize] = value;
        value += 1;
    }
    values
};

impl Serialize for Identity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(std::str::from_utf8(&self.digits()).expect("digits are ASCII"))
    }
}

impl<'de> Deserialize<'de> for Identity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_read_as_it_was_written() {
        let identity = Identity(*b"0123456789abcdef");
        assert_eq!(identity.to_string(), "30313233343536373839616263646566");
        assert_eq!(identity.to_string().parse(), Ok(identity));
        for wrong in ["", "+0303030303030303030303030303030", "0", "0123456789abcdef0123456789abcdeg"] {
            assert_eq!(wrong.parse::<Identity>(), Err(InvalidIdentity), "{wrong}");
        }
    }
}
