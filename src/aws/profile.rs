//! The profile of the AWS configuration that the user has named.

use aws_config::profile::{self, ProfileFileCredentialsProvider};
use aws_config::provider_config::ProviderConfig;
use aws_types::os_shim_internal::{Env, Fs};

use crate::exit::CliError;

/// Checks that the profile exists that `--profile` or AWS_PROFILE names. The SDK ignores a name that does not
/// exist if the environment has keys.
///
/// # Errors
/// When there is no such profile, or the configuration cannot be read.
pub(super) async fn check(named: Option<&str>) -> Result<(), CliError> {
    let variable = std::env::var("AWS_PROFILE").ok().filter(|name| !name.is_empty());
    let (name, origin) = match (named, &variable) {
        (Some(name), _) => (name, "--profile"),
        (None, Some(name)) => (name.as_str(), "AWS_PROFILE"),
        (None, None) => return Ok(()),
    };
    let known = profile::load(&Fs::real(), &Env::real(), &Default::default(), None).await;
    let known = known.map_err(|error| {
        CliError::new(format!("cannot read the AWS configuration: {}", job::in_words(&error)))
    })?;
    if known.get_profile(name).is_some() {
        return Ok(());
    }
    let mut names: Vec<&str> = known.profiles().collect();
    names.sort_unstable();
    let names =
        if names.is_empty() { "it has none".to_owned() } else { format!("it has {}", names.join(", ")) };
    Err(CliError::new(format!("the AWS configuration has no profile {name:?} ({origin}): {names}")))
}

/// The credentials of a profile that the command line names. They win over keys in the environment, as with
/// the AWS command line.
pub(super) async fn credentials(name: &str) -> ProfileFileCredentialsProvider {
    let config = ProviderConfig::with_default_region().await;
    ProfileFileCredentialsProvider::builder().configure(&config).profile_name(name).build()
}
