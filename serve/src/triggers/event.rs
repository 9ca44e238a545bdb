//! The events of uploads, and the names of what they start.

use s3::Written;
use serde_json::{Value, json};

use crate::arn::Place;
use crate::catalog::Moment;

/// The event of an upload (Amazon S3 User Guide, "EventBridge event message structure").
pub(super) fn of_upload(place: &Place, object: &Written) -> Value {
    let Place { region, account } = place;
    json!({
        "version": "0",
        "id": uuid::Uuid::new_v4().to_string(),
        "detail-type": "Object Created",
        "source": "aws.s3",
        "account": account,
        "time": crate::executions::rfc3339(Moment(Moment::now().0 / 1_000_000 * 1_000_000)),
        "region": region,
        "resources": [format!("arn:aws:s3:::{}", object.bucket)],
        "detail": {
            "version": "0",
            "bucket": { "name": object.bucket },
            "object": { "key": object.key, "size": object.size, "etag": object.etag },
            "requester": account,
        },
    })
}

/// The job and the file of the event of an input.
pub(crate) fn place_of_event(event: &str) -> Option<(String, String)> {
    let event: Value = serde_json::from_str(event).ok()?;
    let key = event["detail"]["object"]["key"].as_str()?;
    let (job, file) = key.strip_prefix("jobs/")?.split_once("/input/")?;
    Some((job.to_owned(), file.to_owned()))
}

/// The name of the execution that an upload starts.
pub(super) fn execution_name(queue: &str, bucket: &str, key: &str, etag: &str) -> String {
    format!("upload-{}", hash_of(&[queue, bucket, key, etag]))
}

pub(super) fn hash_of(parts: &[&str]) -> String {
    let mut hasher = blake3::Hasher::new();
    parts.iter().for_each(|part| _ = hasher.update(part.as_bytes()).update(&[0]));
    hasher.finalize().to_hex()[..20].to_owned()
}
