//! Who is told about the objects that are written.

use std::io;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// An object that is written: by `PutObject`, `CopyObject` or `CompleteMultipartUpload`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// Its bucket.
    pub bucket: String,
    /// Its key.
    pub key: String,
    /// Its ETag, without quotes. Every write has another one.
    pub etag: String,
    /// Its size in bytes.
    pub size: u64,
}

/// Is told about every object before and after it is published. A write succeeds only if both calls do, so what an
/// observer has made durable is known to whoever has the response. After a crash between the two calls the object
/// may be there or not: [`crate::Service::written`] says which.
///
/// The calls come from threads that may block.
pub trait Observer: Send + Sync {
    /// The object will be published.
    ///
    /// # Errors
    /// Nothing is published then.
    fn before(&self, object: &Written) -> io::Result<()>;

    /// The object is published, durably.
    ///
    /// # Errors
    /// The write fails then, although the object is there.
    fn after(&self, object: &Written) -> io::Result<()>;
}

/// The observer of a store, if it has one.
pub(crate) type Observed = std::sync::OnceLock<Arc<dyn Observer>>;
