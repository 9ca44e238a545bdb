//! Between the client and the store: an HTTP client that does to calls what a [`Plan`] says.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::io;
use std::sync::{Arc, Mutex};

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
use tokio::sync::Notify;

use super::fault::{Call, Fault};

/// Objects that a stale listing lacks.
const UNLISTED: usize = 6;

/// Decides over the calls of one client; clones share it.
#[derive(Debug, Clone)]
pub struct Layer {
    inner: SharedHttpClient,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
pub struct Shared {
    state: Mutex<State>,
    /// The process is dead, as far as the store is concerned.
    pub died: Notify,
}

#[derive(Default)]
struct State {
    plan: Option<Box<dyn FnMut(u64, Call) -> Deed + Send>>,
    calls: u64,
    dead: bool,
    met: BTreeMap<Fault, usize>,
    /// Uploads that the store has forgotten.
    forgotten: HashSet<String>,
    /// Keys written last.
    fresh: VecDeque<String>,
    /// By flush object that was stored: how many requests the API had had, and the object's records.
    stored: Vec<(usize, Bytes)>,
    requests: Option<Box<dyn Fn() -> usize + Send>>,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} calls", self.calls)
    }
}

/// What is done to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    Nothing,
    Fault(Fault),
    /// The process dies before the call.
    DieBefore,
    /// The process dies when the call is done.
    DieBehind,
    /// The disk is full: nothing more is written.
    Full,
}

impl Shared {
    /// `plan` is given the number of each call, from 1.
    pub fn new(
        plan: impl FnMut(u64, Call) -> Deed + Send + 'static,
        requests: impl Fn() -> usize + Send + 'static,
    ) -> Arc<Self> {
        let state =
            State { plan: Some(Box::new(plan)), requests: Some(Box::new(requests)), ..State::default() };
        Arc::new(Self { state: Mutex::new(state), died: Notify::new() })
    }

    pub fn calls(&self) -> u64 {
        self.state.lock().unwrap().calls
    }

    pub fn met(&self) -> BTreeMap<Fault, usize> {
        self.state.lock().unwrap().met.clone()
    }

    /// Every flush that was stored, with the number of requests that the API had had by then.
    pub fn stored(&self) -> Vec<(usize, Bytes)> {
        self.state.lock().unwrap().stored.clone()
    }

    fn decide(&self, call: Call) -> Deed {
        let mut state = self.state.lock().unwrap();
        if state.dead {
            return Deed::DieBefore;
        }
        state.calls += 1;
        let number = state.calls;
        let deed = (state.plan.as_mut().unwrap())(number, call);
        if let Deed::Fault(fault) = deed {
            *state.met.entry(fault).or_default() += 1;
        }
        deed
    }

    fn die(&self) {
        self.state.lock().unwrap().dead = true;
        self.died.notify_one();
    }
}

impl Layer {
    /// Around the client of `config`.
    pub fn client(config: &aws_sdk_s3::Config, shared: Arc<Shared>) -> aws_sdk_s3::Client {
        let inner = config.http_client().unwrap();
        let retries = aws_sdk_s3::config::retry::RetryConfig::standard()
            .with_initial_backoff(std::time::Duration::from_millis(1));
        let faulty = config.to_builder().http_client(Self { inner, shared }).retry_config(retries);
        aws_sdk_s3::Client::from_conf(faulty.build())
    }
}

impl HttpClient for Layer {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, components);
        SharedHttpConnector::new(Connector { inner, shared: self.shared.clone() })
    }
}

#[derive(Debug, Clone)]
struct Connector {
    inner: SharedHttpConnector,
    shared: Arc<Shared>,
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let connector = self.clone();
        HttpConnectorFuture::new(async move { connector.answer(request).await })
    }
}

type Answer = Result<HttpResponse, ConnectorError>;

impl Connector {
    async fn answer(self, request: HttpRequest) -> Answer {
        let call = Call::of(&request);
        if call == Call::Complete && self.shared.state.lock().unwrap().forgotten.contains(request.uri()) {
            return Ok(error(404, "NoSuchUpload", "the upload is not known"));
        }
        match self.shared.decide(call) {
            Deed::Nothing => self.done(call, request).await,
            Deed::Full
                if matches!(call, Call::Put | Call::PutIf | Call::Part | Call::Create | Call::Complete) =>
            {
                Ok(error(507, "InsufficientStorage", "No space left on device (os error 28)"))
            }
            Deed::Full => self.done(call, request).await,
            Deed::DieBefore => {
                self.shared.die();
                std::future::pending().await
            }
            Deed::DieBehind => {
                let _ = self.done(call, request).await;
                self.shared.die();
                std::future::pending().await
            }
            Deed::Fault(fault) => self.fail(fault, call, request).await,
        }
    }

    async fn fail(self, fault: Fault, call: Call, mut request: HttpRequest) -> Answer {
        match fault {
            Fault::Internal => Ok(error(500, "InternalError", "planned")),
            Fault::SlowDown => Ok(error(503, "SlowDown", "planned")),
            Fault::Conflict => Ok(error(409, "ConditionalRequestConflict", "planned")),
            Fault::Timeout => Err(ConnectorError::timeout("planned: no answer in time".into())),
            Fault::Reset => Err(reset()),
            Fault::CutRequest => {
                let body = std::mem::replace(request.body_mut(), SdkBody::empty());
                *request.body_mut() = cut(body);
                let _ = self.inner.call(request).await;
                Err(reset())
            }
            Fault::CutAnswer => {
                let mut answer = self.done(call, request).await?;
                let body = std::mem::replace(answer.body_mut(), SdkBody::empty());
                *answer.body_mut() = cut(body);
                Ok(answer)
            }
            Fault::LostAnswer => {
                let _ = self.done(call, request).await;
                Err(ConnectorError::timeout("planned: the answer was lost".into()))
            }
            Fault::Forgotten => {
                self.shared.state.lock().unwrap().forgotten.insert(request.uri().to_owned());
                let _ = self.done(call, request).await;
                Err(ConnectorError::timeout("planned: the answer was lost".into()))
            }
            Fault::Stale => {
                let answer = self.done(call, request).await?;
                Ok(self.without_the_newest(answer).await)
            }
        }
    }

    async fn done(&self, call: Call, request: HttpRequest) -> Answer {
        let key = request
            .uri()
            .split('?')
            .next()
            .unwrap_or_default()
            .rsplit_once("/throughline/")
            .map(|(_, key)| key.to_owned());
        let flush = match &key {
            Some(key) if call == Call::Put && key.contains("/results/") && key.ends_with(".jsonl") => {
                request.body().bytes().map(Bytes::copy_from_slice)
            }
            _ => None,
        };
        let answer = self.inner.call(request).await?;
        if answer.status().is_success() && matches!(call, Call::Put | Call::PutIf | Call::Complete) {
            let mut state = self.shared.state.lock().unwrap();
            let requests = state.requests.as_ref().map_or(0, |requests| requests());
            state.stored.extend(flush.map(|records| (requests, records)));
            state.fresh.extend(key);
            if state.fresh.len() > UNLISTED {
                state.fresh.pop_front();
            }
        }
        Ok(answer)
    }

    async fn without_the_newest(&self, mut answer: HttpResponse) -> HttpResponse {
        let body = std::mem::replace(answer.body_mut(), SdkBody::empty());
        let text = String::from_utf8(BodyExt::collect(body).await.unwrap().to_bytes().to_vec()).unwrap();
        let fresh = self.shared.state.lock().unwrap().fresh.clone();
        let mut listed = String::new();
        for (index, entry) in text.split("<Contents>").enumerate() {
            let (entry, rest) =
                if index == 0 { ("", entry) } else { entry.split_once("</Contents>").unwrap() };
            if !entry.is_empty() && !fresh.iter().any(|key| entry.contains(&format!("<Key>{key}</Key>"))) {
                listed += &format!("<Contents>{entry}</Contents>");
            }
            listed += rest;
        }
        answer.headers_mut().remove("content-length");
        *answer.body_mut() = SdkBody::from(listed);
        answer
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
    // The last piece may have ended the body before the error had its turn.
    let end =
        futures_util::stream::once(async { Err(io::Error::new(io::ErrorKind::ConnectionReset, "planned")) });
    SdkBody::from_body_1_x(StreamBody::new(data.chain(end)))
}
