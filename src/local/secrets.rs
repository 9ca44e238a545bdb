//! Secrets of a run on this machine: environment variables and files.

use async_trait::async_trait;
use job::Job;
use job::file::secrets::{Secret, SecretRef};
use worker::{SecretSource, Unresolved};

use crate::exit::CliError;

/// Reads `env:` and `file:` references.
#[derive(Debug, Clone, Copy)]
pub struct LocalSecrets;

impl LocalSecrets {
    /// Checks before any request that every secret of a job is set.
    ///
    /// # Errors
    /// The first secret that is not set, with its place in the job file.
    pub async fn check(job_name: &str, job: &Job) -> Result<(), CliError> {
        if job.carries_secret() {
            no_core_dumps();
        }
        for (name, reference) in &job.secrets {
            let problem = match Self.resolve(job_name, name, reference).await {
                Ok(secret) => job.check_secret(name, &secret).err(),
                Err(error) => Some(error.reason),
            };
            if let Some(reason) = problem {
                return Err(job.error_at_secret(name, reason).into());
            }
        }
        for (key, reference) in job.tls.references() {
            let problem = match Self.resolve(job_name, key, reference).await {
                Ok(pem) => worker::check_pem(key, &pem).err(),
                Err(error) => Some(error.reason),
            };
            if let Some(reason) = problem {
                return Err(job.error_at(&["tls", key], reason).into());
            }
        }
        Ok(())
    }
}

/// Turns core dumps off, because they would contain the secrets. On Linux this also keeps other processes of
/// the user from reading the memory of this one.
pub(super) fn no_core_dumps() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    if let Err(error) = setrlimit(Resource::Core, none) {
        tracing::warn!(%error, "core dumps cannot be turned off");
    }
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)
    {
        tracing::warn!(%error, "core dumps cannot be turned off");
    }
}

#[async_trait]
impl SecretSource for LocalSecrets {
    async fn resolve(&self, _job: &str, name: &str, reference: &SecretRef) -> Result<Secret, Unresolved> {
        let found = match reference {
            SecretRef::Env(variable) => match std::env::var(variable) {
                Ok(value) if !value.is_empty() => Secret::read(&value).map_err(|reason| {
                    format!(
                        "the secret {name} in the environment variable {variable} cannot be used: {reason}"
                    )
                }),
                Err(std::env::VarError::NotUnicode(_)) => Err(format!(
                    "the secret {name} in the environment variable {variable} cannot be used: it is not UTF-8"
                )),
                _ => Err(format!(
                    "the secret {name} is not set: set the environment variable {variable}, or name another source in [secrets]"
                )),
            },
            SecretRef::File(path) => match std::fs::read_to_string(path) {
                Ok(text) => Secret::read(&text).map_err(|reason| {
                    format!("the secret {name} in {} cannot be used: {reason}", path.display())
                }),
                Err(error) => {
                    Err(format!("the secret {name} cannot be read from {}: {error}", path.display()))
                }
            },
            SecretRef::Ssm(_) | SecretRef::SecretsManager(_) => Err(format!(
                "the secret {name} is at {reference}, which only a run on AWS can read: on this machine use env:NAME or file:PATH"
            )),
        };
        found.map_err(Unresolved::from)
    }
}
