//! Names of files on this machine, and what people type in place of one.

use std::path::Path;

use crate::exit::CliError;

/// What a file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The job file.
    Job,
    /// The input.
    Input,
    /// The output.
    Output,
}

/// Refuses an address, or a dash for standard input, in the place of a file on this machine, and says what works.
///
/// # Errors
/// When it is one.
pub fn check_here(path: &Path, role: Role) -> Result<(), CliError> {
    let shown = path.display().to_string();
    if shown == "-" && role == Role::Input {
        return Err(CliError::new(
            "- is not a file: to read standard input write /dev/stdin, and [input] format in the job",
        ));
    }
    let Some((scheme, _)) =
        shown.split_once("://").filter(|(scheme, _)| scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()))
    else {
        return Ok(());
    };
    let s3 = scheme.eq_ignore_ascii_case("s3");
    let (what, instead) = match role {
        Role::Output if s3 => {
            ("the output is", format!("write a file, then copy it: aws s3 cp FILE {shown}"))
        }
        Role::Output => ("the output is", "write a file, for example -o output.csv".to_owned()),
        Role::Job | Role::Input => {
            let what = if role == Role::Job { "the job file is" } else { "the input is read from" };
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
