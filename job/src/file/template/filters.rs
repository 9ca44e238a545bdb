//! The filters that throughline adds to those of the template engine: base64, hashes and dates.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use minijinja::value::{Kwargs, Value};
use minijinja::{Error, ErrorKind};
use sha1::Sha1;
use sha2::digest::Digest;
use sha2::{Sha256, Sha512};
use time::format_description::well_known::Rfc3339;
use time::format_description::{self, OwnedFormatItem};
use time::macros::format_description;
use time::{Date, Duration, OffsetDateTime, PrimitiveDateTime};

use super::exact;
use crate::file::units::parse_duration;

/// Numbers from this one on are milliseconds and not seconds: as seconds it is the year 5138.
const MILLIS_FROM: i64 = 100_000_000_000;
/// Seconds since 1970, as the format of a date.
const UNIX: &str = "unix";
/// Milliseconds since 1970.
const UNIX_MILLIS: &str = "unix_ms";

/// The filters. What they make is at most four thirds of their argument, or short.
pub(super) fn all() -> [(&'static str, Value); 5] {
    [
        ("b64encode", Value::from_function(b64encode)),
        ("b64decode", Value::from_function(b64decode)),
        ("hash", Value::from_function(hash)),
        ("hmac", Value::from_function(hmac)),
        ("date", Value::from_function(date)),
    ]
}

fn b64encode(value: &Value) -> Result<String, Error> {
    Ok(BASE64_STANDARD.encode(text(value)?))
}

fn b64decode(value: &Value) -> Result<String, Error> {
    let bytes = BASE64_STANDARD.decode(text(value)?.trim());
    let bytes = bytes.map_err(|error| refused(format!("b64decode: it is not base64: {error}")))?;
    String::from_utf8(bytes).map_err(|_| refused("b64decode: what it encodes is not UTF-8"))
}

/// `hash('sha256')`, and in base64 `hash('sha256', encoding='base64')`.
fn hash(value: &Value, algorithm: &str, options: Kwargs) -> Result<String, Error> {
    let text = text(value)?;
    let digest = match algorithm {
        "md5" => Md5::digest(text).to_vec(),
        "sha1" => Sha1::digest(text).to_vec(),
        "sha256" => Sha256::digest(text).to_vec(),
        "sha512" => Sha512::digest(text).to_vec(),
        other => {
            return Err(refused(format!("hash: there is no {other:?}: write md5, sha1, sha256 or sha512")));
        }
    };
    encoded("hash", &digest, &options)
}

/// `hmac(key)` with SHA-256, and `hmac(key, 'sha1')` or `hmac(key, 'sha512')`.
fn hmac(value: &Value, key: &Value, algorithm: Option<&str>, options: Kwargs) -> Result<String, Error> {
    let (value, key) = (text(value)?, text(key)?);
    let digest = match algorithm.unwrap_or("sha256") {
        "sha1" => mac::<Hmac<Sha1>>(&key, &value),
        "sha256" => mac::<Hmac<Sha256>>(&key, &value),
        "sha512" => mac::<Hmac<Sha512>>(&key, &value),
        other => return Err(refused(format!("hmac: there is no {other:?}: write sha1, sha256 or sha512"))),
    };
    encoded("hmac", &digest, &options)
}

fn mac<M: Mac + KeyInit>(key: &str, value: &str) -> Vec<u8> {
    let mut mac = <M as KeyInit>::new_from_slice(key.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(value.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn encoded(filter: &str, digest: &[u8], options: &Kwargs) -> Result<String, Error> {
    let encoding: Option<String> = options.get("encoding")?;
    options.assert_all_used()?;
    match encoding.as_deref() {
        None | Some("hex") => Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect()),
        Some("base64") => Ok(BASE64_STANDARD.encode(digest)),
        Some(other) => Err(refused(format!("{filter}: there is no encoding {other:?}: write hex or base64"))),
    }
}

/// `date('%d.%m.%Y')`: a date in another format. Without `from` the value is a date or a time of ISO 8601, or
/// seconds or milliseconds since 1970. A time without an offset is in UTC.
fn date(value: &Value, to: &str, options: Kwargs) -> Result<String, Error> {
    let from: Option<String> = options.get("from")?;
    let add: Option<String> = options.get("add")?;
    options.assert_all_used()?;
    let text = text(value)?;
    let text = text.trim();
    let time = match from.as_deref() {
        None => iso(text).or_else(|| since_1970(text)),
        Some(UNIX | UNIX_MILLIS) => since_1970(text),
        Some(from) => parsed(text, &format(from)?),
    };
    let time = time.ok_or_else(|| {
        let wanted =
            from.map_or_else(|| "a date of ISO 8601".to_owned(), |from| format!("a date like {from:?}"));
        refused(format!("date: {:?} is not {wanted}", text.chars().take(40).collect::<String>()))
    })?;
    let time = add.map_or(Ok(time), |add| moved(time, &add))?;
    match to {
        UNIX => return Ok(time.unix_timestamp().to_string()),
        UNIX_MILLIS => return Ok((time.unix_timestamp_nanos() / 1_000_000).to_string()),
        _ => {}
    }
    time.format(&format(to)?).map_err(|error| refused(format!("date: {error}")))
}

/// `add='1d'`, `add='-90min'`.
fn moved(time: OffsetDateTime, by: &str) -> Result<OffsetDateTime, Error> {
    let back = by.strip_prefix('-');
    let by = parse_duration(back.unwrap_or(by)).map_err(|error| refused(format!("date: add: {error}")))?;
    let moved = if back.is_some() {
        time.checked_sub(by.try_into().unwrap_or(Duration::MAX))
    } else {
        time.checked_add(by.try_into().unwrap_or(Duration::MAX))
    };
    moved.ok_or_else(|| refused("date: add: there is no such date"))
}

fn format(pattern: &str) -> Result<OwnedFormatItem, Error> {
    format_description::parse_strftime_owned(pattern)
        .map_err(|error| refused(format!("date: {pattern:?} is not a format: {error}")))
}

fn iso(text: &str) -> Option<OffsetDateTime> {
    let day = format_description!("[year]-[month]-[day]");
    let blank = format_description!("[year]-[month]-[day] [hour]:[minute]:[second]");
    let letter = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]");
    OffsetDateTime::parse(text, &Rfc3339)
        .ok()
        .or_else(|| Date::parse(text, &day).ok().map(|day| day.midnight().assume_utc()))
        .or_else(|| PrimitiveDateTime::parse(text, &blank).ok().map(PrimitiveDateTime::assume_utc))
        .or_else(|| PrimitiveDateTime::parse(text, &letter).ok().map(PrimitiveDateTime::assume_utc))
}

fn since_1970(text: &str) -> Option<OffsetDateTime> {
    let number: i64 = text.parse().ok()?;
    if number.abs() < MILLIS_FROM {
        return OffsetDateTime::from_unix_timestamp(number).ok();
    }
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(number) * 1_000_000).ok()
}

fn parsed(text: &str, format: &OwnedFormatItem) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(text, format)
        .ok()
        .or_else(|| PrimitiveDateTime::parse(text, format).ok().map(PrimitiveDateTime::assume_utc))
        .or_else(|| Date::parse(text, format).ok().map(|day| day.midnight().assume_utc()))
}

/// The text of a value, as a placeholder outside JSON prints it.
fn text(value: &Value) -> Result<String, Error> {
    if value.is_undefined() {
        return Err(ErrorKind::UndefinedError.into());
    }
    Ok(match (value.as_str(), exact::json(value)) {
        (Some(text), _) => text.to_owned(),
        (None, Some(json)) => json,
        (None, None) if value.is_none() => String::new(),
        (None, None) => value.to_string(),
    })
}

fn refused(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, message.into())
}
