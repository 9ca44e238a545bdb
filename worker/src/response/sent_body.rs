//! The body of a request, as it is sent: with its files, and in its content coding.

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue};
use job::Code;

use super::Sender;
use crate::failure::Failure;
use crate::request::Prepared;
use crate::upload;

impl Sender {
    /// The body, and the headers that describe it besides those of the job.
    pub(super) async fn body_of(&self, prepared: &Prepared) -> Result<(Option<Bytes>, HeaderMap), Failure> {
        let mut headers = HeaderMap::new();
        let mut body = prepared.body.clone();
        if let Some(upload) = &prepared.upload {
            let (bytes, media_type) = upload.read().await?;
            body = Some(bytes);
            let value = HeaderValue::try_from(media_type)
                .map_err(|_| Failure::new(Code::Header, "the media type cannot be sent in a header"))?;
            headers.insert(CONTENT_TYPE, value);
        }
        if let (Some(coding), Some(whole)) = (self.job.request.wire.compress, &body) {
            let whole = whole.clone();
            let packed = tokio::task::spawn_blocking(move || upload::compress(&whole, coding)).await;
            let packed = packed.expect("compression does not panic");
            let failed =
                |error| Failure::new(Code::Render, format!("the body cannot be compressed: {error}"));
            body = Some(packed.map_err(failed)?);
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
        }
        Ok((body, headers))
    }
}
