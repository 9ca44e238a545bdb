//! Who is told: a webhook, or a command of this machine.

use std::sync::Arc;
use std::time::Duration;

use engine::TaskError;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::commands::CommandFunction;
use crate::settings::{Command, NotifySettings};

/// How long a receiver may take for a note.
const TIMEOUT: Duration = Duration::from_secs(30);

pub(super) enum Receiver {
    Webhook(reqwest::Client, reqwest::Url),
    Command(Arc<CommandFunction>),
}

impl Receiver {
    /// Those of the settings.
    pub(super) fn of(settings: &NotifySettings) -> Result<Vec<Self>, String> {
        let mut receivers = Vec::new();
        if let Some(url) = &settings.url {
            let url = reqwest::Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
            let url = url.ok_or("[notify] url must be a URL that begins with http:// or https://")?;
            let client =
                reqwest::Client::builder().timeout(TIMEOUT).redirect(reqwest::redirect::Policy::none());
            let client = client.build().map_err(|error| format!("[notify] url: {error}"))?;
            receivers.push(Self::Webhook(client, url));
        }
        if let Some(command) = &settings.command {
            if command.is_empty() {
                return Err("[notify] command needs a program: command = [\"PROGRAM\", …]".to_owned());
            }
            let command = Command { command: command.clone(), timeout: TIMEOUT, at_a_time: 1 };
            receivers.push(Self::Command(CommandFunction::new(command)));
        }
        Ok(receivers)
    }

    /// Its name in the keys of notes.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Webhook(..) => "url",
            Self::Command(_) => "command",
        }
    }

    /// Sends a note.
    ///
    /// # Errors
    /// Why it was not taken.
    pub(super) async fn send(&self, note: &Value, stop: &CancellationToken) -> Result<(), String> {
        match self {
            Self::Webhook(client, url) => {
                let sent = client
                    .post(url.clone())
                    .header("content-type", "application/json")
                    .body(note.to_string());
                // The URL of a webhook may carry a secret.
                let sent = tokio::select! {
                    sent = sent.send() => sent.map_err(|error| error.without_url().to_string())?,
                    () = stop.cancelled() => return Err("the server is stopping".to_owned()),
                };
                if sent.status().is_success() {
                    Ok(())
                } else {
                    Err(format!("the webhook responded {}", sent.status()))
                }
            }
            Self::Command(command) => command.tell(note, stop).await.map_err(|error| match error {
                TaskError::Error { error, cause } => format!("{error}: {cause}"),
                _ => "the server is stopping".to_owned(),
            }),
        }
    }
}
