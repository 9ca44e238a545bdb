//! The embedded S3: objects are files of a folder, and `aws-sdk-s3` talks to them in the same process.
//!
//! [`client`] returns an ordinary [`aws_sdk_s3::Client`] whose connector calls the service directly, without a
//! socket. The bucket [`BUCKET`] is the folder itself, so that the object `jobs/places/output/addresses.csv` is
//! the file of that name; everything else that the service needs is in `.s3/` in it:
//!
//! ```text
//! <root>/jobs/places/output/addresses.csv    an object of the bucket `throughline`
//! <root>/.s3/buckets/<bucket>/…              the objects of any other bucket
//! <root>/.s3/uploads/<upload id>/…           multipart uploads, and the records of completed ones
//! <root>/.s3/tmp/<process>/…                 files being written; swept when their process has died
//! ```
//!
//! Names that begin with a dot are never objects, so others may keep files under such names in the folder. Links are not
//! followed, but for those that [`link_object`] has made in this process: any other may have been planted.
//!
//! What it promises, like S3: a write is whole or not there, and on disk when it is answered; conditional writes
//! have one winner; a repeated `CompleteMultipartUpload` answers as the first did; listings are in byte order of
//! the keys. What it leaves out: versions, metadata and content types, ACLs, tags, encryption (accepted and not
//! kept), trailing checksums (refused), and, in this process, signatures (whoever can call it can read the folder
//! anyway). [`Server`] lets other processes in, by a key.
//! It needs a Unix file system that tells upper from lower case.

mod checksum;
mod client;
mod condition;
mod copy;
mod error;
pub mod file;
mod incoming;
mod key;
mod link;
mod list;
mod multipart;
mod object;
mod outgoing;
mod publish;
mod serve;
mod service;
mod signature;
mod store;
mod walk;

pub use client::{client, client_of, config};
pub use link::link_object;
pub use serve::{AccessKey, Server};
pub use service::Service;

/// The bucket that is the root folder itself; it always exists.
pub const BUCKET: &str = "throughline";
