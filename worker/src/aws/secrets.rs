//! Secrets on AWS: SSM parameters below `/throughline/<job>/` and Secrets Manager's below
//! `throughline/<job>/`.

use std::fmt;

use async_trait::async_trait;
use aws_sdk_ssm::error::{ProvideErrorMetadata, SdkError};
use job::file::secrets::{Secret, SecretRef};

use crate::context::{SecretSource, Unresolved};

/// Reads a job's own secrets and no others, so that the author of one job cannot read the secrets of another.
#[derive(Debug, Clone)]
pub struct AwsSecrets {
    parameters: aws_sdk_ssm::Client,
    secrets: aws_sdk_secretsmanager::Client,
}

/// The place of a job's secret.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    Parameter(String),
    Secret(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Parameter(path) => write!(f, "SSM parameter {path}"),
            Self::Secret(id) => write!(f, "secret {id} in Secrets Manager"),
        }
    }
}

impl Place {
    fn how_to_create(&self) -> String {
        match self {
            Self::Parameter(path) => {
                format!("To create it: aws ssm put-parameter --type SecureString --name {path} --value VALUE")
            }
            Self::Secret(id) => {
                format!("To create it: aws secretsmanager create-secret --name {id} --secret-string VALUE")
            }
        }
    }
}

impl AwsSecrets {
    /// Uses the credentials, the Region and the endpoint of the environment.
    pub fn new(aws: &lambda::SdkConfig) -> Self {
        Self { parameters: aws_sdk_ssm::Client::new(aws), secrets: aws_sdk_secretsmanager::Client::new(aws) }
    }
}

#[async_trait]
impl SecretSource for AwsSecrets {
    async fn resolve(&self, job: &str, name: &str, reference: &SecretRef) -> Result<Secret, Unresolved> {
        let place = place(job, name, reference)?;
        let value = match &place {
            Place::Parameter(path) => {
                let found = self.parameters.get_parameter().name(path).with_decryption(true).send().await;
                let found = found.map_err(|error| unread(name, &place, &error))?;
                found.parameter.and_then(|parameter| parameter.value)
            }
            Place::Secret(id) => {
                let found = self.secrets.get_secret_value().secret_id(id).send().await;
                found.map_err(|error| unread(name, &place, &error))?.secret_string
            }
        };
        let value = value.ok_or_else(|| format!("the secret {name} at {reference} is not text"))?;
        Secret::read(&value)
            .map_err(|reason| format!("the secret {name} at {reference} cannot be used: {reason}").into())
    }
}

/// References mean the same as on one machine, but `env:NAME` is the job's parameter NAME: a function's
/// environment is not the job's.
fn place(job: &str, name: &str, reference: &SecretRef) -> Result<Place, String> {
    let (parameters, secrets) = (format!("/throughline/{job}/"), format!("throughline/{job}/"));
    let below = |path: &str, folder: &str| {
        path.strip_prefix(folder)
            .is_some_and(|rest| !rest.is_empty() && !rest.split('/').any(|part| part == ".."))
    };
    match reference {
        SecretRef::Env(variable) => Ok(Place::Parameter(format!("{parameters}{variable}"))),
        SecretRef::Ssm(path) if below(path, &parameters) => Ok(Place::Parameter(path.clone())),
        SecretRef::SecretsManager(id) if below(id, &secrets) => Ok(Place::Secret(id.clone())),
        SecretRef::Ssm(_) => Err(format!(
            "the secret {name} at {reference} is not this job's: its parameters are below {parameters}"
        )),
        SecretRef::SecretsManager(_) => Err(format!(
            "the secret {name} at {reference} is not this job's: its secrets are below {secrets}"
        )),
        SecretRef::File(_) => Err(format!(
            "the secret {name} at {reference} cannot be read on AWS: put it into the SSM parameter {parameters}{name}"
        )),
    }
}

fn unread<E, R>(name: &str, place: &Place, error: &SdkError<E, R>) -> Unresolved
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug + 'static,
{
    let final_codes = [
        "ParameterNotFound",
        "ResourceNotFoundException",
        "AccessDeniedException",
        "DecryptionFailure",
        "InvalidKeyId",
    ];
    let transient = !error.code().is_some_and(|code| final_codes.contains(&code));
    let reason = match error.code() {
        Some("ParameterNotFound" | "ResourceNotFoundException") => {
            format!("the secret {name} does not exist: there is no {place}. {}", place.how_to_create())
        }
        Some(code) => format!("the secret {name} cannot be read from the {place}: {code}"),
        None => format!("the secret {name} cannot be read from the {place}: {}", job::in_words(error)),
    };
    Unresolved { reason, transient }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Place, String> {
        place("places", "KEY", &SecretRef::parse(text).expect("a reference"))
    }

    #[test]
    fn a_missing_secret_is_said_once_with_the_command_that_creates_it() {
        let missing = aws_sdk_ssm::error::ErrorMetadata::builder().code("ParameterNotFound").build();
        let missing: SdkError<_, ()> = SdkError::service_error(
            aws_sdk_ssm::operation::get_parameter::GetParameterError::generic(missing),
            (),
        );
        let Unresolved { reason, transient } = unread("KEY", &of("env:KEY").expect("a place"), &missing);
        assert!(!transient);
        assert_eq!(
            reason,
            "the secret KEY does not exist: there is no SSM parameter /throughline/places/KEY. To create it: aws ssm put-parameter --type SecureString --name /throughline/places/KEY --value VALUE"
        );
    }

    #[test]
    fn a_job_may_read_its_own_secrets() {
        assert_eq!(of("env:KEY"), Ok(Place::Parameter("/throughline/places/KEY".into())));
        assert_eq!(of("ssm:/throughline/places/a/b"), Ok(Place::Parameter("/throughline/places/a/b".into())));
        assert_eq!(
            of("secretsmanager:throughline/places/KEY"),
            Ok(Place::Secret("throughline/places/KEY".into()))
        );
    }

    #[test]
    fn a_job_may_not_read_other_secrets() {
        let others = [
            "ssm:/throughline/placesx/KEY",
            "ssm:/throughline/places/",
            "ssm:/throughline/places/../other/KEY",
            "ssm:throughline/places/KEY",
            "ssm:/other/KEY",
            "secretsmanager:throughline/other/KEY",
            "secretsmanager:/throughline/places/KEY",
            "secretsmanager:arn:aws:secretsmanager:eu-west-1:1:secret:throughline/places/KEY",
            "file:/etc/passwd",
        ];
        for other in others {
            assert!(of(other).is_err(), "{other}");
        }
    }
}
