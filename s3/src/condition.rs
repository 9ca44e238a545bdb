//! The conditions of requests: `If-Match`, `If-None-Match` and the like.

use http::{HeaderValue, header};
use s3s::dto::{ETagCondition, Timestamp};
use s3s::{S3Result, s3_error};
use std::time::{Duration, SystemTime};

use crate::object::Info;

/// The condition of a write.
#[derive(Debug, Clone, Default)]
pub(crate) struct WriteCondition {
    /// `If-None-Match: *`
    pub(crate) absent: bool,
    /// `If-Match`
    pub(crate) matches: Option<ETagCondition>,
    /// `x-amz-if-match-size`
    pub(crate) size: Option<i64>,
    /// `x-amz-if-match-last-modified-time`
    pub(crate) modified: Option<Timestamp>,
}

impl WriteCondition {
    pub(crate) fn new(
        if_match: Option<ETagCondition>,
        if_none_match: Option<ETagCondition>,
    ) -> S3Result<Self> {
        if matches!(if_none_match, Some(ETagCondition::ETag(_))) {
            return Err(s3_error!(NotImplemented, "If-None-Match of a write can only be `*`"));
        }
        Ok(Self { absent: if_none_match.is_some(), matches: if_match, ..Self::default() })
    }

    pub(crate) fn is_some(&self) -> bool {
        self.absent || self.is_on_existing()
    }

    /// Whether it says something of the object that exists.
    pub(crate) fn is_on_existing(&self) -> bool {
        self.matches.is_some() || self.size.is_some() || self.modified.is_some()
    }

    pub(crate) fn check(&self, existing: Option<&Info>) -> S3Result {
        if self.absent && existing.is_some() {
            return Err(s3_error!(PreconditionFailed, "the object exists"));
        }
        if let Some(existing) = existing {
            let same_size = self.size.is_none_or(|size| Some(size) == existing.size());
            let same_time = self.modified.as_ref().is_none_or(|time| *time == whole_second(existing));
            if !same_size || !same_time {
                return Err(s3_error!(PreconditionFailed, "the object has another size or another time"));
            }
        }
        match (&self.matches, existing) {
            (None, _) => Ok(()),
            (Some(_), None) => Err(s3_error!(NoSuchKey, "If-Match on an object that does not exist")),
            (Some(wanted), Some(existing)) if has_etag(wanted, existing) => Ok(()),
            (Some(_), Some(_)) => Err(s3_error!(PreconditionFailed, "the object has another ETag")),
        }
    }
}

/// The condition of a read or of the source of a copy.
#[derive(Debug, Clone, Default)]
pub(crate) struct ReadCondition {
    pub(crate) if_match: Option<ETagCondition>,
    pub(crate) if_none_match: Option<ETagCondition>,
    pub(crate) if_modified_since: Option<Timestamp>,
    pub(crate) if_unmodified_since: Option<Timestamp>,
}

impl ReadCondition {
    /// Fails with `PreconditionFailed` or `NotModified`. Conditions on the ETag have precedence over
    /// conditions on the time.
    pub(crate) fn check(&self, info: &Info) -> S3Result {
        let modified = whole_second(info);
        let stale = match (&self.if_match, &self.if_unmodified_since) {
            (Some(wanted), _) => !has_etag(wanted, info),
            (None, Some(since)) => modified > *since,
            (None, None) => false,
        };
        let known = match (&self.if_none_match, &self.if_modified_since) {
            (Some(unwanted), _) => has_etag(unwanted, info),
            (None, Some(since)) => modified <= *since,
            (None, None) => false,
        };
        match (stale, known) {
            (true, _) => Err(s3_error!(PreconditionFailed, "the object has changed")),
            (false, true) => {
                let mut error = s3_error!(NotModified);
                let etag = HeaderValue::from_str(&format!("\"{}\"", info.etag)).ok();
                error.set_headers(etag.map(|etag| (header::ETAG, etag)).into_iter().collect());
                Err(error)
            }
            (false, false) => Ok(()),
        }
    }
}

/// The time of the last change as HTTP dates show it.
fn whole_second(info: &Info) -> Timestamp {
    let seconds = info.modified.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    Timestamp::from(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
}

fn has_etag(condition: &ETagCondition, info: &Info) -> bool {
    match condition {
        ETagCondition::Any => true,
        ETagCondition::ETag(etag) => etag.value() == info.etag,
    }
}
