//! CreateActivity, DescribeActivity, ListActivities, DeleteActivity. Workers take tasks in `workers`.

use std::sync::Arc;

use serde_json::{Value, json};

use super::machines::encryption_of;
use super::{Api, ApiError, Input, tags};
use crate::arn;
use crate::catalog::{Activity, Moment};

impl Api {
    pub(super) async fn create_activity(&self, input: &Input) -> Result<Value, ApiError> {
        let name = input.text("name");
        arn::check_name(name)?;
        let (arn, encryption) = (self.place.activity(name), encryption_of(input)?);
        let new = tags::of(input.items("tags"));
        tags::check(&new, &arn)?;
        self.catalog
            .change_activity(name, |found| {
                let activity = found.cloned().unwrap_or_else(|| Activity {
                    name: name.to_owned(),
                    created: Moment::now(),
                    encryption: encryption.clone(),
                    tags: new,
                });
                if activity.encryption != encryption {
                    let code = "ActivityAlreadyExists";
                    return Err(ApiError::about(code, "Activity Already Exists", &arn));
                }
                let created = json!({ "activityArn": arn, "creationDate": activity.created.to_json() });
                Ok((Some(activity), created))
            })
            .await
    }

    pub(super) fn describe_activity(&self, input: &Input) -> Result<Value, ApiError> {
        let arn = input.text("activityArn");
        let activity = self.activity_of(arn::activity(arn)?, arn)?;
        let mut shown = self.activity_item(&activity);
        shown["encryptionConfiguration"] = activity.encryption.clone();
        Ok(shown)
    }

    pub(super) fn list_activities(&self, input: &Input) -> Result<Value, ApiError> {
        let list = "ListActivities";
        let after = self.page_position(list, input)?.unwrap_or_default();
        let (after, size) = (String::from_utf8_lossy(&after), input.page_size());
        let mut found = self.catalog.activities_after(&after, size + 1);
        let mut shown = json!({});
        if found.len() > size {
            found.truncate(size);
            let last = found.last().map(|activity| activity.name.as_bytes()).unwrap_or_default();
            shown["nextToken"] = self.page_token(list, last).into();
        }
        shown["activities"] = found.iter().map(|activity| self.activity_item(activity)).collect();
        Ok(shown)
    }

    pub(super) async fn delete_activity(&self, input: &Input) -> Result<Value, ApiError> {
        let arn = input.text("activityArn");
        let name = arn::activity(arn)?;
        if self.place.activity(name) == arn {
            self.catalog.change_activity(name, |_| Ok((None, ()))).await?;
        }
        Ok(json!({}))
    }

    /// The activity of an ARN.
    pub(super) fn activity_of(&self, name: &str, arn: &str) -> Result<Arc<Activity>, ApiError> {
        let ours = self.place.activity(name) == arn;
        let found = self.catalog.activity(name).filter(|_| ours);
        found.ok_or_else(|| ApiError::about("ActivityDoesNotExist", "Activity Does Not Exist", arn))
    }

    fn activity_item(&self, activity: &Activity) -> Value {
        json!({
            "activityArn": self.place.activity(&activity.name),
            "name": activity.name,
            "creationDate": activity.created.to_json(),
        })
    }
}
