//! The format number of everything that a run writes, and the readers that refuse a higher one.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{RunRef, damaged, keys};
use crate::error::{ErrorName, StepError};
use crate::store::Objects;

/// The format of everything that a run writes. A step refuses a run of a higher one. 1 had no number.
pub const FORMAT: u32 = 2;

/// The format of what has no number.
pub fn first_format() -> u32 {
    1
}

#[derive(Deserialize)]
struct Numbered {
    #[serde(default = "first_format")]
    format: u32,
}

/// Refuses a format that this version does not know; `what` has it, for example a key.
///
/// # Errors
/// `Run.UnknownFormat`.
pub fn check_format(format: u32, what: &str) -> Result<(), StepError> {
    if format <= FORMAT {
        return Ok(());
    }
    Err(StepError::new(
        ErrorName::RunUnknownFormat,
        format!(
            "{what} has format {format}, and this version of throughline knows formats up to {FORMAT}: use the version that wrote it, or another state folder or bucket"
        ),
    ))
}

/// Reads a file of a run, for example `a plan`, that is at a key.
///
/// # Errors
/// `Run.UnknownFormat`, and `Run.Damaged` when it is not such a file.
pub fn read_file<T: DeserializeOwned>(body: &[u8], key: &str, what: &str) -> Result<T, StepError> {
    if let Ok(Numbered { format }) = serde_json::from_slice(body) {
        check_format(format, key)?;
    }
    serde_json::from_slice(body).map_err(|error| damaged(key, format!("it is not {what}: {error}")))
}

/// Checks every file that says what a run is, before anything is done with it.
///
/// # Errors
/// `Run.UnknownFormat` when a later version wrote one of them, and errors of the store.
pub async fn check_run(objects: &Objects, run: &RunRef) -> Result<(), StepError> {
    let keys = run.keys();
    let own = [keys.claim(run.generation), keys.start(), keys.plan(), keys.finished(), keys.continued()];
    let shared = [keys::lease(&run.job), keys::earlier_lease(&run.job), keys::latest(&run.job, &run.file)];
    for key in own.into_iter().chain(shared) {
        if let Some(body) = objects.find(&key).await?
            && let Ok(Numbered { format }) = serde_json::from_slice(&body)
        {
            check_format(format, &key)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::run::{Claim, LeaseHolder, StopMarker};

    #[test]
    fn a_file_of_a_higher_format_is_refused_by_name_whatever_else_has_changed() {
        for body in [r#"{"format":3,"execution":"e"}"#, r#"{"owner":{},"format":3}"#] {
            let error = read_file::<Claim>(body.as_bytes(), "runs/j/r/claim.json", "a claim").unwrap_err();
            assert_eq!(error.name, ErrorName::RunUnknownFormat);
            assert!(
                error.message.starts_with("runs/j/r/claim.json has format 3, and this version"),
                "{error}"
            );
        }
        let error = read_file::<Claim>(b"{\"format\":2}", "claim.json", "a claim").unwrap_err();
        assert_eq!(error.name, ErrorName::RunDamaged);
    }

    #[test]
    fn files_without_a_number_have_the_first_format() {
        let claim: Claim = read_file(br#"{"execution":"e","started":1}"#, "k", "a claim").unwrap();
        let lease: LeaseHolder = read_file(br#"{"run":"r","execution":"e"}"#, "k", "a lease").unwrap();
        let marker: StopMarker = read_file(br#"{"reason":"why"}"#, "k", "a stop marker").unwrap();
        assert_eq!([claim.format, lease.format, marker.format], [1; 3]);
    }
}
