//! The operations of S3, each of which calls a function of the store.

use std::time::SystemTime;

use s3s::dto::*;
use s3s::{S3, S3Error, S3ErrorCode, S3Request, S3Response, S3Result, s3_error};

use super::Service;
use crate::checksum::Expected;
use crate::condition::{ReadCondition, WriteCondition};
use crate::error::io_error;
use crate::incoming::Incoming;
use crate::multipart::Completion;
use crate::object::Info;
use crate::outgoing::Outgoing;
use crate::store::Store;

/// The most buckets of one page of a listing (Amazon S3 API Reference, "ListBuckets").
const MOST_BUCKETS: i32 = 10_000;

type Response<T> = S3Result<S3Response<T>>;

/// The condition of a read or, by the `copy-source-if-…` headers, of a copy.
macro_rules! read_condition {
    ($input:ident) => {
        ReadCondition {
            if_match: $input.if_match,
            if_none_match: $input.if_none_match,
            if_modified_since: $input.if_modified_since,
            if_unmodified_since: $input.if_unmodified_since,
        }
    };
    (copy $input:ident) => {
        ReadCondition {
            if_match: $input.copy_source_if_match,
            if_none_match: $input.copy_source_if_none_match,
            if_modified_since: $input.copy_source_if_modified_since,
            if_unmodified_since: $input.copy_source_if_unmodified_since,
        }
    };
}

#[async_trait::async_trait]
impl S3 for Service {
    async fn create_bucket(&self, req: S3Request<CreateBucketInput>) -> Response<CreateBucketOutput> {
        let bucket = req.input.bucket;
        let location = Some(format!("/{bucket}"));
        self.run(move |store| store.create_bucket(&bucket)).await?;
        respond(CreateBucketOutput { location })
    }

    async fn list_buckets(&self, req: S3Request<ListBucketsInput>) -> Response<ListBucketsOutput> {
        let ListBucketsInput { prefix, continuation_token, max_buckets, .. } = req.input;
        let most = usize::try_from(max_buckets.unwrap_or(MOST_BUCKETS)).unwrap_or_default();
        let begin = prefix.clone().unwrap_or_default();
        let mut buckets = self.run(Store::buckets).await?;
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
            owner: None,
        })
    }

    /// No Region is configured for the store, and S3 says of the buckets of us-east-1 that they have none.
    async fn get_bucket_location(
        &self,
        req: S3Request<GetBucketLocationInput>,
    ) -> Response<GetBucketLocationOutput> {
        self.run(move |store| store.bucket(&req.input.bucket)).await?;
        respond(GetBucketLocationOutput::default())
    }

    async fn head_bucket(&self, req: S3Request<HeadBucketInput>) -> Response<HeadBucketOutput> {
        self.run(move |store| store.bucket(&req.input.bucket)).await.map_err(without_code)?;
        respond(HeadBucketOutput::default())
    }

    async fn put_object(&self, req: S3Request<PutObjectInput>) -> Response<PutObjectOutput> {
        refuse_trailers(&req)?;
        let mut input = req.input;
        let condition = WriteCondition::new(input.if_match.take(), input.if_none_match.take())?;
        let expected = Expected::of_object(&mut input);
        let body = Incoming::receive(&self.0, input.body.take(), input.content_length, expected).await?;
        let info = self
            .run(move |store| {
                store.bucket(&input.bucket)?;
                store.publish(&body.finish(store)?.path, &input.bucket, &input.key, &condition)
            })
            .await?;
        respond(PutObjectOutput { e_tag: info.e_tag(), size: info.size(), ..PutObjectOutput::default() })
    }

    async fn get_object(&self, req: S3Request<GetObjectInput>) -> Response<GetObjectOutput> {
        let input = req.input;
        current_version(input.version_id.as_deref())?;
        if input.part_number.is_some() {
            return Err(s3_error!(NotImplemented, "the parts of an object are not kept"));
        }
        let condition = read_condition!(input);
        let (info, range, body) = self
            .run(move |store| {
                let (file, path, info) = store.open_object(&input.bucket, &input.key, &condition)?;
                let range = input.range.map(|range| range.check(info.size)).transpose()?;
                let body =
                    Outgoing::new(file, path, range.clone().unwrap_or(0..info.size)).map_err(io_error)?;
                Ok((info, range, body))
            })
            .await?;
        let length = range.as_ref().map_or(info.size, |range| range.end - range.start);
        respond(GetObjectOutput {
            content_length: Some(i64::try_from(length).expect("files are smaller than 8 EiB")),
            content_range: range
                .map(|range| format!("bytes {}-{}/{}", range.start, range.end.saturating_sub(1), info.size)),
            accept_ranges: Some("bytes".to_owned()),
            e_tag: info.e_tag(),
            last_modified: info.last_modified(),
            body: Some(StreamingBlob::new(body)),
            ..GetObjectOutput::default()
        })
    }

    async fn head_object(&self, req: S3Request<HeadObjectInput>) -> Response<HeadObjectOutput> {
        let input = req.input;
        current_version(input.version_id.as_deref())?;
        if input.part_number.is_some() || input.range.is_some() {
            return Err(s3_error!(NotImplemented, "HeadObject supports only whole objects"));
        }
        let condition = read_condition!(input);
        let info = self
            .run(move |store| {
                let info = Info::at(&store.object(&input.bucket, &input.key)?)?
                    .ok_or_else(|| s3_error!(NoSuchKey))?;
                condition.check(&info)?;
                Ok(info)
            })
            .await
            .map_err(without_code)?;
        respond(HeadObjectOutput {
            content_length: info.size(),
            accept_ranges: Some("bytes".to_owned()),
            e_tag: info.e_tag(),
            last_modified: info.last_modified(),
            ..HeadObjectOutput::default()
        })
    }

    async fn delete_object(&self, req: S3Request<DeleteObjectInput>) -> Response<DeleteObjectOutput> {
        let input = req.input;
        current_version(input.version_id.as_deref())?;
        let condition = WriteCondition::new(input.if_match, None)?;
        let mut results =
            self.run(move |store| store.remove(&input.bucket, [(input.key.as_str(), condition)])).await?;
        results.pop().expect("one key, one result")?;
        respond(DeleteObjectOutput::default())
    }

    async fn delete_objects(&self, req: S3Request<DeleteObjectsInput>) -> Response<DeleteObjectsOutput> {
        let DeleteObjectsInput { bucket, delete, .. } = req.input;
        let quiet = delete.quiet.unwrap_or(false);
        let keys = delete.objects.into_iter().map(|object| {
            current_version(object.version_id.as_deref())?;
            let condition =
                WriteCondition { matches: object.e_tag.map(ETagCondition::ETag), ..Default::default() };
            Ok((object.key, condition))
        });
        let keys = keys.collect::<S3Result<Vec<_>>>()?;
        let (keys, results) = self
            .run(move |store| {
                let each = keys.iter().map(|(key, condition)| (key.as_str(), condition.clone()));
                let results = store.remove(&bucket, each)?;
                Ok((keys, results))
            })
            .await?;
        let (mut deleted, mut errors) = (Vec::new(), Vec::new());
        for ((key, _), result) in keys.into_iter().zip(results) {
            match result {
                Ok(()) if quiet => {}
                Ok(()) => deleted.push(DeletedObject { key: Some(key), ..DeletedObject::default() }),
                Err(error) => errors.push(Error {
                    key: Some(key),
                    code: Some(error.code().as_str().to_owned()),
                    message: error.message().map(str::to_owned),
                    version_id: None,
                }),
            }
        }
        respond(DeleteObjectsOutput { deleted: Some(deleted), errors: Some(errors), request_charged: None })
    }

    async fn list_objects(&self, req: S3Request<ListObjectsInput>) -> Response<ListObjectsOutput> {
        respond(self.run(move |store| store.list_v1(req.input)).await?)
    }

    async fn list_objects_v2(&self, req: S3Request<ListObjectsV2Input>) -> Response<ListObjectsV2Output> {
        respond(self.run(move |store| store.list(req.input)).await?)
    }

    async fn copy_object(&self, req: S3Request<CopyObjectInput>) -> Response<CopyObjectOutput> {
        let input = req.input;
        let condition = read_condition!(copy input);
        let info = self
            .run(move |store| {
                store.bucket(&input.bucket)?;
                let temp = store.copy(&input.copy_source, None, &condition)?;
                store.publish(&temp.path, &input.bucket, &input.key, &WriteCondition::default())
            })
            .await?;
        let result = CopyObjectResult {
            e_tag: info.e_tag(),
            last_modified: info.last_modified(),
            ..CopyObjectResult::default()
        };
        respond(CopyObjectOutput { copy_object_result: Some(result), ..CopyObjectOutput::default() })
    }

    async fn create_multipart_upload(
        &self,
        req: S3Request<CreateMultipartUploadInput>,
    ) -> Response<CreateMultipartUploadOutput> {
        let CreateMultipartUploadInput { bucket, key, .. } = req.input;
        let (bucket, key, id) = self
            .run(move |store| {
                let id = store.create_upload(&bucket, &key)?;
                Ok((bucket, key, id))
            })
            .await?;
        respond(CreateMultipartUploadOutput {
            bucket: Some(bucket),
            key: Some(key),
            upload_id: Some(id),
            ..CreateMultipartUploadOutput::default()
        })
    }

    async fn upload_part(&self, req: S3Request<UploadPartInput>) -> Response<UploadPartOutput> {
        refuse_trailers(&req)?;
        let mut input = req.input;
        let expected = Expected::of_part(&mut input);
        let body = Incoming::receive(&self.0, input.body.take(), input.content_length, expected).await?;
        let info = self
            .run(move |store| {
                let temp = body.finish(store)?;
                store.put_part(&temp, &input.upload_id, &input.bucket, &input.key, input.part_number)
            })
            .await?;
        respond(UploadPartOutput { e_tag: info.e_tag(), ..UploadPartOutput::default() })
    }

    async fn upload_part_copy(&self, req: S3Request<UploadPartCopyInput>) -> Response<UploadPartCopyOutput> {
        let input = req.input;
        let condition = read_condition!(copy input);
        let info = self
            .run(move |store| {
                store.open_upload(&input.upload_id, &input.bucket, &input.key)?;
                let temp = store.copy(&input.copy_source, input.copy_source_range.as_deref(), &condition)?;
                store.put_part(&temp, &input.upload_id, &input.bucket, &input.key, input.part_number)
            })
            .await?;
        let result = CopyPartResult {
            e_tag: info.e_tag(),
            last_modified: info.last_modified(),
            ..CopyPartResult::default()
        };
        respond(UploadPartCopyOutput { copy_part_result: Some(result), ..UploadPartCopyOutput::default() })
    }

    async fn complete_multipart_upload(
        &self,
        req: S3Request<CompleteMultipartUploadInput>,
    ) -> Response<CompleteMultipartUploadOutput> {
        let input = req.input;
        let completion = Completion {
            condition: WriteCondition::new(input.if_match, input.if_none_match)?,
            parts: input.multipart_upload.and_then(|upload| upload.parts).unwrap_or_default(),
            size: input.mpu_object_size,
            upload_id: input.upload_id,
            bucket: input.bucket,
            key: input.key,
        };
        let (done, etag) = self
            .run(move |store| {
                let etag = store.complete_upload(&completion)?;
                Ok((completion, etag))
            })
            .await?;
        respond(CompleteMultipartUploadOutput {
            location: Some(format!("/{}/{}", done.bucket, done.key)),
            bucket: Some(done.bucket),
            key: Some(done.key),
            e_tag: Some(ETag::Strong(etag)),
            ..CompleteMultipartUploadOutput::default()
        })
    }

    async fn abort_multipart_upload(
        &self,
        req: S3Request<AbortMultipartUploadInput>,
    ) -> Response<AbortMultipartUploadOutput> {
        let input = req.input;
        self.run(move |store| store.abort_upload(&input.upload_id, &input.bucket, &input.key)).await?;
        respond(AbortMultipartUploadOutput::default())
    }

    async fn list_parts(&self, req: S3Request<ListPartsInput>) -> Response<ListPartsOutput> {
        respond(self.run(move |store| store.list_parts(req.input)).await?)
    }

    async fn list_multipart_uploads(
        &self,
        req: S3Request<ListMultipartUploadsInput>,
    ) -> Response<ListMultipartUploadsOutput> {
        respond(self.run(move |store| store.list_uploads(req.input)).await?)
    }
}

fn respond<T>(output: T) -> Response<T> {
    Ok(S3Response::new(output))
}

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

/// Refuses a body with trailing checksums. s3s unpacks it only if the request is signed, so its content would
/// be wrong.
fn refuse_trailers<T>(req: &S3Request<T>) -> S3Result {
    let packed = req
        .headers
        .get("content-encoding")
        .is_some_and(|value| value.to_str().is_ok_and(|value| value.contains("aws-chunked")));
    if packed || req.headers.contains_key("x-amz-trailer") {
        return Err(s3_error!(
            NotImplemented,
            "checksums after the body are not supported: send them before it, or none"
        ));
    }
    Ok(())
}
