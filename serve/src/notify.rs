//! Tells somebody that a run has ended or failed, or that a task waits for an approval.
//!
//! A note is in the batch that makes its cause durable, and stays until it was taken: by a webhook with a status from 200
//! to 299, or by a command that exits with 0. It may come twice. The notes of one receiver come in order.

mod note;
mod receiver;

use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

pub(crate) use note::Note;
use receiver::Receiver;

use crate::Error;
use crate::catalog::Moment;
use crate::settings::{NotifySettings, Settings};
use crate::store::{Batch, KeyWriter, Space, Store, StoreError, json};

/// The first wait before a note is sent again. It doubles up to [`LONGEST`].
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(300);
/// A note that nobody has taken for this long is dropped: three days, in microseconds.
const OLDEST: i64 = 3 * 24 * 60 * 60 * 1_000_000;

/// The notes of a server. Clones share them.
#[derive(Clone)]
pub(crate) struct Notes(Arc<Shared>);

struct Shared {
    store: Store,
    receivers: Vec<Receiver>,
    /// The URL of the console, without a slash at its end.
    console: String,
    last: AtomicU64,
    added: Notify,
}

/// Checks the receivers.
///
/// # Errors
/// When one is wrong.
pub(crate) fn check(settings: &NotifySettings) -> Result<(), Error> {
    Receiver::of(settings).map(drop).map_err(Error::new)
}

impl Notes {
    /// The notes for the receivers of the settings.
    ///
    /// # Errors
    /// When a receiver is wrong.
    pub(crate) fn new(store: Store, settings: &Settings) -> Result<Self, Error> {
        let receivers = Receiver::of(&settings.notify).map_err(Error::new)?;
        let console = settings.notify.console.clone().unwrap_or_else(|| settings.console_url());
        let console = console.trim_end_matches('/').to_owned();
        let (last, added) = (AtomicU64::new(0), Notify::new());
        Ok(Self(Arc::new(Shared { store, receivers, console, last, added })))
    }

    /// Adds a note to a batch, for each receiver.
    pub(crate) fn put(&self, batch: &mut Batch, note: Option<Note>) {
        let Some(note) = note.filter(|_| !self.0.receivers.is_empty()) else { return };
        let note = note.to_json(&self.0.console);
        for receiver in &self.0.receivers {
            let now = u64::try_from(Moment::now().0).unwrap_or_default();
            let next = |last: u64| Some(now.max(last + 1));
            let last = self.0.last.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
            let number = now.max(last.unwrap_or_default() + 1);
            let key = KeyWriter::default().text(receiver.name()).number(number).done();
            batch.put_json(Space::Notes, key, &note);
        }
        self.0.added.notify_waiters();
    }

    /// Sends notes until the server stops.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let sending = self.0.receivers.iter().map(|receiver| self.send(receiver, &stop));
        futures_util::future::join_all(sending).await;
    }

    async fn send(&self, receiver: &Receiver, stop: &CancellationToken) {
        let mut wait = FIRST;
        while !stop.is_cancelled() {
            // What is added from here on wakes.
            let added = self.0.added.notified();
            let Ok(first) = self.first(receiver) else { return };
            let Some((key, note)) = first else {
                tokio::select! {
                    () = added => {}
                    // A note wakes when it is added to a batch, which may become durable later.
                    () = tokio::time::sleep(FIRST) => {}
                    () = stop.cancelled() => {}
                }
                continue;
            };
            let Err(why) = receiver.send(&note, stop).await else {
                wait = FIRST;
                if self.remove(key).await.is_err() {
                    return;
                }
                continue;
            };
            let too_old = note["at_micros"].as_i64().is_none_or(|at| Moment::now().0 - at > OLDEST);
            if too_old {
                let note = note["text"].as_str();
                tracing::error!(why, note, "a note is dropped, because nobody has taken it for three days");
                if self.remove(key).await.is_err() {
                    return;
                }
                continue;
            }
            tracing::warn!(receiver = receiver.name(), why, "a note was not taken");
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = stop.cancelled() => {}
            }
            wait = (wait * 2).min(LONGEST);
        }
    }

    fn first(&self, receiver: &Receiver) -> Result<Option<(Vec<u8>, Value)>, StoreError> {
        let prefix = KeyWriter::default().text(receiver.name()).done();
        let found = self.0.store.page(Space::Notes, &prefix, Bound::Included(prefix.clone()), 1)?;
        found.into_iter().next().map(|(key, value)| Ok((key, json(&value)?))).transpose()
    }

    async fn remove(&self, key: Vec<u8>) -> Result<(), StoreError> {
        let mut batch = Batch::default();
        batch.remove(Space::Notes, key);
        self.0.store.commit(batch).await
    }
}
