//! Removes objects with all their versions: the bucket of a stack keeps them.

use aws_sdk_s3::types::{Delete, ObjectIdentifier};

use super::AwsStack;
use crate::exit::CliError;

impl AwsStack {
    /// Removes every version of every object whose key begins like this.
    ///
    /// # Errors
    /// When the bucket cannot be listed or written.
    pub async fn delete_versions(&self, prefix: &str) -> Result<(), CliError> {
        let failed = |error: String| {
            CliError::new(format!("cannot remove {prefix} of the bucket {}: {error}", self.bucket))
        };
        loop {
            // What was listed is removed, so that each list begins at the front.
            let page = self.s3.list_object_versions().bucket(&self.bucket).prefix(prefix).send().await;
            let page = page.map_err(|error| failed(job::in_words(&error)))?;
            let versions = page.versions().iter().map(|one| (one.key(), one.version_id()));
            let marks = page.delete_markers().iter().map(|one| (one.key(), one.version_id()));
            let objects: Vec<ObjectIdentifier> = versions
                .chain(marks)
                .filter_map(|(key, version)| {
                    ObjectIdentifier::builder()
                        .key(key?)
                        .set_version_id(version.map(str::to_owned))
                        .build()
                        .ok()
                })
                .collect();
            if objects.is_empty() {
                return Ok(());
            }
            let delete = Delete::builder().set_objects(Some(objects)).quiet(true).build();
            let delete = delete.map_err(|error| failed(error.to_string()))?;
            let removed = self.s3.delete_objects().bucket(&self.bucket).delete(delete).send().await;
            let removed = removed.map_err(|error| failed(job::in_words(&error)))?;
            if let Some(error) = removed.errors().first() {
                return Err(failed(error.message().unwrap_or("it was refused").to_owned()));
            }
        }
    }
}
