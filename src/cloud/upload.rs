//! Puts a job and its input where an upload starts a run.

use std::path::Path;

use job::keys;
use job::messages::{Event, RunRef};
use tokio::io::AsyncReadExt;

use super::Cloud;
use crate::exit::Wrong;
use crate::home::check_input;

/// Bytes read at a time.
const CHUNK: usize = 1 << 20;

/// Uploads the job file, then the input, which starts the run: that run.
///
/// # Errors
/// When the input cannot be read, or the bucket not be written.
pub async fn upload(cloud: &Cloud, job: &str, job_text: &str, input: &Path) -> Result<RunRef, Wrong> {
    let unreadable = |error: std::io::Error| Wrong::new(format!("cannot read the input {}: {error}", input.display()));
    let file = check_input(input)?;
    let mut content = tokio::fs::File::open(input).await.map_err(unreadable)?;
    let objects = cloud.objects();
    objects.put(&keys::job_file(job), job_text.to_owned()).await?;
    let key = keys::input(job, &file);
    let mut upload = objects.upload(&key);
    let mut chunk = Vec::with_capacity(CHUNK);
    while (&mut content).take(CHUNK as u64).read_to_end(&mut chunk).await.map_err(unreadable)? > 0 {
        upload.write(&chunk).await?;
        chunk.clear();
    }
    let size = upload.written();
    let stored = upload.finish().await?;
    // A bucket without versions tells uploads apart by their content.
    let version = stored.version.unwrap_or_else(|| stored.etag.clone());
    let event = Event::object_created(cloud.bucket(), &key, size, Some(stored.etag), &version);
    Ok(event.run(job_text.as_bytes())?)
}
