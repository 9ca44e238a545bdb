//! AWS Signature Version 4, and the credentials for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use aws_config::BehaviorVersion;
use aws_config::sts::AssumeRoleProvider;
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
    UriPathNormalizationMode, sign as signature,
};
use aws_sigv4::sign::v4;
use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use job::Code;
use job::file::template::Template;
use job::file::{AwsAuth, AwsCredentials};
use tokio::sync::OnceCell;

use super::renewal::{FetchError, Fetched, Source};
use crate::failure::Failure;
use crate::run::TokenSource;

/// Where the credentials of a job come from.
pub(super) struct Provider {
    auth: AwsAuth,
    tokens: Arc<dyn TokenSource>,
    /// The chain of the environment, profiles and the metadata service, made once.
    chain: OnceCell<SharedCredentialsProvider>,
    /// There were credentials once, so that a later failure may pass.
    has_found: AtomicBool,
}

impl Provider {
    pub(super) fn new(auth: &AwsAuth, tokens: &Arc<dyn TokenSource>) -> Self {
        Self {
            auth: auth.clone(),
            tokens: tokens.clone(),
            chain: OnceCell::new(),
            has_found: AtomicBool::new(false),
        }
    }

    async fn chain(&self, profile: Option<&str>, role: Option<&str>) -> SharedCredentialsProvider {
        let region = aws_config::Region::new(self.auth.region.clone());
        let mut loader = aws_config::defaults(BehaviorVersion::latest()).region(region);
        if let Some(profile) = profile {
            // A profile that is named comes before the environment.
            let credentials =
                aws_config::profile::ProfileFileCredentialsProvider::builder().profile_name(profile).build();
            loader = loader.profile_name(profile).credentials_provider(credentials);
        }
        let config = loader.load().await;
        match role {
            Some(role) => {
                let role = AssumeRoleProvider::builder(role).session_name("throughline").configure(&config);
                SharedCredentialsProvider::new(role.build().await)
            }
            None => config.credentials_provider().expect("the defaults have a chain of providers"),
        }
    }
}

#[async_trait]
impl Source<Credentials> for Provider {
    async fn fetch(&self) -> Result<Fetched<Credentials>, FetchError> {
        match &self.auth.credentials {
            AwsCredentials::Keys(keys) => {
                let refused = |why: String| FetchError::Refused(format!("no AWS credentials: {why}"));
                let secrets = self.tokens.secrets().await.map_err(|failure| refused(failure.detail))?;
                let value = |template: &Template| template.render_constant(&secrets).map_err(refused);
                let session = keys.session.as_ref().map(value).transpose()?;
                let value = Credentials::new(value(&keys.id)?, value(&keys.secret)?, session, None, "job");
                Ok(Fetched { value, lifetime: None })
            }
            AwsCredentials::Default { profile, role } => {
                let chain = self.chain.get_or_init(|| self.chain(profile.as_deref(), role.as_deref())).await;
                let value = chain.provide_credentials().await.map_err(|error| {
                    let reason = format!("no AWS credentials: {}", job::in_words(&error));
                    let is_transient = matches!(
                        error,
                        CredentialsError::ProviderTimedOut(_) | CredentialsError::ProviderError(_)
                    );
                    if is_transient && self.has_found.load(Ordering::Relaxed) {
                        FetchError::Unavailable(reason, Duration::ZERO)
                    } else {
                        FetchError::Refused(reason)
                    }
                })?;
                self.has_found.store(true, Ordering::Relaxed);
                let left = |at: SystemTime| at.duration_since(SystemTime::now()).unwrap_or_default();
                let lifetime = value.expiry().map(left);
                Ok(Fetched { value, lifetime })
            }
        }
    }
}

/// Signs the host, the path, the query, the body and the headers that describe the body.
pub(super) fn sign(
    auth: &AwsAuth,
    credentials: &Credentials,
    request: &mut Request<Full<Bytes>>,
    body: Option<&Bytes>,
) -> Result<(), Failure> {
    let unsigned = |why: String| Failure::new(Code::Header, format!("the request cannot be signed: {why}"));
    let mut settings = SigningSettings::default();
    if auth.service == "s3" {
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    }
    let identity = credentials.clone().into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(&auth.region)
        .name(&auth.service)
        .time(SystemTime::now())
        .settings(settings)
        .build()
        .map_err(|error| unsigned(error.to_string()))?
        .into();
    let uri = request.uri().to_string();
    // A proxy may change the others.
    let is_signed = |name: &str| name.starts_with("x-amz-") || name == "content-type";
    let headers = request.headers().iter().filter(|(name, _)| is_signed(name.as_str()));
    let headers = headers.filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
    let body = SignableBody::Bytes(body.map_or(&[], |body| body));
    let signable = SignableRequest::new(request.method().as_str(), uri.as_str(), headers, body)
        .map_err(|error| unsigned(error.to_string()))?;
    let (instructions, _) =
        signature(signable, &params).map_err(|error| unsigned(error.to_string()))?.into_parts();
    instructions.apply_to_request_http1x(request);
    Ok(())
}
