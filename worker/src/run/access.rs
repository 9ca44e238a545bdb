//! What a job sends its requests with: secrets, connections, and credentials that are renewed.

use std::sync::Arc;
use std::time::Duration;

use job::file::Proxy;
use job::file::secrets::{Secret, SecretRef};
use job::{ErrorName, Job, StepError};
use net::guard::Guard;

use super::{Connections, Mask, StoredSecrets, TokenSource, unresolved};
use crate::auth::Signer;
use crate::client::{JobTls, Proxies, Route, certificates, private_key};
use crate::context::SecretSource;
use crate::sockets::Sockets;

/// What a job sends its requests with.
pub(crate) struct Access {
    pub(crate) tokens: Arc<dyn TokenSource>,
    pub(crate) connections: Arc<Connections>,
    pub(crate) signer: Arc<Signer>,
}

impl Access {
    /// Reads the secrets, at most once in the given time, and gets the first credential.
    ///
    /// # Errors
    /// `Job.Invalid` if a secret has no value or cannot be used, or a credential is refused.
    pub(crate) async fn open(
        job: &Job,
        name: &str,
        (source, read_every): (Arc<dyn SecretSource>, Duration),
        mask: &Arc<Mask>,
        guard: &Guard,
        sockets: &Arc<Sockets>,
    ) -> Result<Self, StepError> {
        let tls = job_tls(source.as_ref(), name, job).await?;
        let tokens = StoredSecrets::read(source, name, job, mask.clone(), read_every).await?;
        let tokens: Arc<dyn TokenSource> = Arc::new(tokens);
        let route = route(job, &tokens, mask).await?;
        let connections = Arc::new(Connections::new(job, guard, (tls, route), sockets)?);
        let signer = Arc::new(Signer::new(job, &connections, &tokens, mask).await?);
        Ok(Self { tokens, connections, signer })
    }
}

/// The proxies of the job. Their passwords are masked.
async fn route(job: &Job, tokens: &Arc<dyn TokenSource>, mask: &Mask) -> Result<Option<Route>, StepError> {
    let invalid = |reason: String| StepError::new(ErrorName::JobInvalid, reason);
    let proxies = match &job.request.proxy {
        None => return Ok(None),
        Some(Proxy::Environment) => Proxies::of_environment(),
        Some(Proxy::Url(template)) => {
            let secrets = tokens.secrets().await.map_err(|failure| invalid(failure.detail))?;
            Proxies::all(&template.render_constant(&secrets).map_err(invalid)?)
        }
    };
    mask.learn(proxies.passwords().into_iter().map(Secret::new).collect::<Vec<_>>().iter());
    Ok(Some(Route { proxies, resolves: job.request.proxy_resolves }))
}

/// The certificates that `[tls]` refers to.
async fn job_tls(source: &dyn SecretSource, name: &str, job: &Job) -> Result<JobTls, StepError> {
    let read = async |key: &'static str, reference: &SecretRef| {
        source.resolve(name, key, reference).await.map_err(unresolved)
    };
    let unusable = |key: &str, reason: String| {
        StepError::new(ErrorName::JobInvalid, format!("[tls] {key} cannot be used: {reason}"))
    };
    let mut tls = JobTls { http1: job.request.wire.http1, ..JobTls::default() };
    if let Some([certificate, key]) = &job.tls.client {
        let chain = certificates(&read("certificate", certificate).await?);
        let key = private_key(&read("key", key).await?);
        tls.client = Some((
            chain.map_err(|reason| unusable("certificate", reason))?,
            key.map_err(|reason| unusable("key", reason))?,
        ));
    }
    if let Some(ca) = &job.tls.ca {
        tls.roots = certificates(&read("ca", ca).await?).map_err(|reason| unusable("ca", reason))?;
    }
    Ok(tls)
}
