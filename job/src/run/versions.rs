//! Which versions of the steps have worked on a run. On AWS a run may be going while other functions are deployed.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::RunRef;
use crate::store::{Objects, StorageError};

/// The version of this process: that of throughline, and in a function its published version, such as `0.1.0+7`.
fn version() -> String {
    let own = env!("CARGO_PKG_VERSION");
    match std::env::var("AWS_LAMBDA_FUNCTION_VERSION") {
        Ok(published) => format!("{own}+{published}"),
        Err(_) => own.to_owned(),
    }
}

/// Writes down that this version of a step works on a generation of a run.
///
/// # Errors
/// [`StorageError`].
pub async fn note_version(objects: &Objects, run: &RunRef, step: &str) -> Result<(), StorageError> {
    let key = format!("{}{step}/{}", run.keys().versions(run.generation), version());
    objects.put(&key, Bytes::new()).await.map(drop)
}

/// The versions of each step that have worked on a generation of a run.
///
/// # Errors
/// [`StorageError`].
pub async fn noted_versions(
    objects: &Objects,
    run: &RunRef,
) -> Result<BTreeMap<String, Vec<String>>, StorageError> {
    let prefix = run.keys().versions(run.generation);
    let mut versions: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for entry in objects.list(&prefix).await? {
        if let Some((step, version)) = entry.key.strip_prefix(&prefix).and_then(|rest| rest.split_once('/')) {
            versions.entry(step.to_owned()).or_default().push(version.to_owned());
        }
    }
    Ok(versions)
}
