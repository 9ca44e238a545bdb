//! Asks an authorization server for a token: client credentials (RFC 6749, section 4.4) or a refresh token
//! (section 6).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, USER_AGENT};
use http::{Method, Request, StatusCode, Uri};
use http_body_util::Full;
use job::Code;
use job::file::secrets::Secret;
use job::file::template::Template;
use job::file::{ClientIn, OAuth2};
use tokio::time::{Instant, timeout_at};
use url::Position;
use url::form_urlencoded::{Serializer, byte_serialize};

use super::renewal::{FetchError, Fetched, Source};
use crate::response::{failed_request, prefix, retry_after};
use crate::run::{Connections, Mask, TokenSource};

/// Bytes of a response that are read.
const MOST: u64 = 256 << 10;
/// Bytes of a description that are quoted.
const EXCERPT: usize = 200;

/// An authorization server, as a client of it.
pub(super) struct TokenServer {
    oauth2: OAuth2,
    connections: Arc<Connections>,
    tokens: Arc<dyn TokenSource>,
    mask: Arc<Mask>,
    /// A response may replace the refresh token.
    refresh: Mutex<Option<Secret>>,
}

/// A response with a token (RFC 6749, section 5.1).
#[derive(serde::Deserialize)]
struct Granted {
    access_token: String,
    token_type: Option<String>,
    /// Seconds. Some servers write them as a text.
    expires_in: Option<serde_json::Value>,
    refresh_token: Option<String>,
}

/// A refusal (RFC 6749, section 5.2).
#[derive(serde::Deserialize)]
struct Denied {
    error: String,
    #[serde(default)]
    error_description: String,
}

impl TokenServer {
    pub(super) fn new(
        oauth2: &OAuth2,
        connections: &Arc<Connections>,
        tokens: &Arc<dyn TokenSource>,
        mask: &Arc<Mask>,
    ) -> Self {
        Self {
            oauth2: oauth2.clone(),
            connections: connections.clone(),
            tokens: tokens.clone(),
            mask: mask.clone(),
            refresh: Mutex::default(),
        }
    }

    async fn request(&self) -> Result<Request<Full<Bytes>>, String> {
        let OAuth2 { token_url, client_id, client_secret, refresh_token, scope, audience, client_in, .. } =
            &self.oauth2;
        let secrets = self.tokens.secrets().await.map_err(|failure| failure.detail)?;
        let value = |template: &Template| template.render_constant(&secrets);
        let id = value(client_id)?;
        let secret = client_secret.as_ref().map(value).transpose()?;
        let mut form = Serializer::new(String::new());
        match refresh_token {
            Some(template) => {
                let newer = self.refresh.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let token = newer.map_or_else(|| value(template), |token| Ok(token.reveal().to_owned()))?;
                form.append_pair("grant_type", "refresh_token").append_pair("refresh_token", &token);
            }
            None => _ = form.append_pair("grant_type", "client_credentials"),
        }
        for (name, value) in [("scope", scope), ("audience", audience)] {
            value.iter().for_each(|value| _ = form.append_pair(name, value));
        }
        let mut authorization = None;
        match (client_in, secret) {
            (ClientIn::Header, Some(secret)) => {
                let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
                let pair = BASE64_STANDARD.encode(format!("{}:{}", encoded(&id), encoded(&secret)));
                authorization = HeaderValue::try_from(format!("Basic {pair}")).ok();
            }
            (_, secret) => {
                form.append_pair("client_id", &id);
                secret.iter().for_each(|secret| _ = form.append_pair("client_secret", secret));
            }
        }
        let mut request = Request::new(Full::from(form.finish()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = Uri::try_from(&token_url[..Position::AfterQuery])
            .map_err(|error| format!("token_url cannot be requested: {error}"))?;
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(USER_AGENT, HeaderValue::from_static(crate::USER_AGENT));
        if let Some(mut authorization) = authorization {
            authorization.set_sensitive(true);
            headers.insert(AUTHORIZATION, authorization);
        }
        Ok(request)
    }

    fn granted(&self, body: &[u8]) -> Result<Fetched<HeaderValue>, String> {
        // The error of the JSON reader may quote the token.
        let granted: Granted = serde_json::from_slice(body)
            .map_err(|_| "its response is not JSON with an access_token".to_owned())?;
        if granted.token_type.as_ref().is_some_and(|kind| !kind.eq_ignore_ascii_case("bearer")) {
            return Err("the type of its token is not Bearer".to_owned());
        }
        let token = Secret::new(granted.access_token);
        self.mask.learn_token(&token);
        if let Some(refresh) = granted.refresh_token.filter(|token| !token.is_empty()) {
            let refresh = Secret::new(refresh);
            self.mask.learn_token(&refresh);
            *self.refresh.lock().unwrap_or_else(PoisonError::into_inner) = Some(refresh);
        }
        let mut value = HeaderValue::try_from(format!("Bearer {}", token.reveal()))
            .map_err(|_| "its token cannot be sent in a header".to_owned())?;
        value.set_sensitive(true);
        let seconds = granted.expires_in.and_then(|seconds| match seconds {
            serde_json::Value::String(text) => text.trim().parse().ok(),
            number => number.as_f64(),
        });
        let lifetime = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        Ok(Fetched { value, lifetime: lifetime.filter(|lifetime| !lifetime.is_zero()) })
    }

    /// Why the server gives no token.
    fn denied(&self, status: StatusCode, body: &[u8], wait: Option<Duration>) -> FetchError {
        let reason = match serde_json::from_slice(body) {
            Ok(Denied { error, error_description }) => {
                format!("{error} {error_description}").trim().chars().take(EXCERPT).collect()
            }
            Err(_) => format!("status {}", status.as_u16()),
        };
        let reason = self.reason(&self.mask.text(&reason));
        if status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429) {
            FetchError::Unavailable(reason, wait.unwrap_or_default())
        } else {
            FetchError::Refused(reason)
        }
    }

    fn reason(&self, what: &str) -> String {
        format!("no OAuth2 token from {}: {what}", self.oauth2.token_url.origin().ascii_serialization())
    }
}

#[async_trait]
impl Source<HeaderValue> for TokenServer {
    async fn fetch(&self) -> Result<Fetched<HeaderValue>, FetchError> {
        let refused = |what: String| FetchError::Refused(self.reason(&self.mask.text(&what)));
        let late = || {
            let reason = self.reason(&format!("no response within {:?}", self.oauth2.timeout));
            FetchError::Unavailable(reason, Duration::ZERO)
        };
        let deadline = Instant::now() + self.oauth2.timeout;
        let url = &self.oauth2.token_url;
        self.connections.guard().check(url).map_err(|denied| refused(denied.to_string()))?;
        if self.connections.is_readable(url) {
            return Err(refused(
                "the client's secret would go over http, which the proxy can read".to_owned(),
            ));
        }
        let request = self.request().await.map_err(refused)?;
        let response = timeout_at(deadline, self.connections.send(url, request)).await.map_err(|_| late())?;
        let response = response.map_err(|error| {
            let failed = failed_request(&error);
            match failed.failure.code {
                Code::Tls | Code::AddressDenied => refused(failed.failure.detail),
                _ => {
                    let reason = self.reason(&self.mask.text(&failed.failure.detail));
                    FetchError::Unavailable(reason, Duration::ZERO)
                }
            }
        })?;
        let status = response.status();
        let wait = retry_after::read(response.headers(), crate::pace::Wall::start().now().millis);
        let body = timeout_at(deadline, prefix(response, MOST)).await.map_err(|_| late())?;
        if !status.is_success() {
            return Err(self.denied(status, &body, wait));
        }
        self.granted(&body).map_err(refused)
    }
}
