//! Uploads a job and its input, which starts a run.

use std::path::Path;

use job::keys;
use job::run::{Event, RunRef};

use super::AwsStack;
use crate::exit::CliError;
use crate::local::Input;

/// Uploads the job file and then the input, which starts the run. Returns that run.
///
/// # Errors
/// When the input cannot be read or the bucket cannot be written.
pub async fn upload(stack: &AwsStack, job: &str, job_text: &str, input: &Path) -> Result<RunRef, CliError> {
    let source = Input::open(input)?;
    let objects = stack.objects();
    objects.put(&keys::job_file(job), job_text.to_owned()).await?;
    let key = keys::input(job, &source.name);
    let (size, stored, _) = source.copy(&objects, &key).await?;
    // Without versions of the bucket, the content distinguishes uploads.
    let version = stored.version.unwrap_or_else(|| stored.etag.clone());
    let event = Event::object_created(stack.bucket(), &key, size, Some(stored.etag), &version);
    Ok(event.run(job_text.as_bytes())?)
}
