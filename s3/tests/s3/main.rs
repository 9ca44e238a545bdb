//! The promises of the embedded S3, tested through `aws-sdk-s3`.
#![allow(clippy::unwrap_used)]

mod buckets;
mod conditions;
mod crash;
mod keys;
mod listing;
mod metadata;
mod multipart;
mod objects;
mod observer;

use std::fmt::Debug;
use std::fs;
use std::path::{Path, PathBuf};

use aws_sdk_s3::Client;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use s3::BUCKET;

/// A store in a temporary folder.
struct Store {
    folder: tempfile::TempDir,
    client: Client,
}

impl Store {
    fn new() -> Store {
        let folder = tempfile::tempdir().unwrap();
        let client = s3::client(&folder.path().join("state")).unwrap();
        Store { folder, client }
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// The view of another process: a client that shares only the folder with the first one.
    fn other(&self) -> Client {
        s3::client(&self.root()).unwrap()
    }

    async fn put(&self, key: &str, body: impl Into<Vec<u8>>) -> String {
        put(&self.client, key, body).await
    }

    async fn get(&self, key: &str) -> Vec<u8> {
        get(&self.client, key).await
    }
}

async fn put(client: &Client, key: &str, body: impl Into<Vec<u8>>) -> String {
    let put = client.put_object().bucket(BUCKET).key(key).body(ByteStream::from(body.into()));
    put.send().await.unwrap().e_tag.unwrap()
}

async fn get(client: &Client, key: &str) -> Vec<u8> {
    let got = client.get_object().bucket(BUCKET).key(key).send().await.unwrap();
    got.body.collect().await.unwrap().to_vec()
}

/// The S3 error code of a failed call.
fn code<T: Debug, E: ProvideErrorMetadata + Debug, R: Debug>(result: Result<T, SdkError<E, R>>) -> String {
    result.unwrap_err().code().unwrap_or("no code").to_owned()
}

/// Bytes that differ at each position.
fn pattern(length: usize) -> Vec<u8> {
    (0..length as u64).map(|at| (at.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8).collect()
}

/// All files and folders below `path`.
fn everything(path: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| if path.is_dir() { [everything(&path), vec![path]].concat() } else { vec![path] })
        .collect()
}
