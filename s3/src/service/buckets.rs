//! Buckets, and the listings of their objects.

use std::time::SystemTime;

use s3s::dto::*;
use s3s::{S3Request, S3Result, s3_error};

use super::{Response, Service, respond, without_code};
use crate::list::owner;
use crate::store::Store;
use crate::unsupported;

/// The most buckets of one page of a listing (Amazon S3 API Reference, "ListBuckets").
const MOST_BUCKETS: i32 = 10_000;

pub(super) async fn create(
    service: &Service,
    req: S3Request<CreateBucketInput>,
) -> Response<CreateBucketOutput> {
    unsupported::check(&req.headers)?;
    let bucket = req.input.bucket;
    let location = Some(format!("/{bucket}"));
    service.run(move |store| store.create_bucket(&bucket)).await?;
    respond(CreateBucketOutput { location })
}

pub(super) async fn delete(
    service: &Service,
    req: S3Request<DeleteBucketInput>,
) -> Response<DeleteBucketOutput> {
    service.run(move |store| store.delete_bucket(&req.input.bucket)).await?;
    respond(DeleteBucketOutput::default())
}

pub(super) async fn head(service: &Service, req: S3Request<HeadBucketInput>) -> Response<HeadBucketOutput> {
    service.run(move |store| store.bucket(&req.input.bucket)).await.map_err(without_code)?;
    respond(HeadBucketOutput::default())
}

pub(super) async fn list(service: &Service, req: S3Request<ListBucketsInput>) -> Response<ListBucketsOutput> {
    let ListBucketsInput { prefix, continuation_token, max_buckets, .. } = req.input;
    let most = max_buckets.unwrap_or(MOST_BUCKETS);
    if !(1..=MOST_BUCKETS).contains(&most) {
        return Err(s3_error!(
            InvalidArgument,
            "Argument max-buckets must be an integer between 1 and {MOST_BUCKETS}"
        ));
    }
    let most = usize::try_from(most).unwrap_or_default();
    let begin = prefix.clone().unwrap_or_default();
    let mut buckets = service.run(Store::buckets).await?;
    buckets.retain(|(name, _)| {
        name.starts_with(&begin) && continuation_token.as_ref().is_none_or(|last| name > last)
    });
    let more = buckets.len() > most;
    buckets.truncate(most);
    let last = buckets.last().map(|(name, _)| name.clone());
    let bucket = |(name, at): (String, SystemTime)| Bucket {
        name: Some(name),
        creation_date: Some(at.into()),
        bucket_region: None,
    };
    respond(ListBucketsOutput {
        buckets: Some(buckets.into_iter().map(bucket).collect()),
        continuation_token: last.filter(|_| more),
        prefix,
        owner: Some(owner()),
    })
}

/// No Region is configured for the store, and S3 says of the buckets of us-east-1 that they have none.
pub(super) async fn location(
    service: &Service,
    req: S3Request<GetBucketLocationInput>,
) -> Response<GetBucketLocationOutput> {
    service.run(move |store| store.bucket(&req.input.bucket)).await?;
    respond(GetBucketLocationOutput::default())
}

/// The response of a bucket whose versioning was never enabled.
pub(super) async fn versioning(
    service: &Service,
    req: S3Request<GetBucketVersioningInput>,
) -> Response<GetBucketVersioningOutput> {
    service.run(move |store| store.bucket(&req.input.bucket)).await?;
    respond(GetBucketVersioningOutput::default())
}

pub(super) async fn acl(
    service: &Service,
    req: S3Request<GetBucketAclInput>,
) -> Response<GetBucketAclOutput> {
    service.run(move |store| store.bucket(&req.input.bucket)).await?;
    respond(GetBucketAclOutput { grants: Some(grants()), owner: Some(owner()) })
}

/// What everyone with a key may do, as S3 would say it.
pub(super) fn grants() -> Grants {
    let owner = owner();
    let grantee = Grantee {
        display_name: owner.display_name,
        email_address: None,
        id: owner.id,
        type_: Type::from_static(Type::CANONICAL_USER),
        uri: None,
    };
    vec![Grant {
        grantee: Some(grantee),
        permission: Some(Permission::from_static(Permission::FULL_CONTROL)),
    }]
}

pub(super) async fn objects_v1(
    service: &Service,
    req: S3Request<ListObjectsInput>,
) -> Response<ListObjectsOutput> {
    respond(service.run(move |store| store.list_v1(req.input)).await?)
}

pub(super) async fn objects(
    service: &Service,
    req: S3Request<ListObjectsV2Input>,
) -> Response<ListObjectsV2Output> {
    respond(service.run(move |store| store.list(req.input)).await?)
}

pub(super) async fn versions(
    service: &Service,
    req: S3Request<ListObjectVersionsInput>,
) -> Response<ListObjectVersionsOutput> {
    if req.input.version_id_marker.is_some() && req.input.key_marker.is_none() {
        return refuse("A version-id marker cannot be specified without a key marker.");
    }
    respond(service.run(move |store| store.list_versions(req.input)).await?)
}

fn refuse<T>(why: &str) -> S3Result<T> {
    Err(s3_error!(InvalidArgument, "{why}"))
}
