//! `ListObjectsV2`: pages of keys, grouped at a delimiter.

use std::fmt::Write;

use s3s::dto::{
    CommonPrefix, EncodingType, ListObjectsV2Input, ListObjectsV2Output, Object, ObjectStorageClass, Owner,
};
use s3s::{S3Result, s3_error};

use crate::object::Info;
use crate::store::Store;
use crate::walk::{Start, Walk};

/// The maximum number of keys in a page, as on AWS.
const PAGE: i32 = 1000;

pub(crate) enum Item {
    Object(String, Info),
    Prefix(String),
}

impl Store {
    pub(crate) fn list(&self, input: ListObjectsV2Input) -> S3Result<ListObjectsV2Output> {
        let bucket = self.bucket(&input.bucket)?;
        let prefix = input.prefix.as_deref().unwrap_or_default();
        let delimiter = input.delimiter.as_deref().filter(|delimiter| !delimiter.is_empty());
        let after = input.continuation_token.as_ref().filter(|token| !token.is_empty());
        let start = match (after, &input.start_after) {
            (Some(token), _) => read_token(token)?,
            (None, Some(key)) => Start::Key(key.clone()),
            (None, None) => Start::Key(String::new()),
        };
        let max = input.max_keys.unwrap_or(PAGE);
        let max_items =
            usize::try_from(max).map_err(|_| s3_error!(InvalidArgument, "max-keys is negative"))?;
        let max_items = max_items.min(usize::try_from(PAGE).expect("it is positive"));
        self.check_folders(&bucket.join(super::key::folder(prefix).0))?;
        let mut walk = Walk::new(&self.folders, &bucket, prefix, start)?;
        let (items, more) = page(&mut walk, prefix, delimiter, max_items)?;

        let name = |text: &str| encoded(text, input.encoding_type.as_ref());
        let next = items.last().filter(|_| more).map(token);
        let count = i32::try_from(items.len()).expect("a page is small");
        let (mut contents, mut prefixes) = (Vec::new(), Vec::new());
        for item in items {
            match item {
                Item::Object(key, info) => contents.push(object(name(&key), &info, input.fetch_owner)),
                Item::Prefix(prefix) => prefixes.push(CommonPrefix { prefix: Some(name(&prefix)) }),
            }
        }
        Ok(ListObjectsV2Output {
            key_count: Some(count),
            max_keys: Some(max),
            is_truncated: Some(more),
            next_continuation_token: next,
            contents: Some(contents),
            common_prefixes: Some(prefixes),
            prefix: input.prefix.as_deref().map(name),
            delimiter: delimiter.map(name),
            start_after: input.start_after.as_deref().map(name),
            name: Some(input.bucket),
            encoding_type: input.encoding_type,
            continuation_token: input.continuation_token,
            ..ListObjectsV2Output::default()
        })
    }
}

/// At most `max_items` items, and whether there are more.
fn page(
    walk: &mut Walk,
    prefix: &str,
    delimiter: Option<&str>,
    max_items: usize,
) -> S3Result<(Vec<Item>, bool)> {
    let mut items = Vec::new();
    if max_items == 0 {
        return Ok((items, false));
    }
    while let Some((key, info)) = walk.next()? {
        if items.len() == max_items {
            return Ok((items, true));
        }
        let end =
            delimiter.and_then(|text| Some(prefix.len() + key[prefix.len()..].find(text)? + text.len()));
        match end {
            Some(end) => {
                walk.skip(&key[..end]);
                items.push(Item::Prefix(key[..end].to_owned()));
            }
            None => items.push(Item::Object(key, info)),
        }
    }
    Ok((items, false))
}

/// The one who owns everything.
pub(crate) fn owner() -> Owner {
    Owner { id: Some("throughline".into()), display_name: Some("throughline".into()) }
}

fn object(key: String, info: &Info, with_owner: Option<bool>) -> Object {
    Object {
        owner: with_owner.unwrap_or(false).then(owner),
        key: Some(key),
        size: info.size(),
        e_tag: info.e_tag(),
        last_modified: info.last_modified(),
        storage_class: Some(ObjectStorageClass::from_static(ObjectStorageClass::STANDARD)),
        ..Object::default()
    }
}

/// The continuation token, which contains the last key or prefix of the page and so needs no state.
pub(crate) fn token(last: &Item) -> String {
    match last {
        Item::Object(key, _) => format!("key-{}", url_encode(key)),
        Item::Prefix(prefix) => format!("prefix-{}", url_encode(prefix)),
    }
}

pub(crate) fn read_token(token: &str) -> S3Result<Start> {
    let read = |text: &str| {
        let (mut bytes, mut rest) = (Vec::new(), text);
        while let Some((plain, escaped)) = rest.split_once('%') {
            bytes.extend_from_slice(plain.as_bytes());
            bytes.push(u8::from_str_radix(escaped.get(..2)?, 16).ok()?);
            rest = &escaped[2..];
        }
        bytes.extend_from_slice(rest.as_bytes());
        String::from_utf8(bytes).ok()
    };
    let start = match token.split_once('-') {
        Some(("key", text)) => read(text).map(Start::Key),
        Some(("prefix", text)) => read(text).map(Start::Prefix),
        _ => None,
    };
    start.ok_or_else(|| s3_error!(InvalidArgument, "the continuation token is not one of this store"))
}

/// A key, prefix or delimiter in the encoding that was asked for.
pub(crate) fn encoded(text: &str, encoding: Option<&EncodingType>) -> String {
    match encoding.map(EncodingType::as_str) {
        Some(EncodingType::URL) => url_encode(text),
        _ => text.to_owned(),
    }
}

fn url_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for &byte in text.as_bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").expect("writing to a String succeeds");
        }
    }
    encoded
}
