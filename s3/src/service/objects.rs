//! Writing, copying and deleting objects.

use s3s::dto::*;
use s3s::{S3Request, S3Result, s3_error};

use super::{Response, Service, current_version, read_condition, refuse_packed, respond};
use crate::checksum::{Algorithm, Expected, Sum, sent, show};
use crate::condition::WriteCondition;
use crate::incoming::Incoming;
use crate::metadata::{Headers, Metadata, headers_of};
use crate::unsupported;

/// The most keys of one `DeleteObjects`.
const MOST_KEYS: usize = 1_000;

pub(super) async fn put(service: &Service, mut req: S3Request<PutObjectInput>) -> Response<PutObjectOutput> {
    unsupported::check(&req.headers)?;
    refuse_packed(&req)?;
    let headers = headers_of!(req);
    let (md5, sent) = (req.input.content_md5.take(), sent!(req.input)?);
    let asked = req.input.checksum_algorithm.take();
    let expected = Expected::new(&mut req, md5, sent, asked.as_ref())?;
    let mut input = req.input;
    let condition = WriteCondition::new(input.if_match.take(), input.if_none_match.take())?;
    let body = Incoming::receive(&service.0, input.body.take(), input.content_length, expected).await?;
    let (info, sum) = service
        .run(move |store| {
            store.bucket(&input.bucket)?;
            let (temp, sum) = body.finish(store)?;
            let kept = Metadata { headers, sum, ..Metadata::default() };
            kept.seal(&temp)?;
            Ok((store.publish(&temp.path, &input.bucket, &input.key, &condition)?, kept.sum))
        })
        .await?;
    let mut output = PutObjectOutput { e_tag: info.e_tag(), size: info.size(), ..PutObjectOutput::default() };
    output.checksum_type = sum.as_ref().map(Sum::kind);
    show!(output, &sum);
    respond(output)
}

pub(super) async fn copy(
    service: &Service,
    mut req: S3Request<CopyObjectInput>,
) -> Response<CopyObjectOutput> {
    unsupported::check(&req.headers)?;
    let replaces = |directive: Option<&str>| directive == Some("REPLACE");
    if replaces(req.input.tagging_directive.as_ref().map(TaggingDirective::as_str)) {
        return Err(s3_error!(NotImplemented, "x-amz-tagging-directive is not supported by this store"));
    }
    let replaced = replaces(req.input.metadata_directive.as_ref().map(MetadataDirective::as_str));
    let headers: Option<Headers> = if replaced { Some(headers_of!(req)) } else { None };
    let input = req.input;
    if headers.is_none() && is_itself(&input) {
        return Err(s3_error!(
            InvalidRequest,
            "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes."
        ));
    }
    let algorithm = input.checksum_algorithm.as_ref();
    let algorithm = algorithm.map(|name| Algorithm::parse(name.as_str())).transpose()?;
    let condition = read_condition!(copy input);
    let (info, sum) = service
        .run(move |store| {
            store.bucket(&input.bucket)?;
            let copy = store.copy(&input.copy_source, None, &condition, algorithm)?;
            let headers = headers.unwrap_or(copy.source.headers);
            let kept = Metadata { headers, sum: copy.sum, parts: Vec::new() };
            kept.seal(&copy.temp)?;
            let condition = WriteCondition::default();
            Ok((store.publish(&copy.temp.path, &input.bucket, &input.key, &condition)?, kept.sum))
        })
        .await?;
    let mut result = CopyObjectResult {
        e_tag: info.e_tag(),
        last_modified: info.last_modified(),
        checksum_type: sum.as_ref().map(Sum::kind),
        ..CopyObjectResult::default()
    };
    show!(result, &sum);
    respond(CopyObjectOutput { copy_object_result: Some(result), ..CopyObjectOutput::default() })
}

fn is_itself(input: &CopyObjectInput) -> bool {
    match &input.copy_source {
        CopySource::Bucket { bucket, key, .. } => **bucket == *input.bucket && **key == *input.key,
        _ => false,
    }
}

pub(super) async fn delete(
    service: &Service,
    req: S3Request<DeleteObjectInput>,
) -> Response<DeleteObjectOutput> {
    let input = req.input;
    current_version(input.version_id.as_deref())?;
    let condition = WriteCondition {
        size: input.if_match_size,
        modified: input.if_match_last_modified_time,
        ..WriteCondition::new(input.if_match, None)?
    };
    let mut results =
        service.run(move |store| store.remove(&input.bucket, [(input.key.as_str(), condition)])).await?;
    results.pop().expect("one key, one result")?;
    respond(DeleteObjectOutput::default())
}

pub(super) async fn delete_many(
    service: &Service,
    req: S3Request<DeleteObjectsInput>,
) -> Response<DeleteObjectsOutput> {
    let DeleteObjectsInput { bucket, delete, .. } = req.input;
    let quiet = delete.quiet.unwrap_or(false);
    if delete.objects.len() > MOST_KEYS {
        return Err(s3_error!(
            MalformedXML,
            "The XML you provided was not well-formed or did not validate against our published schema"
        ));
    }
    let keys = delete.objects.into_iter().map(|object| {
        current_version(object.version_id.as_deref())?;
        let condition = WriteCondition {
            absent: false,
            matches: object.e_tag.map(ETagCondition::ETag),
            size: object.size,
            modified: object.last_modified_time,
        };
        Ok((object.key, condition))
    });
    let keys = keys.collect::<S3Result<Vec<_>>>()?;
    let (keys, results) = service
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
