//! Credentials that a run gets itself and renews: OAuth2 tokens, and those that sign requests for AWS.
//!
//! A request takes its turn only while there is a credential, so that a slow server of tokens delays requests
//! and never makes a burst of them. It gets the credential when it is sent.

mod aws;
mod oauth2;
mod renewal;

use std::sync::Arc;

use aws_credential_types::Credentials;
use bytes::Bytes;
use http::header::{AUTHORIZATION, HeaderValue};
use http::{Request, StatusCode};
use http_body_util::Full;
use job::file::{Auth, AwsAuth};
use job::{Job, StepError};
use tokio::time::Instant;

use self::oauth2::TokenServer;
pub(crate) use self::renewal::Ready;
use self::renewal::Renewal;
use crate::failure::Failure;
use crate::run::{Connections, Mask, TokenSource};

/// Says who sends a request, where the request itself does not.
pub(crate) enum Signer {
    /// The request is complete as it was rendered.
    None,
    OAuth2(Renewal<HeaderValue>),
    Aws(AwsAuth, Renewal<Credentials>),
}

/// The credential that a request was sent with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Used(u64);

impl Signer {
    /// Gets the first credential.
    ///
    /// # Errors
    /// `Job.Invalid` if it is refused. A server that cannot be reached is asked again later.
    pub(crate) async fn new(
        job: &Job,
        connections: &Arc<Connections>,
        tokens: &Arc<dyn TokenSource>,
        mask: &Arc<Mask>,
    ) -> Result<Self, StepError> {
        let patience = job.retry.max_wait;
        match &job.auth {
            Some(Auth::OAuth2(oauth2)) => {
                let server = TokenServer::new(oauth2, connections, tokens, mask);
                Ok(Self::OAuth2(Renewal::new(Box::new(server), patience).await?))
            }
            Some(Auth::Aws(auth)) => {
                let provider = aws::Provider::new(auth, tokens);
                Ok(Self::Aws((**auth).clone(), Renewal::new(Box::new(provider), patience).await?))
            }
            _ => Ok(Self::None),
        }
    }

    /// Whether a request may be sent now. Renews the credential if it will expire soon.
    pub(crate) fn ready(&self, now: Instant) -> Ready {
        match self {
            Self::None => Ready::Now,
            Self::OAuth2(renewal) => renewal.ready(now),
            Self::Aws(_, renewal) => renewal.ready(now),
        }
    }

    /// Adds the credential to a request.
    ///
    /// # Errors
    /// When the request cannot be signed.
    pub(crate) fn sign(
        &self,
        request: &mut Request<Full<Bytes>>,
        body: Option<&Bytes>,
    ) -> Result<Option<Used>, Failure> {
        match self {
            Self::None => Ok(None),
            Self::OAuth2(renewal) => {
                let Some((token, generation)) = renewal.current() else { return Ok(None) };
                request.headers_mut().insert(AUTHORIZATION, (*token).clone());
                Ok(Some(Used(generation)))
            }
            Self::Aws(auth, renewal) => {
                if let Some((credentials, _)) = renewal.current() {
                    aws::sign(auth, &credentials, request, body)?;
                }
                Ok(None)
            }
        }
    }

    /// Whether a request is sent once more because its token was refused and another one may not be.
    /// `again`: it has been sent once more already.
    pub(crate) fn renews(&self, status: StatusCode, used: Option<Used>, again: bool) -> bool {
        let (Self::OAuth2(renewal), Some(Used(generation))) = (self, used) else { return false };
        if status != StatusCode::UNAUTHORIZED {
            renewal.accepted(generation);
            return false;
        }
        if again {
            // A new token was refused too: the token is not the reason.
            renewal.keep(generation);
            return false;
        }
        renewal.discard(generation)
    }
}
