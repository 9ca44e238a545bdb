//! PublishStateMachineVersion, ListStateMachineVersions, DeleteStateMachineVersion.

use serde_json::{Value, json};

use super::machines::{refuse_deleting, refuse_more_versions};
use super::{Api, ApiError, Input};
use crate::arn;
use crate::catalog::{Changed, Moment, Version};
use crate::store::{KeyReader, KeyWriter};

impl Api {
    pub(super) async fn publish_state_machine_version(&self, input: &Input) -> Result<Value, ApiError> {
        let (arn, now) = (input.text("stateMachineArn"), Moment::now());
        let name = self.plain_machine(arn)?;
        self.catalog
            .change_machine(name, |found| {
                let mut machine = found.cloned().ok_or_else(|| ApiError::no_machine(arn))?;
                refuse_deleting(&machine, arn)?;
                if let Some(wanted) = input.maybe("revisionId").filter(|wanted| *wanted != machine.revision) {
                    return Err(ApiError::conflict(format!(
                        "Failed to publish the State Machine version for revision {wanted}. The current State Machine revision is {}.",
                        machine.revision
                    )));
                }
                refuse_more_versions(&machine)?;
                let version = machine.publish(input.owned("description"), now).clone();
                let result = json!({
                    "creationDate": version.created.to_json(),
                    "stateMachineVersionArn": self.version_arn(&machine, &version),
                });
                Ok(Changed { machine: Some(machine), revision: None, result })
            })
            .await
    }

    /// The newest version comes first.
    pub(super) fn list_state_machine_versions(&self, input: &Input) -> Result<Value, ApiError> {
        let arn = input.text("stateMachineArn");
        let machine = self.machine_of(self.plain_machine(arn)?, arn)?;
        let list = format!("ListStateMachineVersions {arn}");
        let before = match self.page_position(&list, input)? {
            Some(position) => KeyReader(&position).number().ok_or_else(ApiError::invalid_token)?,
            None => u64::MAX,
        };
        let size = input.page_size();
        let mut found: Vec<&Version> =
            machine.versions.iter().rev().filter(|version| u64::from(version.number) < before).collect();
        let mut shown = json!({});
        if found.len() > size {
            found.truncate(size);
            let last = found.last().map_or(0, |version| u64::from(version.number));
            shown["nextToken"] = self.page_token(&list, &KeyWriter::default().number(last).done()).into();
        }
        let item = |version: &&Version| {
            json!({
                "stateMachineVersionArn": self.version_arn(&machine, version),
                "creationDate": version.created.to_json(),
            })
        };
        shown["stateMachineVersions"] = found.iter().map(item).collect();
        Ok(shown)
    }

    pub(super) async fn delete_state_machine_version(&self, input: &Input) -> Result<Value, ApiError> {
        let arn = input.text("stateMachineVersionArn");
        let (name, qualifier) = arn::machine(arn)?;
        let Some(number) = qualifier.and_then(|qualifier| qualifier.parse::<u32>().ok()) else {
            return Err(ApiError::validation(format!(
                "{arn} is not the ARN of a version of a state machine"
            )));
        };
        if self.machine_of(name, arn).is_err() {
            return Ok(json!({}));
        }
        self.catalog
            .change_machine(name, |found| {
                let mut machine = found.cloned();
                if let Some(machine) = &mut machine {
                    let uses = |routes: &[crate::catalog::Route]| {
                        routes.iter().any(|route| route.version == number)
                    };
                    let aliases = machine.aliases.iter().filter(|alias| uses(&alias.routes));
                    let aliases: Vec<&str> = aliases.map(|alias| alias.name.as_str()).collect();
                    if !aliases.is_empty() {
                        return Err(ApiError::conflict(format!(
                            "Version to be deleted must not be referenced by an alias. Current list of aliases referencing this version: [{}]",
                            aliases.join(", ")
                        )));
                    }
                    machine.versions.retain(|version| version.number != number);
                }
                Ok(Changed { machine, revision: None, result: json!({}) })
            })
            .await
    }
}
