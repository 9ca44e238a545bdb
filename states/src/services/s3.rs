//! `aws-sdk:s3:*`: the operations of S3 that state machines use most. Names and shapes are those of the
//! Amazon S3 API Reference in the form of Step Functions: keys in PascalCase, and a body as text.

use std::ops::Range;

use async_trait::async_trait;
use aws_config::{BehaviorVersion, Region};
use aws_sdk_s3::Client;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::{ByteStream, DateTime, DateTimeFormat};
use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use bytes::Bytes;
use engine::{ObjectError, ObjectInfo, Part, Resource, TaskCall, TaskError};
use job::{Objects, StorageError, in_words};
use serde_json::{Map, Value, json};
use time::OffsetDateTime;

use super::{Service, Support};
use crate::error::task_error;
use crate::{Host, Store};

const ACTIONS: [&str; 9] = [
    "copyObject",
    "createBucket",
    "deleteObject",
    "deleteObjects",
    "getObject",
    "headBucket",
    "headObject",
    "listObjectsV2",
    "putObject",
];

/// A client of the store at a URL, with the credentials of the environment.
pub async fn client(url: &str) -> Client {
    let aws = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .region(Region::from_static("us-east-1"))
        .endpoint_url(url)
        .load()
        .await;
    Client::from_conf(aws_sdk_s3::config::Builder::from(&aws).force_path_style(true).build())
}

/// The service S3, on a store.
#[derive(Clone)]
pub struct S3(pub Store);

#[async_trait]
impl Service for S3 {
    fn support(&self, _state: &str, resource: &Resource) -> Support {
        match resource {
            Resource::Service { service, action, .. } if service == "aws-sdk:s3" => {
                if ACTIONS.contains(&action.as_str()) {
                    Support::Yes
                } else {
                    let known = ACTIONS.join(", ");
                    Support::Missing(format!(
                        "the store on this machine supports only {known}: mock the state (--mocks FILE)"
                    ))
                }
            }
            _ => Support::No,
        }
    }

    async fn call(&self, _host: &Host, call: &TaskCall) -> Result<Value, TaskError> {
        let Resource::Service { action, .. } = &call.resource else { return Ok(Value::Null) };
        let client = self.0.client().await;
        let client = client.map_err(|error| task_error("S3.SdkClientException", &error.to_string()))?;
        operation(&client, action, &call.parameters).await
    }

    fn uses_store(&self) -> bool {
        true
    }
}

/// Does an action.
async fn operation(client: &Client, action: &str, parameters: &Value) -> Result<Value, TaskError> {
    let parameters = &Parameters(parameters);
    match action {
        "getObject" => {
            let request = client
                .get_object()
                .bucket(parameters.required("Bucket")?)
                .key(parameters.required("Key")?)
                .set_range(parameters.optional("Range"));
            let output = request.send().await.map_err(failed)?;
            let facts = (output.content_length, output.e_tag.clone(), output.last_modified);
            let (mut body, mut chunks) = (Vec::new(), output.body);
            while let Some(chunk) = chunks.next().await {
                let chunk = chunk.map_err(|error| task_error("S3.SdkClientException", &in_words(&error)))?;
                if body.len() + chunk.len() > super::LARGEST {
                    return Err(super::too_large("aws-sdk:s3"));
                }
                body.extend_from_slice(&chunk);
            }
            let mut result = object_facts(facts);
            result["Body"] = String::from_utf8_lossy(&body).into();
            Ok(result)
        }
        "headObject" => {
            let output = client
                .head_object()
                .bucket(parameters.required("Bucket")?)
                .key(parameters.required("Key")?)
                .send()
                .await
                .map_err(failed)?;
            Ok(object_facts((output.content_length, output.e_tag, output.last_modified)))
        }
        "putObject" => {
            let body = match parameters.0.get("Body") {
                None => String::new(),
                Some(Value::String(text)) => text.clone(),
                Some(other) => other.to_string(),
            };
            let request = client
                .put_object()
                .bucket(parameters.required("Bucket")?)
                .key(parameters.required("Key")?)
                .set_if_none_match(parameters.optional("IfNoneMatch"));
            let output = request.body(ByteStream::from(body.into_bytes())).send().await.map_err(failed)?;
            Ok(json!({ "ETag": output.e_tag }))
        }
        "deleteObject" => {
            client
                .delete_object()
                .bucket(parameters.required("Bucket")?)
                .key(parameters.required("Key")?)
                .send()
                .await
                .map_err(failed)?;
            Ok(json!({}))
        }
        "deleteObjects" => {
            let keys = parameters.0["Delete"]["Objects"].as_array().map(Vec::as_slice).unwrap_or_default();
            let keys = keys
                .iter()
                .filter_map(|object| ObjectIdentifier::builder().key(object["Key"].as_str()?).build().ok());
            let delete =
                Delete::builder().set_objects(Some(keys.collect())).build().expect("it has objects, if none");
            let output = client
                .delete_objects()
                .bucket(parameters.required("Bucket")?)
                .delete(delete)
                .send()
                .await
                .map_err(failed)?;
            let deleted: Vec<Value> =
                output.deleted().iter().map(|object| json!({ "Key": object.key() })).collect();
            Ok(json!({ "Deleted": deleted }))
        }
        "copyObject" => {
            let request = client
                .copy_object()
                .bucket(parameters.required("Bucket")?)
                .key(parameters.required("Key")?)
                .copy_source(parameters.required("CopySource")?);
            let output = request.send().await.map_err(failed)?;
            let result = output.copy_object_result();
            let modified = result.and_then(|result| result.last_modified()).and_then(iso);
            Ok(
                json!({ "CopyObjectResult": { "ETag": result.and_then(|result| result.e_tag()), "LastModified": modified } }),
            )
        }
        "createBucket" => {
            let output =
                client.create_bucket().bucket(parameters.required("Bucket")?).send().await.map_err(failed)?;
            Ok(json!({ "Location": output.location }))
        }
        "headBucket" => {
            client.head_bucket().bucket(parameters.required("Bucket")?).send().await.map_err(failed)?;
            Ok(json!({}))
        }
        _ => list(client, parameters).await,
    }
}

async fn list(client: &Client, parameters: &Parameters<'_>) -> Result<Value, TaskError> {
    let bucket = parameters.required("Bucket")?;
    let max_keys = parameters.0.get("MaxKeys").and_then(Value::as_i64);
    let max_keys = max_keys.and_then(|max_keys| i32::try_from(max_keys).ok());
    let request = client
        .list_objects_v2()
        .bucket(&bucket)
        .set_prefix(parameters.optional("Prefix"))
        .set_delimiter(parameters.optional("Delimiter"));
    let request = request
        .set_start_after(parameters.optional("StartAfter"))
        .set_continuation_token(parameters.optional("ContinuationToken"));
    let output = request.set_max_keys(max_keys).send().await.map_err(failed)?;
    let contents = output.contents().iter().map(|object| {
        json!({
            "ETag": object.e_tag(),
            "Key": object.key(),
            "LastModified": object.last_modified().and_then(iso),
            "Size": object.size(),
            "StorageClass": "STANDARD",
        })
    });
    let mut result = json!({
        "Contents": contents.collect::<Vec<_>>(),
        "IsTruncated": output.is_truncated().unwrap_or_default(),
        "KeyCount": output.key_count(),
        "MaxKeys": output.max_keys().unwrap_or(1000),
        "Name": bucket,
        "Prefix": parameters.optional("Prefix").unwrap_or_default(),
    });
    if !output.common_prefixes().is_empty() {
        result["CommonPrefixes"] =
            output.common_prefixes().iter().map(|common| json!({ "Prefix": common.prefix() })).collect();
    }
    if let Some(token) = output.next_continuation_token() {
        result["NextContinuationToken"] = token.into();
    }
    Ok(result)
}

/// One page of a listing, for an ItemReader.
pub(crate) async fn page(
    client: &Client,
    bucket: &str,
    prefix: &str,
    after: Option<&str>,
) -> Result<Vec<ObjectInfo>, ObjectError> {
    let request =
        client.list_objects_v2().bucket(bucket).prefix(prefix).set_start_after(after.map(str::to_owned));
    let output = request.send().await.map_err(|error| ObjectError(in_words(&error)))?;
    let info = |object: &aws_sdk_s3::types::Object| {
        let modified =
            object.last_modified().and_then(|at| OffsetDateTime::from_unix_timestamp(at.secs()).ok());
        Some(ObjectInfo {
            key: object.key()?.to_owned(),
            size: object.size().unwrap_or(0).max(0).cast_unsigned(),
            etag: object.e_tag().unwrap_or_default().to_owned(),
            last_modified: modified.unwrap_or(OffsetDateTime::UNIX_EPOCH),
            storage_class: "STANDARD".to_owned(),
        })
    };
    Ok(output.contents().iter().filter_map(info).collect())
}

/// A part of an object, and the length of the whole.
pub(crate) async fn part(objects: &Objects, key: &str, part: Part) -> Result<(Bytes, u64), StorageError> {
    let whole = objects.head(key).await?.size;
    let Range { start, end } = match part {
        Part::Range(range) => range,
        Part::Last(length) => whole.saturating_sub(length)..whole,
    };
    Ok((objects.get_range(key, start, end).await?, whole))
}

fn object_facts((length, etag, modified): (Option<i64>, Option<String>, Option<DateTime>)) -> Value {
    let mut result = Map::new();
    result.insert("AcceptRanges".into(), "bytes".into());
    result.insert("ContentLength".into(), length.into());
    result.insert("ETag".into(), etag.into());
    result.insert("LastModified".into(), modified.as_ref().and_then(iso).into());
    result.insert("Metadata".into(), json!({}));
    Value::Object(result)
}

fn iso(moment: &DateTime) -> Option<String> {
    moment.fmt(DateTimeFormat::DateTime).ok()
}

/// The error of a task, with the name of the Java SDK's exception, as in Step Functions.
fn failed<E>(error: SdkError<E>) -> TaskError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let status = error.raw_response().map_or(0, |response| response.status().as_u16());
    if status == 0 {
        return task_error("S3.SdkClientException", &in_words(&error));
    }
    let name = match error.code() {
        Some(code @ ("NoSuchKey" | "NoSuchBucket" | "BucketAlreadyExists" | "BucketAlreadyOwnedByYou")) => {
            format!("S3.{code}Exception")
        }
        _ => "S3.S3Exception".to_owned(),
    };
    let message = error.message().unwrap_or("null");
    task_error(&name, &format!("{message} (Service: S3, Status Code: {status}, Request ID: null)"))
}

struct Parameters<'v>(&'v Value);

impl Parameters<'_> {
    fn required(&self, name: &str) -> Result<String, TaskError> {
        self.optional(name).ok_or_else(|| {
            task_error("S3.S3Exception", &format!("the parameter {name} is missing, or is not text"))
        })
    }

    fn optional(&self, name: &str) -> Option<String> {
        self.0.get(name)?.as_str().map(str::to_owned)
    }
}
