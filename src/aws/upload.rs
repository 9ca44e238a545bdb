//! Uploads a job and its input, which starts a run.

use std::path::Path;

use job::keys;
use job::run::{Again, Event, RunRef};

use super::AwsStack;
use crate::exit::CliError;
use crate::local::Input;

/// Uploads the job file and then the input, which starts the run. Returns that run. The input's metadata says
/// `again`, where the user has said what happens to the responses of the run before.
///
/// # Errors
/// When the input cannot be read or the bucket cannot be written.
pub async fn upload(
    stack: &AwsStack,
    job: &str,
    job_text: &str,
    input: &Path,
    again: Option<Again>,
) -> Result<RunRef, CliError> {
    let source = Input::open(input)?;
    let objects = stack.objects();
    objects.put(&keys::job_file(job), job_text.to_owned()).await?;
    let key = keys::input(job, &source.name);
    let again = again.map(|again| ("again", again.word()));
    let upload = objects.upload(&key).with_metadata(again);
    let (size, stored, _) = source.copy(upload).await?;
    // Without versions of the bucket, the content distinguishes uploads.
    let version = stored.version.unwrap_or_else(|| stored.etag.clone());
    let event = Event::object_created(stack.bucket(), &key, size, Some(stored.etag), &version);
    Ok(event.run(job_text.as_bytes())?)
}
