//! Paths of local files, and what users give instead of one.

use std::path::Path;

use crate::exit::CliError;

/// The purpose of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileRole {
    /// The job file.
    Job,
    /// The input.
    Input,
    /// The output.
    Output,
}

/// Refuses a URL instead of a local file. The error says what to do.
///
/// # Errors
/// When the path is not that of a local file.
pub fn check_local_path(path: &Path, role: FileRole) -> Result<(), CliError> {
    let shown = path.display().to_string();
    let Some((scheme, _)) =
        shown.split_once("://").filter(|(scheme, _)| scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()))
    else {
        return Ok(());
    };
    let s3 = scheme.eq_ignore_ascii_case("s3");
    let (what, instead) = match role {
        FileRole::Output if s3 => {
            ("the output is", format!("write a file, then copy it: aws s3 cp FILE {shown}"))
        }
        FileRole::Output => ("the output is", "write a file, for example -o output.csv".to_owned()),
        FileRole::Job | FileRole::Input => {
            let what = if role == FileRole::Job { "the job file is" } else { "the input is read from" };
            let copy = match scheme.to_ascii_lowercase().as_str() {
                "s3" => format!("copy it first: aws s3 cp {shown} ."),
                "http" | "https" => format!("fetch it first: curl -LO {shown}"),
                "file" => format!("write {}", shown.split_once("://").map_or("", |(_, path)| path)),
                _ => "copy it here first".to_owned(),
            };
            (what, copy)
        }
    };
    Err(CliError::new(format!("{shown} is not a file: {what} a file on this machine; {instead}")))
}
