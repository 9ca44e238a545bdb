//! What a server knows apart from its executions: machines with their revisions, versions, aliases and tags, and
//! activities. It is held in memory, except for the definitions, and every change is durable before it is
//! seen.

mod records;

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::Mutex;

pub(crate) use records::{Activity, Alias, Machine, Moment, Revision, Route, Tags, Version};

use crate::api::ApiError;
use crate::store::{Batch, Space, Store, StoreError, json};

const MACHINE: &str = "machine/";
const ACTIVITY: &str = "activity/";
const REVISION: &str = "revision/";
const SECRET: &[u8] = b"secret";

pub(crate) struct Catalog {
    store: Store,
    known: RwLock<Known>,
    /// Held while a change is decided and written: changes are made one after another.
    changing: Mutex<()>,
    secret: [u8; 32],
}

#[derive(Default)]
struct Known {
    machines: BTreeMap<String, Arc<Machine>>,
    activities: BTreeMap<String, Arc<Activity>>,
}

/// A change of a machine: its new state (None removes it), a new revision, and the result of the operation.
pub(crate) struct Changed<T> {
    pub(crate) machine: Option<Machine>,
    pub(crate) revision: Option<Revision>,
    pub(crate) result: T,
}

impl Catalog {
    pub(crate) async fn open(store: Store) -> Result<Self, StoreError> {
        let mut known = Known::default();
        store.for_each(Space::Catalog, MACHINE.as_bytes(), |_, value| {
            let machine: Machine = json(value)?;
            known.machines.insert(machine.name.clone(), Arc::new(machine));
            Ok(())
        })?;
        store.for_each(Space::Catalog, ACTIVITY.as_bytes(), |_, value| {
            let activity: Activity = json(value)?;
            known.activities.insert(activity.name.clone(), Arc::new(activity));
            Ok(())
        })?;
        let secret = match store.get(Space::Catalog, SECRET)? {
            Some(secret) => secret
                .try_into()
                .map_err(|_| StoreError::Broken("the secret of the server has another length".into()))?,
            None => {
                let secret: [u8; 32] = rand::random();
                let mut batch = Batch::default();
                batch.put(Space::Catalog, SECRET, secret);
                store.commit(batch).await?;
                secret
            }
        };
        Ok(Self { store, known: RwLock::new(known), changing: Mutex::new(()), secret })
    }

    /// A random number that only this server knows, and that stays the same.
    pub(crate) fn secret(&self) -> &[u8; 32] {
        &self.secret
    }

    pub(crate) fn machine(&self, name: &str) -> Option<Arc<Machine>> {
        self.read(|known| known.machines.get(name).cloned())
    }

    /// The machines after a name, in the order of their names, at most `limit`.
    pub(crate) fn machines_after(&self, name: &str, limit: usize) -> Vec<Arc<Machine>> {
        self.read(|known| after(&known.machines, name, limit))
    }

    pub(crate) fn activity(&self, name: &str) -> Option<Arc<Activity>> {
        self.read(|known| known.activities.get(name).cloned())
    }

    /// The activities after a name, in the order of their names, at most `limit`.
    pub(crate) fn activities_after(&self, name: &str, limit: usize) -> Vec<Arc<Activity>> {
        self.read(|known| after(&known.activities, name, limit))
    }

    pub(crate) fn revision(&self, id: &str) -> Result<Revision, StoreError> {
        let found = self.store.get_json(Space::Catalog, revision_key(id).as_bytes())?;
        found.ok_or_else(|| StoreError::Broken(format!("the revision {id} is missing")))
    }

    /// Decides a change of a machine, makes it durable, and then visible.
    pub(crate) async fn change_machine<T>(
        &self,
        name: &str,
        decide: impl FnOnce(Option<&Machine>) -> Result<Changed<T>, ApiError>,
    ) -> Result<T, ApiError> {
        let _changing = self.changing.lock().await;
        let before = self.machine(name);
        let Changed { machine, revision, result } = decide(before.as_deref())?;
        if before.as_deref() == machine.as_ref() {
            return Ok(result);
        }
        let (key, mut batch) = (format!("{MACHINE}{name}"), Batch::default());
        match &machine {
            Some(machine) => batch.put_json(Space::Catalog, key, machine),
            None => batch.remove(Space::Catalog, key),
        }
        if let Some(revision) = &revision {
            batch.put_json(Space::Catalog, revision_key(&revision.id), revision);
        }
        self.store.commit(batch).await?;
        self.write(|known| match machine {
            Some(machine) => _ = known.machines.insert(name.to_owned(), Arc::new(machine)),
            None => _ = known.machines.remove(name),
        });
        Ok(result)
    }

    /// As [`Catalog::change_machine`], for an activity.
    pub(crate) async fn change_activity<T>(
        &self,
        name: &str,
        decide: impl FnOnce(Option<&Activity>) -> Result<(Option<Activity>, T), ApiError>,
    ) -> Result<T, ApiError> {
        let _changing = self.changing.lock().await;
        let before = self.activity(name);
        let (activity, result) = decide(before.as_deref())?;
        if before.as_deref() == activity.as_ref() {
            return Ok(result);
        }
        let (key, mut batch) = (format!("{ACTIVITY}{name}"), Batch::default());
        match &activity {
            Some(activity) => batch.put_json(Space::Catalog, key, activity),
            None => batch.remove(Space::Catalog, key),
        }
        self.store.commit(batch).await?;
        self.write(|known| match activity {
            Some(activity) => _ = known.activities.insert(name.to_owned(), Arc::new(activity)),
            None => _ = known.activities.remove(name),
        });
        Ok(result)
    }

    fn read<T>(&self, look: impl FnOnce(&Known) -> T) -> T {
        look(&self.known.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write(&self, change: impl FnOnce(&mut Known)) {
        change(&mut self.known.write().unwrap_or_else(PoisonError::into_inner));
    }
}

fn revision_key(id: &str) -> String {
    format!("{REVISION}{id}")
}

fn after<T>(all: &BTreeMap<String, Arc<T>>, name: &str, limit: usize) -> Vec<Arc<T>> {
    use std::ops::Bound::{Excluded, Unbounded};
    all.range::<str, _>((Excluded(name), Unbounded)).take(limit).map(|(_, found)| found.clone()).collect()
}
