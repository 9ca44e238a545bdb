//! Groups of schedules. The group `default` is always there.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{SCHEDULES, Scheduler, conflict, missing, record, wire};
use crate::api::ApiError;
use crate::arn::Place;
use crate::catalog::Moment;
use crate::store::{Batch, Space};

pub(super) const DEFAULT: &str = "default";
/// The keys of groups in the catalog begin with this.
const GROUPS: &str = "schedule-group/";

/// A group, as it is stored.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Group {
    name: String,
    created: Moment,
    tags: Vec<Tag>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct Tag {
    key: String,
    value: String,
}

/// The members of `CreateScheduleGroup`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct NewGroup {
    #[serde(default)]
    tags: Vec<Tag>,
    /// A repeated call has the same name anyway.
    #[serde(rename = "ClientToken")]
    _client_token: Option<String>,
}

/// The members of `TagResource`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct NewTags {
    tags: Vec<Tag>,
}

impl Group {
    fn arn(&self, place: &Place) -> String {
        let Place { region, account } = place;
        format!("arn:aws:scheduler:{region}:{account}:schedule-group/{}", self.name)
    }

    fn to_json(&self, place: &Place) -> Value {
        json!({
            "Arn": self.arn(place),
            "Name": self.name,
            "State": "ACTIVE",
            "CreationDate": self.created.to_json(),
            "LastModificationDate": self.created.to_json(),
        })
    }
}

impl Scheduler {
    pub(super) fn group(&self, name: &str) -> Result<Group, ApiError> {
        let found: Option<Group> = self.0.store.get_json(Space::Catalog, key(name).as_bytes())?;
        match found {
            Some(group) => Ok(group),
            None if name == DEFAULT => {
                Ok(Group { name: DEFAULT.into(), created: Moment(0), tags: Vec::new() })
            }
            None => Err(missing(format!("Schedule group {name} does not exist."))),
        }
    }

    pub(super) async fn create_group(&self, name: &str, new: NewGroup) -> Result<Value, ApiError> {
        record::check_name("name", name)?;
        let _changing = self.0.changing.lock().await;
        if self.group(name).is_ok() {
            return Err(conflict(format!("Schedule group {name} already exists.")));
        }
        let group = Group { name: name.to_owned(), created: Moment::now(), tags: new.tags };
        self.write_group(&group).await?;
        Ok(json!({ "ScheduleGroupArn": group.arn(&self.0.place) }))
    }

    pub(super) fn get_group(&self, name: &str) -> Result<Value, ApiError> {
        Ok(self.group(name)?.to_json(&self.0.place))
    }

    /// Deletes a group with its schedules.
    pub(super) async fn delete_group(&self, name: &str) -> Result<Value, ApiError> {
        if name == DEFAULT {
            return Err(ApiError::validation("Deleting the default schedule group is not allowed."));
        }
        let _changing = self.0.changing.lock().await;
        self.group(name)?;
        let mut batch = Batch::default();
        for schedule in self.all()?.iter().filter(|schedule| schedule.group == name) {
            schedule.remove(&mut batch);
        }
        batch.clear(Space::Catalog, format!("{SCHEDULES}{name}/"));
        batch.remove(Space::Catalog, key(name));
        self.commit(batch).await?;
        Ok(json!({}))
    }

    pub(super) fn list_groups(&self, query: &wire::Query) -> Result<Value, ApiError> {
        let prefix = query.get("NamePrefix").unwrap_or_default();
        let wanted = |group: &Group| group.name.starts_with(prefix);
        let (mut found, next) = self.page(GROUPS, query, wanted)?;
        let named = found.iter().any(|group| group.name == DEFAULT);
        if query.get("NextToken").is_none() && DEFAULT.starts_with(prefix) && !named {
            found.insert(0, self.group(DEFAULT)?);
        }
        let shown: Vec<Value> = found.iter().map(|group| group.to_json(&self.0.place)).collect();
        Ok(json!({ "ScheduleGroups": shown, "NextToken": next }))
    }

    pub(super) async fn tag(&self, arn: &str, new: NewTags) -> Result<Value, ApiError> {
        let _changing = self.0.changing.lock().await;
        let mut group = self.group_of(arn)?;
        group.tags.retain(|tag| !new.tags.iter().any(|new| new.key == tag.key));
        group.tags.extend(new.tags);
        self.write_group(&group).await?;
        Ok(json!({}))
    }

    pub(super) async fn untag(&self, arn: &str, query: &wire::Query) -> Result<Value, ApiError> {
        let _changing = self.0.changing.lock().await;
        let mut group = self.group_of(arn)?;
        group.tags.retain(|tag| !query.all("TagKeys").any(|key| key == tag.key));
        self.write_group(&group).await?;
        Ok(json!({}))
    }

    pub(super) fn tags(&self, arn: &str) -> Result<Value, ApiError> {
        Ok(json!({ "Tags": self.group_of(arn)?.tags }))
    }

    fn group_of(&self, arn: &str) -> Result<Group, ApiError> {
        let name = arn.rsplit_once(":schedule-group/").map(|(_, name)| name);
        self.group(
            name.ok_or_else(|| ApiError::validation(format!("{arn} is not the ARN of a schedule group.")))?,
        )
    }

    async fn write_group(&self, group: &Group) -> Result<(), ApiError> {
        let mut batch = Batch::default();
        batch.put_json(Space::Catalog, key(&group.name), group);
        self.commit(batch).await
    }
}

fn key(name: &str) -> String {
    format!("{GROUPS}{name}")
}
