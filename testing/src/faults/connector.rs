//! The HTTP client that carries out a plan.

use std::io;

use aws_sdk_s3::config::http::{HttpRequest, HttpResponse};
use aws_sdk_s3::config::{HttpClient, RuntimeComponents, SharedHttpClient};
use aws_sdk_s3::primitives::SdkBody;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::http::StatusCode;
use bytes::Bytes;
use futures_util::StreamExt;
use http_body_util::{BodyExt, StreamBody};

use super::{Action, Fault, Faults, Operation, key};

/// A wrapper of the HTTP client of the store.
#[derive(Debug, Clone)]
pub(super) struct FaultyHttpClient {
    pub(super) inner: SharedHttpClient,
    pub(super) faults: Faults,
}

impl HttpClient for FaultyHttpClient {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, components);
        SharedHttpConnector::new(Connector { inner, faults: self.faults.clone() })
    }
}

#[derive(Debug, Clone)]
struct Connector {
    inner: SharedHttpConnector,
    faults: Faults,
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let connector = self.clone();
        HttpConnectorFuture::new(async move { connector.respond(request).await })
    }
}

type Response = Result<HttpResponse, ConnectorError>;

impl Connector {
    async fn respond(self, request: HttpRequest) -> Response {
        let operation = Operation::of(&request);
        if operation == Operation::Complete && self.faults.state().forgotten.contains(request.uri()) {
            return Ok(error(404, "NoSuchUpload", "the upload is not known"));
        }
        match self.faults.decide(operation, &request) {
            Action::Proceed => self.done(operation, request).await,
            Action::DiskFull
                if matches!(
                    operation,
                    Operation::Put
                        | Operation::PutIf
                        | Operation::Part
                        | Operation::Create
                        | Operation::Complete
                ) =>
            {
                Ok(error(507, "InsufficientStorage", "No space left on device (os error 28)"))
            }
            Action::DiskFull => self.done(operation, request).await,
            Action::DieBefore => {
                self.faults.die();
                std::future::pending().await
            }
            Action::DieAfter => {
                let _ = self.done(operation, request).await;
                self.faults.die();
                std::future::pending().await
            }
            Action::Fail(fault) => self.fail(fault, operation, request).await,
        }
    }

    async fn fail(self, fault: Fault, operation: Operation, mut request: HttpRequest) -> Response {
        match fault {
            Fault::Internal => Ok(error(500, "InternalError", "planned")),
            Fault::SlowDown => Ok(error(503, "SlowDown", "planned")),
            Fault::Conflict => Ok(error(409, "ConditionalRequestConflict", "planned")),
            Fault::Timeout => Err(ConnectorError::timeout("planned: no response in time".into())),
            Fault::Reset => Err(reset()),
            Fault::CutRequest => {
                let body = std::mem::replace(request.body_mut(), SdkBody::empty());
                *request.body_mut() = cut(body);
                let _ = self.inner.call(request).await;
                Err(reset())
            }
            Fault::CutResponse => {
                let mut response = self.done(operation, request).await?;
                let body = std::mem::replace(response.body_mut(), SdkBody::empty());
                *response.body_mut() = cut(body);
                Ok(response)
            }
            Fault::LostResponse => {
                let _ = self.done(operation, request).await;
                Err(ConnectorError::timeout("planned: the response was lost".into()))
            }
            Fault::Forgotten => {
                self.faults.state().forgotten.insert(request.uri().to_owned());
                let _ = self.done(operation, request).await;
                Err(ConnectorError::timeout("planned: the response was lost".into()))
            }
            Fault::Stale => {
                let response = self.done(operation, request).await?;
                Ok(self.without_the_newest(response).await)
            }
        }
    }

    async fn done(&self, operation: Operation, request: HttpRequest) -> Response {
        let key = key(&request);
        let body = if operation == Operation::Put {
            request.body().bytes().map(Bytes::copy_from_slice)
        } else {
            None
        };
        let response = self.inner.call(request).await?;
        let stores = matches!(operation, Operation::Put | Operation::PutIf | Operation::Complete);
        if stores && response.status().is_success() {
            self.faults.stored(key, body);
        }
        Ok(response)
    }

    async fn without_the_newest(&self, mut response: HttpResponse) -> HttpResponse {
        let body = std::mem::replace(response.body_mut(), SdkBody::empty());
        let text = String::from_utf8(BodyExt::collect(body).await.unwrap().to_bytes().to_vec()).unwrap();
        let newest = self.faults.state().newest.clone();
        let mut listed = String::new();
        for (index, entry) in text.split("<Contents>").enumerate() {
            let (entry, rest) =
                if index == 0 { ("", entry) } else { entry.split_once("</Contents>").unwrap() };
            if !entry.is_empty() && !newest.iter().any(|key| entry.contains(&format!("<Key>{key}</Key>"))) {
                listed += &format!("<Contents>{entry}</Contents>");
            }
            listed += rest;
        }
        response.headers_mut().remove("content-length");
        *response.body_mut() = SdkBody::from(listed);
        response
    }
}

fn reset() -> ConnectorError {
    ConnectorError::io(io::Error::new(io::ErrorKind::ConnectionReset, "planned").into())
}

fn error(status: u16, code: &str, message: &str) -> HttpResponse {
    let body =
        format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>{message}</Message></Error>");
    HttpResponse::new(StatusCode::try_from(status).unwrap(), SdkBody::from(body))
}

/// Half of a body, and then an error.
fn cut(body: SdkBody) -> SdkBody {
    let half = body.content_length().unwrap_or(0) / 2;
    let mut left = usize::try_from(half).unwrap();
    let data = body.into_data_stream().map(move |chunk| {
        let mut chunk = chunk.map_err(io::Error::other)?;
        if left == 0 {
            return Err(io::Error::new(io::ErrorKind::ConnectionReset, "planned"));
        }
        chunk.truncate(left);
        left -= chunk.len();
        Ok(http_body::Frame::data(chunk))
    });
    // The last piece may end the body before the error is returned.
    let end =
        futures_util::stream::once(async { Err(io::Error::new(io::ErrorKind::ConnectionReset, "planned")) });
    SdkBody::from_body_1_x(StreamBody::new(data.chain(end)))
}
