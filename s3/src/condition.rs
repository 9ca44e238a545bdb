//! The conditions of requests: `If-Match`, `If-None-Match` and the like.

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
}

impl WriteCondition {
    pub(crate) fn new(
        if_match: Option<ETagCondition>,
        if_none_match: Option<ETagCondition>,
    ) -> S3Result<Self> {
        if matches!(if_none_match, Some(ETagCondition::ETag(_))) {
            return Err(s3_error!(NotImplemented, "If-None-Match of a write can only be `*`"));
        }
        Ok(Self { absent: if_none_match.is_some(), matches: if_match })
    }

    pub(crate) fn is_some(&self) -> bool {
        self.absent || self.matches.is_some()
    }

    pub(crate) fn check(&self, existing: Option<&Info>) -> S3Result {
        if self.absent && existing.is_some() {
            return Err(s3_error!(PreconditionFailed, "the object exists"));
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
        // HTTP dates are whole seconds.
        let seconds = info.modified.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let modified = Timestamp::from(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
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
            (false, true) => Err(s3_error!(NotModified)),
            (false, false) => Ok(()),
        }
    }
}

fn has_etag(condition: &ETagCondition, info: &Info) -> bool {
    match condition {
        ETagCondition::Any => true,
        ETagCondition::ETag(etag) => etag.value() == info.etag,
    }
}
