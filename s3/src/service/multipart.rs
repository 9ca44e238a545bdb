//! Uploads in parts.

use s3s::dto::*;
use s3s::{S3Request, S3Result, s3_error};

use super::{Response, Service, read_condition, refuse_packed, respond};
use crate::checksum::{Algorithm, Expected, Sum, of_the_whole, sent, show};
use crate::condition::WriteCondition;
use crate::incoming::Incoming;
use crate::metadata::{Metadata, headers_of};
use crate::multipart::{Completion, Wanted};
use crate::unsupported;

pub(super) async fn create(
    service: &Service,
    mut req: S3Request<CreateMultipartUploadInput>,
) -> Response<CreateMultipartUploadOutput> {
    unsupported::check(&req.headers)?;
    let headers = headers_of!(req);
    let CreateMultipartUploadInput { bucket, key, checksum_algorithm, checksum_type, .. } = req.input;
    let algorithm = checksum_algorithm.map(|name| Algorithm::parse(name.as_str())).transpose()?;
    let of_the_whole = match algorithm {
        Some(algorithm) => of_the_whole(algorithm, checksum_type.as_ref())?,
        None if checksum_type.is_some() => return Err(type_without_algorithm()),
        None => false,
    };
    let wanted = Wanted { headers, algorithm, of_the_whole };
    let (shown, kind) = (wanted.checksum_algorithm(), wanted.checksum_type());
    let (bucket, key, id) = service
        .run(move |store| {
            let id = store.create_upload(&bucket, &key, wanted)?;
            Ok((bucket, key, id))
        })
        .await?;
    respond(CreateMultipartUploadOutput {
        bucket: Some(bucket),
        key: Some(key),
        upload_id: Some(id),
        checksum_algorithm: shown,
        checksum_type: kind,
        ..CreateMultipartUploadOutput::default()
    })
}

fn type_without_algorithm() -> s3s::S3Error {
    s3_error!(
        InvalidRequest,
        "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header."
    )
}

/// The algorithm of an open upload.
async fn algorithm(service: &Service, id: &str, bucket: &str, key: &str) -> S3Result<Option<Algorithm>> {
    let (id, bucket, key) = (id.to_owned(), bucket.to_owned(), key.to_owned());
    service.run(move |store| Ok(store.open_upload(&id, &bucket, &key)?.1.wanted.algorithm)).await
}

pub(super) async fn part(
    service: &Service,
    mut req: S3Request<UploadPartInput>,
) -> Response<UploadPartOutput> {
    unsupported::check(&req.headers)?;
    refuse_packed(&req)?;
    let algorithm = algorithm(service, &req.input.upload_id, &req.input.bucket, &req.input.key).await?;
    let (md5, sent) = (req.input.content_md5.take(), sent!(req.input)?);
    let asked = req.input.checksum_algorithm.take();
    let expected = Expected::new(&mut req, md5, sent, asked.as_ref())?.of_upload(algorithm)?;
    let mut input = req.input;
    let body = Incoming::receive(&service.0, input.body.take(), input.content_length, expected).await?;
    let (info, sum) = service
        .run(move |store| {
            let (temp, sum) = body.finish(store)?;
            let kept = Metadata { sum, ..Metadata::default() };
            kept.seal(&temp)?;
            let info =
                store.put_part(&temp, &input.upload_id, &input.bucket, &input.key, input.part_number)?;
            Ok((info, kept.sum))
        })
        .await?;
    let mut output = UploadPartOutput { e_tag: info.e_tag(), ..UploadPartOutput::default() };
    show!(output, &sum);
    respond(output)
}

pub(super) async fn part_copy(
    service: &Service,
    req: S3Request<UploadPartCopyInput>,
) -> Response<UploadPartCopyOutput> {
    unsupported::check(&req.headers)?;
    let input = req.input;
    let condition = read_condition!(copy input);
    let (info, sum) = service
        .run(move |store| {
            let (_, upload) = store.open_upload(&input.upload_id, &input.bucket, &input.key)?;
            let range = input.copy_source_range.as_deref();
            let copy = store.copy(&input.copy_source, range, &condition, upload.wanted.algorithm)?;
            let kept = Metadata { sum: copy.sum, ..Metadata::default() };
            kept.seal(&copy.temp)?;
            let info =
                store.put_part(&copy.temp, &input.upload_id, &input.bucket, &input.key, input.part_number)?;
            Ok((info, kept.sum))
        })
        .await?;
    let mut result = CopyPartResult {
        e_tag: info.e_tag(),
        last_modified: info.last_modified(),
        ..CopyPartResult::default()
    };
    show!(result, &sum);
    respond(UploadPartCopyOutput { copy_part_result: Some(result), ..UploadPartCopyOutput::default() })
}

pub(super) async fn complete(
    service: &Service,
    req: S3Request<CompleteMultipartUploadInput>,
) -> Response<CompleteMultipartUploadOutput> {
    let input = req.input;
    let completion = Completion {
        condition: WriteCondition::new(input.if_match.clone(), input.if_none_match.clone())?,
        sum: sent!(input)?,
        parts: input.multipart_upload.and_then(|upload| upload.parts).unwrap_or_default(),
        size: input.mpu_object_size,
        upload_id: input.upload_id,
        bucket: input.bucket,
        key: input.key,
    };
    let (request, done) = service
        .run(move |store| {
            let done = store.complete_upload(&completion)?;
            Ok((completion, done))
        })
        .await?;
    let mut output = CompleteMultipartUploadOutput {
        location: Some(format!("/{}/{}", request.bucket, request.key)),
        bucket: Some(request.bucket),
        key: Some(request.key),
        e_tag: Some(ETag::Strong(done.etag)),
        checksum_type: done.sum.as_ref().map(Sum::kind),
        ..CompleteMultipartUploadOutput::default()
    };
    show!(output, &done.sum);
    respond(output)
}

pub(super) async fn abort(
    service: &Service,
    req: S3Request<AbortMultipartUploadInput>,
) -> Response<AbortMultipartUploadOutput> {
    let input = req.input;
    service.run(move |store| store.abort_upload(&input.upload_id, &input.bucket, &input.key)).await?;
    respond(AbortMultipartUploadOutput::default())
}

pub(super) async fn parts(service: &Service, req: S3Request<ListPartsInput>) -> Response<ListPartsOutput> {
    respond(service.run(move |store| store.list_parts(req.input)).await?)
}

pub(super) async fn uploads(
    service: &Service,
    req: S3Request<ListMultipartUploadsInput>,
) -> Response<ListMultipartUploadsOutput> {
    respond(service.run(move |store| store.list_uploads(req.input)).await?)
}
