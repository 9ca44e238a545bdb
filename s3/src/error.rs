//! I/O errors that name their file, and their translation to S3 errors.

use std::io;
use std::path::Path;

use http::StatusCode;
use s3s::{S3Error, S3ErrorCode};

pub(crate) trait At<T> {
    /// Puts the path in front of the error's text.
    fn at(self, path: &Path) -> io::Result<T>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, path: &Path) -> io::Result<T> {
        self.map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
    }
}

/// Translates an I/O error that has no special meaning in S3.
pub(crate) fn io_error(error: io::Error) -> S3Error {
    let code = match error.kind() {
        io::ErrorKind::InvalidFilename => S3ErrorCode::KeyTooLongError,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            return disk_full(&error);
        }
        _ => S3ErrorCode::InternalError,
    };
    S3Error::with_message(code, error.to_string())
}

/// The error for a full disk, which S3 does not have. Clients do not retry its status (RFC 4918, "507
/// Insufficient Storage").
fn disk_full(error: &io::Error) -> S3Error {
    let mut error =
        S3Error::with_message(S3ErrorCode::Custom("InsufficientStorage".into()), error.to_string());
    error.set_status_code(StatusCode::INSUFFICIENT_STORAGE);
    error
}
