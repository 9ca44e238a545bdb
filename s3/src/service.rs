//! The service: the store as an implementation of S3.

mod buckets;
mod multipart;
mod objects;
mod operations;
mod reads;

use std::io;
use std::path::Path;
use std::sync::Arc;

use s3s::{S3Error, S3ErrorCode, S3Request, S3Response, S3Result, s3_error};

use crate::file::write_whole;
use crate::object::Info;
use crate::publish::written;
use crate::store::Store;
use crate::{Observer, Written};

/// The service itself. [`s3s`] can make an HTTP server of it.
#[derive(Clone)]
pub struct Service(Arc<Store>);

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Service").finish_non_exhaustive()
    }
}

impl Service {
    /// Opens the folder `root`, creates it if it is missing, and removes the incomplete files of dead
    /// processes.
    ///
    /// # Errors
    /// When the folder or its `.s3/` cannot be created, read or locked.
    pub fn open(root: &Path) -> io::Result<Self> {
        Ok(Service(Arc::new(Store::open(root)?)))
    }

    /// Writes a small file that is not an object: whole or not at all, durable, and private to the user.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_file(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        write_whole(path, content, &self.0.tmp)
    }

    /// Tells `observer` about the objects that are written from now on. A store has one observer; a second one is
    /// ignored.
    pub fn observe(&self, observer: Arc<dyn Observer>) {
        let _ = self.0.observer.set(observer);
    }

    /// The object at a key as it was written, if there is one.
    ///
    /// # Errors
    /// When the folder cannot be read, or there is no such bucket.
    pub fn written(&self, bucket: &str, key: &str) -> io::Result<Option<Written>> {
        let found = self.0.object(bucket, key).and_then(|path| Info::at(&path));
        let found = found.map_err(|error| io::Error::other(error.to_string()))?;
        Ok(found.map(|info| written(bucket, key, &info)))
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> S3Result<T> + Send + 'static,
    ) -> S3Result<T> {
        let store = Arc::clone(&self.0);
        blocking(move || work(&store)).await
    }
}

/// Does file I/O outside the threads that run futures.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> S3Result<T> + Send + 'static,
) -> S3Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(failed) if failed.is_panic() => std::panic::resume_unwind(failed.into_panic()),
        Err(_) => Err(s3_error!(ServiceUnavailable, "the process is shutting down")),
    }
}

type Response<T> = S3Result<S3Response<T>>;

fn respond<T>(output: T) -> Response<T> {
    Ok(S3Response::new(output))
}

/// The condition of a read or, by the `copy-source-if-…` headers, of a copy.
macro_rules! read_condition {
    ($input:ident) => {
        crate::condition::ReadCondition {
            if_match: $input.if_match.clone(),
            if_none_match: $input.if_none_match.clone(),
            if_modified_since: $input.if_modified_since.clone(),
            if_unmodified_since: $input.if_unmodified_since.clone(),
        }
    };
    (copy $input:ident) => {
        crate::condition::ReadCondition {
            if_match: $input.copy_source_if_match.clone(),
            if_none_match: $input.copy_source_if_none_match.clone(),
            if_modified_since: $input.copy_source_if_modified_since.clone(),
            if_unmodified_since: $input.copy_source_if_unmodified_since.clone(),
        }
    };
}
use read_condition;

fn current_version(id: Option<&str>) -> S3Result {
    match id {
        None | Some("null") => Ok(()),
        Some(_) => Err(s3_error!(NotImplemented, "only the current version of an object is kept")),
    }
}

/// The error of a HEAD request. On AWS it has a status and no code, which the SDK calls `NotFound`; s3s would
/// send the code.
fn without_code(mut error: S3Error) -> S3Error {
    if let (S3ErrorCode::NoSuchKey | S3ErrorCode::NoSuchBucket, Some(status)) =
        (error.code(), error.status_code())
    {
        error.set_code(S3ErrorCode::Custom("NotFound".into()));
        error.set_status_code(status);
    }
    error
}

/// Refuses a body in the form `aws-chunked` that s3s has not unpacked. It unpacks it only if the request is signed in
/// its headers, so the content would be wrong.
fn refuse_packed<T>(req: &S3Request<T>) -> S3Result {
    let encoding = req.headers.get("content-encoding").and_then(|value| value.to_str().ok());
    let packed = encoding.is_some_and(|value| value.contains("aws-chunked"))
        || req.headers.contains_key("x-amz-trailer");
    if packed && req.trailing_headers.is_none() {
        return Err(s3_error!(
            NotImplemented,
            "a body in the form aws-chunked is supported only in requests that are signed in their headers"
        ));
    }
    Ok(())
}
