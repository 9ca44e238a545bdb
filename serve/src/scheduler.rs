//! EventBridge Scheduler's API (Amazon EventBridge Scheduler API Reference): schedules and their groups. `schedules` starts
//! what is due of them.

mod groups;
mod record;
mod wire;

use std::ops::Bound;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::{Mutex, Notify};

use crate::api::ApiError;
use crate::arn::Place;
use crate::catalog::Moment;
use crate::store::{Batch, Space, Store, StoreError, json as read_json};
use groups::DEFAULT;
use record::Members;
pub(crate) use record::Record;
pub(crate) use wire::respond;

/// The keys of schedules in the catalog begin with this: `schedule/GROUP/NAME`.
pub(crate) const SCHEDULES: &str = "schedule/";
/// The most entries of a page.
const PAGE: usize = 100;

/// The schedules that are made by the API. Clones share them.
#[derive(Clone)]
pub(crate) struct Scheduler(Arc<Shared>);

struct Shared {
    store: Store,
    place: Place,
    /// Held while a change is decided and written.
    changing: Mutex<()>,
    changed: Notify,
}

impl Scheduler {
    pub(crate) fn new(store: Store, place: Place) -> Self {
        Self(Arc::new(Shared { store, place, changing: Mutex::default(), changed: Notify::new() }))
    }

    /// Waits until a schedule is made, changed or deleted.
    pub(crate) async fn changed(&self) {
        self.0.changed.notified().await;
    }

    /// All schedules.
    pub(crate) fn all(&self) -> Result<Vec<Record>, StoreError> {
        let mut all = Vec::new();
        self.0.store.for_each(Space::Catalog, SCHEDULES.as_bytes(), |_, value| {
            all.push(read_json(value)?);
            Ok(())
        })?;
        Ok(all)
    }

    fn find(&self, group: &str, name: &str) -> Result<Record, ApiError> {
        let found = self.0.store.get_json(Space::Catalog, key(group, name).as_bytes())?;
        found.ok_or_else(|| missing(format!("Schedule {name} does not exist.")))
    }

    async fn create(&self, name: &str, mut members: Members) -> Result<Value, ApiError> {
        let token = members.client_token.take();
        let group = members.group_name.take().unwrap_or_else(|| DEFAULT.to_owned());
        let members = members.checked(name, &group, &self.0.place)?;
        let _changing = self.0.changing.lock().await;
        self.group(&group)?;
        let now = Moment::now();
        let record = Record { name: name.to_owned(), group, members, created: now, modified: now, token };
        match self.find(&record.group, name) {
            Ok(found) if found.token.is_some() && found.token == record.token => {
                if found.members != record.members {
                    return Err(conflict(format!("Schedule {name} already exists.")));
                }
            }
            Ok(_) => return Err(conflict(format!("Schedule {name} already exists."))),
            Err(_) => self.write(&record).await?,
        }
        Ok(json!({ "ScheduleArn": record.arn(&self.0.place) }))
    }

    /// Replaces a schedule as a whole; what is not given has its default.
    async fn update(&self, name: &str, mut members: Members) -> Result<Value, ApiError> {
        let token = members.client_token.take();
        let group = members.group_name.take().unwrap_or_else(|| DEFAULT.to_owned());
        let members = members.checked(name, &group, &self.0.place)?;
        let _changing = self.0.changing.lock().await;
        let found = self.find(&group, name)?;
        let record =
            Record { members, modified: Moment::now(), token: token.or(found.token.clone()), ..found };
        self.write(&record).await?;
        Ok(json!({ "ScheduleArn": record.arn(&self.0.place) }))
    }

    fn get(&self, group: &str, name: &str) -> Result<Value, ApiError> {
        Ok(self.find(group, name)?.to_json(&self.0.place))
    }

    async fn delete(&self, group: &str, name: &str) -> Result<Value, ApiError> {
        let _changing = self.0.changing.lock().await;
        let found = self.find(group, name)?;
        let mut batch = Batch::default();
        found.remove(&mut batch);
        self.commit(batch).await?;
        Ok(json!({}))
    }

    /// A page of the schedules, in the order of their groups and names.
    fn list(&self, query: &wire::Query) -> Result<Value, ApiError> {
        let prefix = match query.get("ScheduleGroup") {
            Some(group) => {
                self.group(group)?;
                format!("{SCHEDULES}{group}/")
            }
            None => SCHEDULES.to_owned(),
        };
        let wanted = |record: &Record| {
            query.get("NamePrefix").is_none_or(|prefix| record.name.starts_with(prefix))
                && query.get("State").is_none_or(|state| record.members.state_name() == state)
        };
        let (found, next) = self.page(&prefix, query, wanted)?;
        let shown: Vec<Value> = found.iter().map(|record: &Record| record.summary(&self.0.place)).collect();
        Ok(json!({ "Schedules": shown, "NextToken": next }))
    }

    /// The records of a prefix that are wanted, and the token of the next page.
    fn page<T: serde::de::DeserializeOwned>(
        &self,
        prefix: &str,
        query: &wire::Query,
        wanted: impl Fn(&T) -> bool,
    ) -> Result<(Vec<T>, Option<String>), ApiError> {
        let most = query.number("MaxResults")?.unwrap_or(PAGE);
        if !(1..=PAGE).contains(&most) {
            return Err(ApiError::validation("MaxResults must be from 1 to 100."));
        }
        let mut from = match query.get("NextToken") {
            Some(token) if token.starts_with(prefix) => Bound::Excluded(token.as_bytes().to_vec()),
            Some(_) => return Err(ApiError::validation("Invalid NextToken.")),
            None => Bound::Included(prefix.as_bytes().to_vec()),
        };
        let (mut shown, mut next) = (Vec::new(), String::new());
        loop {
            let found = self.0.store.page(Space::Catalog, prefix.as_bytes(), from, PAGE)?;
            let is_last = found.len() < PAGE;
            let mut last = Vec::new();
            for (key, value) in found {
                let record = read_json(&value)?;
                if wanted(&record) {
                    if shown.len() == most {
                        return Ok((shown, Some(next)));
                    }
                    shown.push(record);
                    next = String::from_utf8_lossy(&key).into_owned();
                }
                last = key;
            }
            if is_last {
                return Ok((shown, None));
            }
            from = Bound::Excluded(last);
        }
    }

    async fn write(&self, record: &Record) -> Result<(), ApiError> {
        let mut batch = Batch::default();
        batch.put_json(Space::Catalog, key(&record.group, &record.name), record);
        self.commit(batch).await
    }

    async fn commit(&self, batch: Batch) -> Result<(), ApiError> {
        self.0.store.commit(batch).await?;
        self.0.changed.notify_one();
        Ok(())
    }
}

fn key(group: &str, name: &str) -> String {
    format!("{SCHEDULES}{group}/{name}")
}

fn missing(message: String) -> ApiError {
    ApiError { status: http::StatusCode::NOT_FOUND, ..ApiError::new("ResourceNotFoundException", message) }
}

fn conflict(message: String) -> ApiError {
    ApiError { status: http::StatusCode::CONFLICT, ..ApiError::conflict(message) }
}
