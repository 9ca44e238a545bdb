//! An S3 in the process, on a temporary directory, that can be told to fail.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use s3s::auth::SimpleAuth;
use s3s::dto::{
    GetObjectInput, GetObjectOutput, ListObjectsV2Input, ListObjectsV2Output, PutObjectInput, PutObjectOutput,
};
use s3s::service::S3ServiceBuilder;
use s3s::{S3, S3Request, S3Response, S3Result, s3_error};
use s3s_fs::FileSystem;

pub const BUCKET: &str = "bucket";

/// Writes below `results/` that fail, from now on.
#[derive(Clone, Default)]
pub struct Faults(pub Arc<AtomicU32>);

struct Store {
    files: FileSystem,
    faults: Faults,
}

#[async_trait::async_trait]
impl S3 for Store {
    async fn put_object(&self, request: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        let fails = |left: u32| left.checked_sub(1);
        let results = request.input.key.contains("/results/");
        if results && self.faults.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, fails).is_ok() {
            return Err(s3_error!(InternalError, "planned"));
        }
        self.files.put_object(request).await
    }

    async fn get_object(&self, request: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        self.files.get_object(request).await
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        self.files.list_objects_v2(request).await
    }
}

pub fn client(root: &Path, faults: Faults) -> aws_sdk_s3::Client {
    std::fs::create_dir(root.join(BUCKET)).unwrap();
    let mut service = S3ServiceBuilder::new(Store { files: FileSystem::new(root).unwrap(), faults });
    service.set_auth(SimpleAuth::from_single("id", "key"));
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .credentials_provider(Credentials::new("id", "key", None, None, "test"))
        .region(Region::new("us-east-1"))
        .endpoint_url("http://localhost")
        .force_path_style(true)
        .retry_config(aws_sdk_s3::config::retry::RetryConfig::disabled())
        .http_client(s3s_aws::Client::from(service.build()))
        .build();
    aws_sdk_s3::Client::from_conf(config)
}
