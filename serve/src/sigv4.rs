//! Verifies signatures of requests to the Step Functions API (AWS General Reference, "Signature Version 4
//! signing process"). Requests to the store are verified by `s3`.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, Method, Uri, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest, Sha256};
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use time::{Duration, OffsetDateTime, PrimitiveDateTime};

use crate::api::ApiError;
use crate::keys::{Key, Keys};

/// The service in the scope of a signature for the Step Functions API.
pub(crate) const STATES: &str = "states";
/// That of EventBridge Scheduler.
pub(crate) const SCHEDULER: &str = "scheduler";
const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// How far the clock of a client may be from ours.
const SKEW: Duration = Duration::minutes(5);
const DATE: &[BorrowedFormatItem<'static>] =
    format_description!("[year][month][day]T[hour][minute][second]Z");
/// The most signing keys that are remembered: one a day, Region and access key.
const REMEMBERED: usize = 1_000;

/// A path is encoded once more, apart from these.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Verifies signatures that were made with one of the server's keys.
pub(crate) struct Verifier {
    keys: Keys,
    /// Signing keys by access key, date and Region.
    signing: Mutex<HashMap<String, [u8; 32]>>,
}

/// The parts of the header `Authorization`.
struct Authorization<'a> {
    id: &'a str,
    /// `date/region/service/aws4_request`
    scope: &'a str,
    headers: &'a str,
    signature: &'a str,
}

impl Verifier {
    pub(crate) fn new(keys: Keys) -> Self {
        Self { keys, signing: Mutex::default() }
    }

    /// The key that signed a request.
    ///
    /// # Errors
    /// AWS's error for a missing, malformed, unknown, wrong or old signature.
    pub(crate) fn verify(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        body: &[u8],
        expected: &str,
        now: OffsetDateTime,
    ) -> Result<&Key, ApiError> {
        let Some(value) = headers.get(header::AUTHORIZATION) else {
            return Err(ApiError::new("MissingAuthenticationTokenException", "Missing Authentication Token"));
        };
        let authorization = Authorization::parse(value.to_str().unwrap_or_default())?;
        let mut scope = authorization.scope.split('/');
        let (day, region) = (scope.next().unwrap_or_default(), scope.next().unwrap_or_default());
        let (service, end) = (scope.next().unwrap_or_default(), scope.next().unwrap_or_default());
        if service != expected || end != "aws4_request" || scope.next().is_some() {
            return Err(invalid(format!(
                "Credential should be scoped to correct service: '{expected}'; it is scoped to '{service}'."
            )));
        }
        let Some(key) = self.keys.find(authorization.id) else {
            return Err(ApiError::new(
                "UnrecognizedClientException",
                "The security token included in the request is invalid.",
            ));
        };
        let date = headers.get("x-amz-date").and_then(|date| date.to_str().ok()).unwrap_or_default();
        let Ok(signed) = PrimitiveDateTime::parse(date, DATE).map(PrimitiveDateTime::assume_utc) else {
            return Err(incomplete("the header X-Amz-Date is missing or not of the form 20260101T000000Z"));
        };
        if !date.starts_with(day) || day.len() != 8 {
            return Err(invalid(format!("Date in Credential scope does not match YYYYMMDD of {date}.")));
        }
        if (signed - now).abs() > SKEW {
            let shown = now.format(DATE).unwrap_or_default();
            return Err(invalid(format!(
                "Signature expired: {date} is more than 5 minutes from the time of the server, {shown}."
            )));
        }
        check_signed_headers(headers, authorization.headers)?;
        let canonical = canonical_request(method, uri, headers, authorization.headers, body);
        let text = format!(
            "{ALGORITHM}\n{date}\n{}\n{}",
            authorization.scope,
            hex(&Sha256::digest(canonical.as_bytes()))
        );
        let signing = self.signing_key(key, day, region, expected);
        let given = unhex(authorization.signature).ok_or_else(mismatch)?;
        hmac(&signing, text.as_bytes()).verify_slice(&given).map_err(|_| mismatch())?;
        Ok(key)
    }

    fn signing_key(&self, key: &Key, day: &str, region: &str, service: &str) -> [u8; 32] {
        let name = format!("{}/{day}/{region}/{service}", key.id);
        let mut known = self.signing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(signing) = known.get(&name) {
            return *signing;
        }
        let secret = format!("AWS4{}", key.secret);
        let signing =
            [day, region, service, "aws4_request"].into_iter().fold(secret.into_bytes(), |key, part| {
                hmac(&key, part.as_bytes()).finalize().into_bytes().to_vec()
            });
        let signing: [u8; 32] = signing.try_into().expect("an HMAC of SHA-256 has 32 bytes");
        // A client chooses the Region, so the memory has a bound.
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(name, signing);
        signing
    }
}

impl<'a> Authorization<'a> {
    fn parse(value: &'a str) -> Result<Self, ApiError> {
        let parts = value.strip_prefix(ALGORITHM).and_then(|parts| parts.strip_prefix(' '));
        let parts = parts.ok_or_else(|| incomplete(&format!("the algorithm must be {ALGORITHM}")))?;
        let part = |name: &str| {
            let mut found = parts
                .split(',')
                .filter_map(|part| part.trim().strip_prefix(name).and_then(|part| part.strip_prefix('=')));
            found.next().ok_or_else(|| incomplete(&format!("Authorization header requires '{name}'")))
        };
        let credential = part("Credential")?;
        let (id, scope) = credential.split_once('/').unwrap_or((credential, ""));
        Ok(Self { id, scope, headers: part("SignedHeaders")?, signature: part("Signature")? })
    }
}

/// The host and what decides the meaning of the request must be signed.
fn check_signed_headers(headers: &HeaderMap, signed: &str) -> Result<(), ApiError> {
    let must_be = |name: &str| {
        name == "host" || name == "x-amz-date" || name == "x-amz-target" || name == "x-amz-security-token"
    };
    let unsigned = headers
        .keys()
        .map(header::HeaderName::as_str)
        .find(|name| must_be(name) && !signed.split(';').any(|header| header == *name));
    match unsigned {
        Some(name) => Err(invalid(format!("'{name}' must be a 'SignedHeader' in the AWS Authorization."))),
        None => Ok(()),
    }
}

fn canonical_request(method: &Method, uri: &Uri, headers: &HeaderMap, signed: &str, body: &[u8]) -> String {
    let mut query: Vec<String> = uri.query().unwrap_or_default().split('&').map(canonical_pair).collect();
    query.sort_unstable();
    let path = utf8_percent_encode(uri.path(), PATH);
    let mut text = format!("{method}\n{path}\n{}\n", query.join("&"));
    for name in signed.split(';') {
        let values: Vec<String> = headers
            .get_all(name)
            .iter()
            .map(|value| {
                String::from_utf8_lossy(value.as_bytes()).split_whitespace().collect::<Vec<_>>().join(" ")
            })
            .collect();
        text += &format!("{name}:{}\n", values.join(","));
    }
    text + &format!("\n{signed}\n{}", hex(&Sha256::digest(body)))
}

/// A name of the query always has a value.
fn canonical_pair(pair: &str) -> String {
    if pair.is_empty() || pair.contains('=') { pair.to_owned() } else { format!("{pair}=") }
}

/// The service of the scope in the header `Authorization` of a request.
pub(crate) fn service_of(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    Authorization::parse(value).ok()?.scope.split('/').nth(2)
}

fn hmac(key: &[u8], text: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of HMAC may have any length");
    mac.update(text);
    mac
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) || !text.is_ascii() {
        return None;
    }
    let pairs = digits.chunks_exact(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

fn incomplete(what: &str) -> ApiError {
    ApiError::new("IncompleteSignatureException", what.to_owned())
}

fn invalid(message: String) -> ApiError {
    ApiError::new("InvalidSignatureException", message)
}

fn mismatch() -> ApiError {
    invalid(
        "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method."
            .to_owned(),
    )
}

#[cfg(test)]
mod tests;
