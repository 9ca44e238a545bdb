//! The embedded S3: a store whose objects are files in a folder, for `aws-sdk-s3` in the same process.
//!
//! [`client`] returns an ordinary [`aws_sdk_s3::Client`] whose connector calls the service directly, without
//! a socket. The bucket [`BUCKET`] is the folder itself, so the object `jobs/places/output/addresses.csv` is
//! the file of that name. Everything else that the service needs is in the folder `.s3/`:
//!
//! ```text
//! <root>/jobs/places/output/addresses.csv    an object of the bucket `throughline`
//! <root>/.s3/buckets/<bucket>/…              the objects of any other bucket
//! <root>/.s3/uploads/<upload id>/…           multipart uploads and the records of completed ones
//! <root>/.s3/locks/<two digits>              held while an object is changed under a condition
//! <root>/.s3/tmp/<process>/…                 files that are being written; removed when their process has died
//! ```
//!
//! Names that begin with a dot are never objects, so the folder may contain other files with such names.
//! Links are not followed, except those that [`link_object`] has created in this process, because an attacker
//! may have placed others.
//!
//! Like S3, the store promises:
//!
//! - A write is done as a whole or not at all, and is on disk before the response.
//! - Of several conditional writes, exactly one succeeds, also if they come from several processes. (It
//!   does not see a write without a condition that another process makes at the same moment.)
//! - A repeated `CompleteMultipartUpload` has the same response as the first.
//! - Listings are in byte order of the keys.
//!
//! The store has no versions, ACLs, tags or encryption, and a write that asks for them is refused. Metadata and checksums
//! are an extended attribute of the object's file. Within the process requests need no signature, because the
//! caller can read the folder anyway; [`Server`] serves other processes, which must sign their requests. The
//! file system must be that of a Unix and distinguish upper and lower case.

mod checksum;
mod client;
mod condition;
mod connector;
mod copy;
mod error;
pub mod file;
mod incoming;
mod key;
mod link;
mod list;
mod list_marked;
mod lock;
mod metadata;
mod multipart;
mod object;
mod observer;
mod outgoing;
mod publish;
mod refused;
mod serve;
mod service;
mod signature;
mod store;
mod unsupported;
mod walk;

pub use client::{client, client_of, config};
pub use link::link_object;
pub use observer::{Observer, Written};
pub use serve::{AccessKey, Server};
pub use service::Service;

/// The bucket that is the root folder itself; it always exists.
pub const BUCKET: &str = "throughline";
