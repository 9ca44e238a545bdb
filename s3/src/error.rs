//! I/O errors that say which file, and the S3 errors they become.

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
        self.map_err(|err| io::Error::new(err.kind(), format!("{}: {err}", path.display())))
    }
}

/// The S3 error of an I/O error that has no meaning of its own in S3.
pub(crate) fn io_error(err: io::Error) -> S3Error {
    let code = match err.kind() {
        io::ErrorKind::InvalidFilename => S3ErrorCode::KeyTooLongError,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            return no_room(&err);
        }
        _ => S3ErrorCode::InternalError,
    };
    S3Error::with_message(code, err.to_string())
}

/// S3 itself is never full. The status (RFC 4918, "507 Insufficient Storage") is none that clients try again.
fn no_room(err: &io::Error) -> S3Error {
    let mut error = S3Error::with_message(S3ErrorCode::Custom("InsufficientStorage".into()), err.to_string());
    error.set_status_code(StatusCode::INSUFFICIENT_STORAGE);
    error
}
