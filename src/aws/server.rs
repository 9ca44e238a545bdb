//! A server as a stack: its runs are started, shown, stopped and redriven over its AWS APIs.

use std::path::Path;

use aws_config::{BehaviorVersion, Region};
use aws_sdk_s3::config::Credentials;
use serve::Keys;

use super::AwsStack;
use crate::args::{Account, OnServer, Stack};
use crate::exit::CliError;
use crate::local::ServerAddress;

/// The variable with the access key of a server, ID:SECRET.
const KEY: &str = "THROUGHLINE_KEY";
/// The Region of a server whose settings name none.
const REGION: &str = "us-east-1";

impl OnServer {
    /// The server that a command talks to: the one that it names, or the one that uses its state folder.
    ///
    /// # Errors
    /// When the state folder cannot be read.
    pub fn find(&self, state: &Path, account: &Account) -> Result<Option<Stack>, CliError> {
        let (url, region) = match (&self.server, ServerAddress::of_folder(state)?) {
            (Some(url), _) => (url.clone(), account.region.clone()),
            (None, Some(ServerAddress { url, region })) => (url, Some(region)),
            (None, None) => return Ok(None),
        };
        let account = Account { region, profile: None, endpoint_url: None };
        Ok(Some(Stack { bucket: None, account, server: Self { server: Some(url), state: state.to_owned() } }))
    }
}

pub(super) async fn connect(url: &str, args: &Stack) -> Result<AwsStack, CliError> {
    if !url.starts_with("http://") && !url.starts_with("https://") {
        return Err(CliError::new(format!(
            "the URL {url:?} of a server must begin with http:// or https://, such as http://127.0.0.1:4650"
        )));
    }
    let (id, secret) = key(&args.server.state)?;
    let region = args.account.region.clone().unwrap_or_else(|| REGION.to_owned());
    let aws = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .region(Region::new(region))
        .endpoint_url(url)
        .credentials_provider(Credentials::new(id, secret, None, None, "the key of a server"))
        .load()
        .await;
    Ok(AwsStack::of_config(&aws, s3::BUCKET.to_owned(), args))
}

/// The id and the secret of the key.
fn key(state: &Path) -> Result<(String, String), CliError> {
    match std::env::var(KEY) {
        Ok(key) => match key.split_once(':') {
            Some((id, secret)) if !id.is_empty() && !secret.is_empty() => {
                Ok((id.to_owned(), secret.to_owned()))
            }
            _ => Err(CliError::new(format!("{KEY} must be the id and the secret of a key, ID:SECRET"))),
        },
        Err(_) => {
            let keys = Keys::read(state).map_err(|error| {
                CliError::new(format!("{error}; for a server elsewhere set {KEY}=ID:SECRET"))
            })?;
            Ok((keys.admin().id.clone(), keys.admin().secret.clone()))
        }
    }
}
