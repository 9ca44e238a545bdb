//! The checksums that a client sends with a body, or asks for. Nothing is hashed if there are none.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use crc_fast::CrcAlgorithm;
use http::{HeaderMap, HeaderName};
use s3s::checksum::ChecksumHasher;
use s3s::crypto::{Checksum as _, Crc32, Crc32c, Crc64Nvme, Md5, Sha1, Sha256};
use s3s::dto::{self, ChecksumType};
use s3s::{S3Request, S3Result, TrailingHeaders, s3_error};
use serde::{Deserialize, Serialize};

/// What a checksum is calculated with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Algorithm {
    Crc32,
    Crc32c,
    Crc64Nvme,
    Sha1,
    Sha256,
}

/// A checksum of an object or a part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sum {
    pub(crate) algorithm: Algorithm,
    /// In base64. That of an object whose parts were hashed each ends with `-` and their number.
    pub(crate) value: String,
}

impl Algorithm {
    const ALL: [Self; 5] = [Self::Crc32, Self::Crc32c, Self::Crc64Nvme, Self::Sha1, Self::Sha256];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Crc32c => "CRC32C",
            Self::Crc64Nvme => "CRC64NVME",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
        }
    }

    fn header(self) -> &'static str {
        match self {
            Self::Crc32 => "x-amz-checksum-crc32",
            Self::Crc32c => "x-amz-checksum-crc32c",
            Self::Crc64Nvme => "x-amz-checksum-crc64nvme",
            Self::Sha1 => "x-amz-checksum-sha1",
            Self::Sha256 => "x-amz-checksum-sha256",
        }
    }

    /// The algorithm of a name such as `CRC32`.
    pub(crate) fn parse(name: &str) -> S3Result<Self> {
        let found = Self::ALL.into_iter().find(|one| one.name().eq_ignore_ascii_case(name));
        found.ok_or_else(|| s3_error!(InvalidRequest, "the checksum algorithm {name} is not supported"))
    }

    /// Whether the checksum of an object in parts is by default that of its bytes, and not that of the checksums of
    /// its parts.
    pub(crate) fn is_of_the_whole(self) -> bool {
        self == Self::Crc64Nvme
    }

    fn crc(self) -> Option<CrcAlgorithm> {
        match self {
            Self::Crc32 => Some(CrcAlgorithm::Crc32IsoHdlc),
            Self::Crc32c => Some(CrcAlgorithm::Crc32Iscsi),
            Self::Crc64Nvme => Some(CrcAlgorithm::Crc64Nvme),
            Self::Sha1 | Self::Sha256 => None,
        }
    }
}

/// The type of a checksum of an object in parts, as a client asks for it.
pub(crate) fn of_the_whole(algorithm: Algorithm, wanted: Option<&ChecksumType>) -> S3Result<bool> {
    let whole = match wanted.map(ChecksumType::as_str) {
        None => return Ok(algorithm.is_of_the_whole()),
        Some(ChecksumType::FULL_OBJECT) => true,
        Some(_) => false,
    };
    let possible = if whole { algorithm.crc().is_some() } else { !algorithm.is_of_the_whole() };
    if possible {
        return Ok(whole);
    }
    let kind = if whole { ChecksumType::FULL_OBJECT } else { ChecksumType::COMPOSITE };
    Err(s3_error!(
        InvalidRequest,
        "The {kind} checksum type cannot be used with the {} checksum algorithm.",
        algorithm.name().to_lowercase()
    ))
}

impl Sum {
    /// Whether it is that of the bytes of the object.
    pub(crate) fn is_of_the_whole(&self) -> bool {
        !self.value.contains('-')
    }

    pub(crate) fn kind(&self) -> ChecksumType {
        ChecksumType::from_static(if self.is_of_the_whole() {
            ChecksumType::FULL_OBJECT
        } else {
            ChecksumType::COMPOSITE
        })
    }

    /// The checksum of parts that follow each other, from those of the parts and their sizes.
    pub(crate) fn of_parts(parts: &[(Self, u64)], whole: bool) -> Option<Self> {
        let algorithm = parts.first()?.0.algorithm;
        let sums = parts.iter().map(|(sum, size)| Some((BASE64_STANDARD.decode(&sum.value).ok()?, *size)));
        let sums = sums.collect::<Option<Vec<_>>>()?;
        let value = if whole {
            let crc = algorithm.crc()?;
            let number = |bytes: &[u8]| bytes.iter().fold(0, |all, byte| (all << 8) | u64::from(*byte));
            let (first, _) = sums.first()?;
            let combine = |sum, (next, size): &(Vec<u8>, u64)| {
                crc_fast::checksum_combine(crc, sum, number(next), *size)
            };
            let sum = sums[1..].iter().fold(number(first), combine);
            BASE64_STANDARD.encode(&sum.to_be_bytes()[8 - first.len()..])
        } else {
            let mut hasher = hasher(Some(algorithm));
            sums.iter().for_each(|(sum, _)| hasher.update(sum));
            format!("{}-{}", finish(hasher)?.value, sums.len())
        };
        Some(Self { algorithm, value })
    }
}

/// The checksum that a client sends in a header or in a field: at most one.
macro_rules! sent {
    ($input:expr) => {{
        use crate::checksum::Algorithm;
        let sums = [
            (Algorithm::Crc32, &$input.checksum_crc32),
            (Algorithm::Crc32c, &$input.checksum_crc32c),
            (Algorithm::Crc64Nvme, &$input.checksum_crc64nvme),
            (Algorithm::Sha1, &$input.checksum_sha1),
            (Algorithm::Sha256, &$input.checksum_sha256),
        ];
        crate::checksum::one_of(sums)
    }};
}

/// Shows a checksum in a response or in a part of it.
macro_rules! show {
    ($output:expr, $sum:expr) => {
        if let Some(sum) = $sum {
            let place = match sum.algorithm {
                crate::checksum::Algorithm::Crc32 => &mut $output.checksum_crc32,
                crate::checksum::Algorithm::Crc32c => &mut $output.checksum_crc32c,
                crate::checksum::Algorithm::Crc64Nvme => &mut $output.checksum_crc64nvme,
                crate::checksum::Algorithm::Sha1 => &mut $output.checksum_sha1,
                crate::checksum::Algorithm::Sha256 => &mut $output.checksum_sha256,
            };
            *place = Some(sum.value.clone());
        }
    };
}

pub(crate) use {sent, show};

pub(crate) fn one_of(sums: [(Algorithm, &Option<String>); 5]) -> S3Result<Option<Sum>> {
    let mut found = sums
        .into_iter()
        .filter_map(|(algorithm, value)| value.as_ref().map(|value| Sum { algorithm, value: value.clone() }));
    match (found.next(), found.next()) {
        (_, Some(_)) => Err(s3_error!(
            InvalidRequest,
            "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed."
        )),
        (first, None) => Ok(first),
    }
}

/// What a body must have, and what is calculated of it.
#[derive(Default)]
pub(crate) struct Expected {
    md5: Option<String>,
    algorithm: Option<Algorithm>,
    value: Option<String>,
    /// Where the checksum is, if it follows the body.
    trailer: Option<TrailingHeaders>,
}

impl Expected {
    /// `sent` is a checksum in the headers, and `asked` the algorithm that is to be used.
    pub(crate) fn new<T>(
        req: &mut S3Request<T>,
        md5: Option<String>,
        sent: Option<Sum>,
        asked: Option<&dto::ChecksumAlgorithm>,
    ) -> S3Result<Self> {
        let asked = asked.map(|name| Algorithm::parse(name.as_str())).transpose()?;
        let trailer = req.trailing_headers.take();
        let announced = announced(&req.headers)?;
        let (algorithm, value) = match (sent, announced) {
            (Some(_), Some(_)) => {
                return Err(s3_error!(
                    InvalidRequest,
                    "a checksum is either in the headers or after the body"
                ));
            }
            (Some(sum), None) => (Some(sum.algorithm), Some(sum.value)),
            (None, announced) => (announced, None),
        };
        if let (Some(algorithm), Some(asked)) = (algorithm, asked)
            && algorithm != asked
        {
            return Err(s3_error!(
                InvalidRequest,
                "Value for x-amz-sdk-checksum-algorithm header is invalid: it is {}, and the checksum is {}",
                asked.name(),
                algorithm.name()
            ));
        }
        let trailer = trailer.filter(|_| announced.is_some());
        Ok(Self { md5, algorithm: algorithm.or(asked), value, trailer })
    }

    /// Uses the algorithm of an upload for one of its parts.
    pub(crate) fn of_upload(mut self, algorithm: Option<Algorithm>) -> S3Result<Self> {
        match (algorithm, self.algorithm) {
            (Some(wanted), Some(sent)) if wanted != sent => Err(s3_error!(
                InvalidRequest,
                "Checksum Type mismatch occurred, expected checksum Type: {}, actual checksum Type: {}",
                wanted.name().to_lowercase(),
                sent.name().to_lowercase()
            )),
            (wanted, sent) => {
                self.algorithm = sent.or(wanted);
                Ok(self)
            }
        }
    }

    /// Reads what followed the body.
    pub(crate) fn body_has_ended(&mut self) -> S3Result {
        let (Some(trailer), Some(algorithm)) = (self.trailer.take(), self.algorithm) else { return Ok(()) };
        let headers = trailer.take().unwrap_or_default();
        let value = headers.get(algorithm.header()).and_then(|value| value.to_str().ok());
        let missing = || s3_error!(InvalidRequest, "{} does not follow the body", algorithm.header());
        self.value = Some(value.ok_or_else(missing)?.trim().to_owned());
        Ok(())
    }
}

/// The checksum that is announced to follow the body.
fn announced(headers: &HeaderMap) -> S3Result<Option<Algorithm>> {
    let known = |name: &str| Algorithm::ALL.into_iter().find(|one| name == one.header());
    let unknown = |name: &str| s3_error!(InvalidRequest, "{name} is not supported");
    if let Some(name) = headers.keys().map(HeaderName::as_str).find(|name| {
        let rest = name.strip_prefix("x-amz-checksum-");
        rest.is_some_and(|rest| !matches!(rest, "algorithm" | "mode" | "type")) && known(name).is_none()
    }) {
        return Err(unknown(name));
    }
    let Some(name) = headers.get("x-amz-trailer") else { return Ok(None) };
    let name = name.to_str().unwrap_or_default().trim().to_ascii_lowercase();
    known(&name).map(Some).ok_or_else(|| unknown(&name))
}

/// Calculates the checksums of a body.
pub(crate) struct Checksums {
    md5: Option<Md5>,
    hasher: ChecksumHasher,
}

impl Checksums {
    pub(crate) fn new(expected: &Expected) -> Self {
        Self { md5: expected.md5.is_some().then(Md5::new), hasher: hasher(expected.algorithm) }
    }

    pub(crate) fn of(algorithm: Algorithm) -> Self {
        Self { md5: None, hasher: hasher(Some(algorithm)) }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        if let Some(md5) = &mut self.md5 {
            md5.update(bytes);
        }
        self.hasher.update(bytes);
    }

    pub(crate) fn sum(self) -> Option<Sum> {
        finish(self.hasher)
    }

    /// The checksum of the body. Fails with `BadDigest` if one is not the expected one.
    pub(crate) fn check(self, expected: &Expected) -> S3Result<Option<Sum>> {
        let md5 = self.md5.map(|md5| BASE64_STANDARD.encode(md5.finalize()));
        let sum = finish(self.hasher);
        if let Some(sent) = &expected.md5
            && md5.as_ref() != Some(sent)
        {
            return match BASE64_STANDARD.decode(sent) {
                Ok(bytes) if bytes.len() == 16 => {
                    Err(s3_error!(BadDigest, "The Content-MD5 you specified did not match what we received."))
                }
                _ => Err(s3_error!(InvalidDigest, "The Content-MD5 you specified is not valid.")),
            };
        }
        match (&sum, &expected.value) {
            (Some(sum), Some(sent)) if sum.value != *sent => Err(s3_error!(
                BadDigest,
                "The {} you specified did not match the calculated checksum.",
                sum.algorithm.name()
            )),
            _ => Ok(sum),
        }
    }
}

fn hasher(algorithm: Option<Algorithm>) -> ChecksumHasher {
    let is = |one| algorithm == Some(one);
    ChecksumHasher {
        crc32: is(Algorithm::Crc32).then(Crc32::new),
        crc32c: is(Algorithm::Crc32c).then(Crc32c::new),
        crc64nvme: is(Algorithm::Crc64Nvme).then(Crc64Nvme::new),
        sha1: is(Algorithm::Sha1).then(Sha1::new),
        sha256: is(Algorithm::Sha256).then(Sha256::new),
    }
}

fn finish(hasher: ChecksumHasher) -> Option<Sum> {
    let found = hasher.finalize();
    sent!(found).ok().flatten()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn sum(algorithm: Algorithm, bytes: &[u8]) -> Sum {
        let mut sums = Checksums::of(algorithm);
        sums.update(bytes);
        sums.sum().unwrap()
    }

    #[test]
    fn the_checksum_of_the_whole_is_made_of_those_of_the_parts() {
        let parts: [&[u8]; 3] = [b"one", b"", b"three and more"];
        for algorithm in [Algorithm::Crc32, Algorithm::Crc32c, Algorithm::Crc64Nvme] {
            let of_each = parts.map(|part| (sum(algorithm, part), part.len() as u64));
            assert_eq!(Sum::of_parts(&of_each, true).unwrap(), sum(algorithm, &parts.concat()));
        }
    }

    #[test]
    fn a_composite_checksum_is_that_of_the_checksums() {
        let of_each = [(sum(Algorithm::Sha256, b"a"), 1), (sum(Algorithm::Sha256, b"b"), 1)];
        let bytes: Vec<u8> =
            of_each.iter().flat_map(|(sum, _)| BASE64_STANDARD.decode(&sum.value).unwrap()).collect();
        let found = Sum::of_parts(&of_each, false).unwrap();
        assert_eq!(found.value, format!("{}-2", sum(Algorithm::Sha256, &bytes).value));
        assert_eq!(Sum::of_parts(&of_each, true), None, "SHA-256 cannot be combined");
    }
}
