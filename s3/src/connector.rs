//! The HTTP client of an SDK whose requests go to a service of the same process.

use aws_sdk_s3::config::{HttpClient, RuntimeComponents};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::retries::ErrorKind;
use aws_smithy_types::body::SdkBody;
use http::HeaderValue;
use http::header::HOST;
use s3s::service::S3Service;

/// Calls a service in place of a socket.
#[derive(Clone, Debug)]
pub(crate) struct Connector(pub(crate) S3Service);

impl HttpClient for Connector {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let service = self.0.clone();
        HttpConnectorFuture::new(async move {
            let mut request =
                request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
            // The service reads the host from the header that an HTTP client adds.
            if let Some(host) = request.uri().authority().cloned() {
                let host = HeaderValue::from_str(host.as_str())
                    .map_err(|error| ConnectorError::user(error.into()))?;
                request.headers_mut().entry(HOST).or_insert(host);
            }
            let response = service.call(request.map(s3s::Body::http_body)).await.map_err(failed)?;
            HttpResponse::try_from(response.map(SdkBody::from_body_1_x)).map_err(failed)
        })
    }
}

fn failed(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ConnectorError {
    ConnectorError::other(error.into(), Some(ErrorKind::ServerError))
}
