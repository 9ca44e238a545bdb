//! The answer to a request that does not reach the service.

use http::{HeaderValue, Response, StatusCode, header};
use s3s::Body;

/// Why a request is refused: status, code, message.
pub(crate) struct Refused(pub(crate) StatusCode, pub(crate) &'static str, pub(crate) String);

impl Refused {
    pub(crate) fn into_response(self) -> Response<Body> {
        let Self(status, code, message) = self;
        let message = message.replace('&', "&amp;").replace('<', "&lt;");
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>"
        );
        let mut response = Response::new(body.into());
        *response.status_mut() = status;
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/xml"));
        response
    }
}
