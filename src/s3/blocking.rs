//! File I/O away from the threads that run futures.

use s3s::{S3Result, s3_error};

pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> S3Result<T> + Send + 'static,
) -> S3Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(failed) if failed.is_panic() => std::panic::resume_unwind(failed.into_panic()),
        Err(_) => Err(s3_error!(ServiceUnavailable, "the process is shutting down")),
    }
}
