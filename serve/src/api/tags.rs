//! TagResource, UntagResource, ListTagsForResource: tags of machines and activities.

use serde_json::{Value, json};

use super::{Api, ApiError, Input};
use crate::arn::Arn;
use crate::catalog::{Changed, Tags};

/// The most tags of a resource.
const MOST: usize = 50;

impl Api {
    pub(super) async fn tag_resource(&self, input: &Input) -> Result<Value, ApiError> {
        let arn = input.text("resourceArn");
        let new = of(input.items("tags"));
        self.change_tags(arn, |tags| {
            for (key, value) in new {
                match tags.iter_mut().find(|(known, _)| *known == key) {
                    Some(known) => known.1 = value,
                    None => tags.push((key, value)),
                }
            }
            check(tags, arn)
        })
        .await
    }

    pub(super) async fn untag_resource(&self, input: &Input) -> Result<Value, ApiError> {
        let keys = input.items("tagKeys");
        self.change_tags(input.text("resourceArn"), |tags| {
            tags.retain(|(key, _)| !keys.iter().any(|removed| removed.as_str() == Some(key)));
            Ok(())
        })
        .await
    }

    pub(super) fn list_tags_for_resource(&self, input: &Input) -> Result<Value, ApiError> {
        let arn = input.text("resourceArn");
        let tags = match Arn::parse(arn)? {
            Arn::Machine { name, qualifier: None } => {
                self.machine_of(name, arn).map(|found| found.tags.clone())
            }
            Arn::Activity { name } => self.activity_of(name, arn).map(|found| found.tags.clone()),
            _ => return Err(not_found(arn)),
        };
        let tags = tags.map_err(|_| not_found(arn))?;
        let tags: Vec<Value> =
            tags.into_iter().map(|(key, value)| json!({ "key": key, "value": value })).collect();
        Ok(json!({ "tags": tags }))
    }

    async fn change_tags(
        &self,
        arn: &str,
        change: impl FnOnce(&mut Tags) -> Result<(), ApiError>,
    ) -> Result<Value, ApiError> {
        match Arn::parse(arn)? {
            Arn::Machine { name, qualifier: None } if self.place.machine(name) == arn => {
                self.catalog
                    .change_machine(name, |machine| {
                        let mut machine = machine.cloned().ok_or_else(|| not_found(arn))?;
                        change(&mut machine.tags)?;
                        Ok(Changed { machine: Some(machine), revision: None, result: json!({}) })
                    })
                    .await
            }
            Arn::Activity { name } if self.place.activity(name) == arn => {
                self.catalog
                    .change_activity(name, |activity| {
                        let mut activity = activity.cloned().ok_or_else(|| not_found(arn))?;
                        change(&mut activity.tags)?;
                        Ok((Some(activity), json!({})))
                    })
                    .await
            }
            _ => Err(not_found(arn)),
        }
    }
}

/// The tags of a request. Of several with one key the last counts.
pub(super) fn of(items: &[Value]) -> Tags {
    let mut tags = Tags::new();
    for item in items {
        let text = |name: &str| item[name].as_str().unwrap_or_default().to_owned();
        let (key, value) = (text("key"), text("value"));
        tags.retain(|(known, _)| *known != key);
        tags.push((key, value));
    }
    tags
}

/// # Errors
/// `TooManyTags`
pub(super) fn check(tags: &Tags, arn: &str) -> Result<(), ApiError> {
    if tags.len() <= MOST {
        return Ok(());
    }
    let message =
        format!("Too Many Tags: a resource may have {MOST} tags, and this one would have {}", tags.len());
    Err(ApiError::new("TooManyTags", message).with("resourceName", arn))
}

fn not_found(arn: &str) -> ApiError {
    ApiError::about("ResourceNotFound", "Resource not found", arn).with("resourceName", arn)
}
