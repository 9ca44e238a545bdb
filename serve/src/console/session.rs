//! Who is signed in: sessions, which are durable, so that a restart signs nobody out.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use super::link;
use crate::catalog::Moment;
use crate::keys::{Key, Keys, Role, random_hex};
use crate::store::{Batch, KeyReader, KeyWriter, Space, Store, StoreError, json};

/// How long a session lasts without a request: 12 hours, in microseconds.
const IDLE: i64 = 12 * 60 * 60 * 1_000_000;
/// How much later than stored a session may have been used: 10 minutes, in microseconds.
const STALE: i64 = 10 * 60 * 1_000_000;
/// The most sessions. The one that was used the longest ago ends for a new one.
const MOST: usize = 10_000;

/// Who sends a request.
#[derive(Debug, Clone)]
pub(crate) struct Who {
    pub(crate) key: Key,
    /// The id of the session; None for a request that carries the key itself.
    pub(super) session: Option<SessionId>,
}

/// The hash of the secret that is in the cookie.
type SessionId = [u8; 32];

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Session {
    key: String,
    /// The hash of the key's secret: a new secret ends the sessions of the old one.
    secret: [u8; 32],
    used: Moment,
}

pub(crate) struct Sessions {
    store: Store,
    keys: Keys,
    known: Mutex<HashMap<SessionId, Session>>,
    /// The links that were used since the start. Those before are in the store.
    links: Mutex<HashSet<Vec<u8>>>,
}

impl Sessions {
    pub(super) fn open(store: Store, keys: Keys) -> Result<Self, StoreError> {
        let mut known = HashMap::new();
        store.for_each(Space::Sessions, b"s", |key, value| {
            if let Ok(id) = key[1..].try_into() {
                known.insert(id, json(value)?);
            }
            Ok(())
        })?;
        Ok(Self { store, keys, known: Mutex::new(known), links: Mutex::default() })
    }

    pub(crate) fn keys(&self) -> &Keys {
        &self.keys
    }

    /// The key of a pair of id and secret.
    pub(super) fn with_key(&self, id: &str, secret: &str) -> Option<&Key> {
        self.keys.with_secret(id, secret).filter(|key| key.role.may(Role::Viewer))
    }

    /// Uses a link. Returns the key that it signs in with, unless it is invalid or has been used.
    pub(super) async fn with_link(&self, token: &str) -> Result<Option<&Key>, StoreError> {
        let Some((expires, content)) = link::content(&self.keys, token) else { return Ok(None) };
        let used = KeyWriter::default().byte(b'l').bytes(&content).done();
        let is_first = self.links.lock().unwrap_or_else(PoisonError::into_inner).insert(used.clone());
        if !is_first || self.store.get(Space::Sessions, &used)?.is_some() {
            return Ok(None);
        }
        let mut batch = Batch::default();
        self.remove_old_links(&mut batch)?;
        batch.put_json(Space::Sessions, used, &expires);
        self.store.commit(batch).await?;
        Ok(Some(self.keys.admin()))
    }

    fn remove_old_links(&self, batch: &mut Batch) -> Result<(), StoreError> {
        let now = Moment::now();
        self.store.for_each(Space::Sessions, b"l", |key, _| {
            let expires = KeyReader(&key[1..]).number().and_then(|time| i64::try_from(time).ok());
            if expires.is_none_or(|expires| expires < now.0) {
                batch.remove(Space::Sessions, key);
            }
            Ok(())
        })
    }

    /// Begins a session. Returns the secret for the cookie.
    pub(super) async fn begin(&self, key: &Key) -> Result<String, StoreError> {
        let secret = random_hex::<32>();
        let (id, now) = (id_of(&secret), Moment::now());
        let session = Session { key: key.id.clone(), secret: id_of(&key.secret), used: now };
        let mut batch = Batch::default();
        batch.put_json(Space::Sessions, stored(&id), &session);
        {
            let mut known = self.lock();
            let mut over: Vec<SessionId> =
                known.iter().filter(|(_, it)| now.0 - it.used.0 > IDLE).map(|(id, _)| *id).collect();
            if known.len() - over.len() >= MOST {
                over.extend(known.iter().min_by_key(|(_, it)| it.used).map(|(id, _)| *id));
            }
            for id in over {
                known.remove(&id);
                batch.remove(Space::Sessions, stored(&id));
            }
            known.insert(id, session);
        }
        self.store.commit(batch).await?;
        Ok(secret)
    }

    pub(super) async fn end(&self, id: SessionId) -> Result<(), StoreError> {
        self.lock().remove(&id);
        let mut batch = Batch::default();
        batch.remove(Space::Sessions, stored(&id));
        self.store.commit(batch).await
    }

    /// Who has the secret of a session in a cookie.
    pub(super) fn find(&self, secret: &str) -> Option<Who> {
        let (id, now) = (id_of(secret), Moment::now());
        let mut known = self.lock();
        let session = known.get_mut(&id).filter(|session| now.0 - session.used.0 <= IDLE)?;
        let key = self.keys.find(&session.key).filter(|key| key.role.may(Role::Viewer))?;
        let key = (id_of(&key.secret) == session.secret).then(|| key.clone())?;
        if now.0 - session.used.0 > STALE {
            session.used = now;
            let mut batch = Batch::default();
            batch.put_json(Space::Sessions, stored(&id), session);
            // A use that is lost in a crash only ends the session earlier.
            drop(self.store.submit(batch));
        }
        Some(Who { key, session: Some(id) })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, Session>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn id_of(secret: &str) -> SessionId {
    *blake3::hash(secret.as_bytes()).as_bytes()
}

fn stored(id: &SessionId) -> Vec<u8> {
    KeyWriter::default().byte(b's').bytes(id).done()
}
