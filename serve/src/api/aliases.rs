//! CreateStateMachineAlias, UpdateStateMachineAlias, DescribeStateMachineAlias, ListStateMachineAliases,
//! DeleteStateMachineAlias.

use serde_json::{Value, json};

use super::machines::refuse_deleting;
use super::{Api, ApiError, Input};
use crate::arn;
use crate::catalog::{Alias, Changed, Machine, Moment, Route};
use crate::store::{KeyReader, KeyWriter};

/// The most aliases of a machine.
const MOST: usize = 100;

impl Api {
    pub(super) async fn create_state_machine_alias(&self, input: &Input) -> Result<Value, ApiError> {
        let now = Moment::now();
        let (machine_name, routes) = self.routing(input.items("routingConfiguration"))?;
        let new = Alias {
            name: input.text("name").to_owned(),
            description: input.owned("description"),
            routes,
            created: now,
            updated: None,
        };
        self.catalog
            .change_machine(&machine_name, |found| {
                let mut machine = found.cloned().ok_or_else(missing)?;
                refuse_deleting(&machine, &self.place.machine(&machine_name))?;
                refuse_unknown_versions(&machine, &new.routes)?;
                let created = match machine.alias(&new.name) {
                    Some(known) if known.routes == new.routes && known.description == new.description => {
                        known.created
                    }
                    Some(_) => {
                        return Err(ApiError::conflict(
                            "Failed to create alias because an alias with the same name and a different routing configuration already exists.",
                        ));
                    }
                    None if machine.aliases.len() >= MOST => {
                        return Err(ApiError::new(
                            "ServiceQuotaExceededException",
                            format!("A state machine may have {MOST} aliases: delete one first"),
                        ));
                    }
                    None => {
                        machine.aliases.push(new.clone());
                        now
                    }
                };
                let result = json!({
                    "stateMachineAliasArn": self.place.qualified(&machine_name, &new.name),
                    "creationDate": created.to_json(),
                });
                Ok(Changed { machine: Some(machine), revision: None, result })
            })
            .await
    }

    pub(super) async fn update_state_machine_alias(&self, input: &Input) -> Result<Value, ApiError> {
        let (name, alias) = alias_of(input)?;
        let (description, routes) = (input.owned("description"), input.value("routingConfiguration"));
        if description.is_none() && routes.is_none() {
            return Err(ApiError::validation(
                "Either the description or the routing configuration must be specified",
            )
            .with("reason", "MISSING_REQUIRED_PARAMETER"));
        }
        let routes = routes.map(|_| self.routing(input.items("routingConfiguration"))).transpose()?;
        self.machine_of(name, input.text("stateMachineAliasArn")).map_err(|_| missing())?;
        let now = Moment::now();
        self.catalog
            .change_machine(name, |found| {
                let mut machine = found.cloned().ok_or_else(missing)?;
                refuse_deleting(&machine, &self.place.machine(name))?;
                if let Some((of, routes)) = &routes {
                    if *of != name {
                        return Err(missing());
                    }
                    refuse_unknown_versions(&machine, routes)?;
                }
                let found = machine.aliases.iter_mut().find(|found| found.name == alias);
                let found = found.ok_or_else(missing)?;
                if description.is_some() {
                    found.description = description;
                }
                if let Some((_, routes)) = routes {
                    found.routes = routes;
                }
                found.updated = Some(now);
                let result = json!({ "updateDate": now.to_json() });
                Ok(Changed { machine: Some(machine), revision: None, result })
            })
            .await
    }

    pub(super) fn describe_state_machine_alias(&self, input: &Input) -> Result<Value, ApiError> {
        let (name, alias) = alias_of(input)?;
        let arn = input.text("stateMachineAliasArn");
        let machine = self.machine_of(name, arn).map_err(|_| missing())?;
        let found = machine.alias(alias).ok_or_else(missing)?;
        let route = |route: &Route| {
            json!({
                "stateMachineVersionArn": self.place.qualified(name, &route.version.to_string()),
                "weight": route.weight,
            })
        };
        let mut shown = json!({
            "stateMachineAliasArn": arn,
            "name": found.name,
            "routingConfiguration": found.routes.iter().map(route).collect::<Value>(),
            "creationDate": found.created.to_json(),
            "updateDate": found.updated.unwrap_or(found.created).to_json(),
        });
        if let Some(description) = &found.description {
            shown["description"] = description.as_str().into();
        }
        Ok(shown)
    }

    /// In the order in which they were created. The ARN of a version selects the aliases that lead to it.
    pub(super) fn list_state_machine_aliases(&self, input: &Input) -> Result<Value, ApiError> {
        let arn = input.text("stateMachineArn");
        let (name, qualifier) = arn::machine(arn)?;
        let machine = self.machine_of(name, arn)?;
        refuse_deleting(&machine, arn)?;
        let version = match qualifier {
            None => None,
            Some(qualifier) => {
                let number = qualifier.parse().ok().filter(|number| machine.version(*number).is_some());
                Some(number.ok_or_else(missing)?)
            }
        };
        let list = format!("ListStateMachineAliases {arn}");
        let from = match self.page_position(&list, input)? {
            Some(position) => KeyReader(&position).number().ok_or_else(ApiError::invalid_token)?,
            None => 0,
        };
        let (from, size) = (usize::try_from(from).unwrap_or(usize::MAX), input.page_size());
        let leads = |alias: &&Alias| {
            version.is_none_or(|version| alias.routes.iter().any(|route| route.version == version))
        };
        let mut found: Vec<&Alias> = machine.aliases.iter().filter(leads).skip(from).collect();
        let mut shown = json!({});
        if found.len() > size {
            found.truncate(size);
            let next = KeyWriter::default().number((from + size) as u64).done();
            shown["nextToken"] = self.page_token(&list, &next).into();
        }
        let item = |alias: &&Alias| {
            json!({
                "stateMachineAliasArn": self.place.qualified(name, &alias.name),
                "creationDate": alias.created.to_json(),
            })
        };
        shown["stateMachineAliases"] = found.iter().map(item).collect();
        Ok(shown)
    }

    pub(super) async fn delete_state_machine_alias(&self, input: &Input) -> Result<Value, ApiError> {
        let (name, alias) = alias_of(input)?;
        if self.machine_of(name, input.text("stateMachineAliasArn")).is_err() {
            return Ok(json!({}));
        }
        self.catalog
            .change_machine(name, |found| {
                let mut machine = found.cloned();
                if let Some(machine) = &mut machine {
                    machine.aliases.retain(|found| found.name != alias);
                }
                Ok(Changed { machine, revision: None, result: json!({}) })
            })
            .await
    }

    /// The machine and the versions of a routing configuration.
    fn routing(&self, items: &[Value]) -> Result<(String, Vec<Route>), ApiError> {
        let arns: Vec<&str> =
            items.iter().map(|item| item["stateMachineVersionArn"].as_str().unwrap_or_default()).collect();
        let weights: Vec<u8> = items
            .iter()
            .map(|item| item["weight"].as_u64().and_then(|weight| u8::try_from(weight).ok()).unwrap_or(0))
            .collect();
        let must = |words: &str| {
            let received = arns.join(", ");
            ApiError::validation(format!(
                "Routing configuration must contain {words}. Received: [{received}]"
            ))
            .with("reason", "INVALID_ROUTING_CONFIGURATION")
        };
        let mut routes = Vec::new();
        let mut machine = None;
        for (arn, weight) in arns.iter().zip(&weights) {
            let (name, version) = arn::machine(arn)?;
            let version = version.and_then(|version| version.parse::<u32>().ok());
            let version = version.ok_or_else(|| must("state machine version ARNs"))?;
            if self.place.qualified(name, &version.to_string()) != *arn {
                return Err(missing());
            }
            if machine.is_some_and(|machine| machine != name) {
                return Err(must("version ARNs of one state machine"));
            }
            machine = Some(name);
            routes.push(Route { version, weight: *weight });
        }
        if matches!(routes.as_slice(), [first, second] if first.version == second.version) {
            return Err(must("distinct state machine version ARNs"));
        }
        if weights.iter().map(|weight| u32::from(*weight)).sum::<u32>() != 100 {
            let weights: Vec<String> = weights.iter().map(u8::to_string).collect();
            return Err(ApiError::validation(format!(
                "Sum of routing configuration weights must equal 100. Received: [{}]",
                weights.join(", ")
            ))
            .with("reason", "INVALID_ROUTING_CONFIGURATION"));
        }
        Ok((machine.unwrap_or_default().to_owned(), routes))
    }
}

/// The machine and the alias of the request's ARN.
fn alias_of(input: &Input) -> Result<(&str, &str), ApiError> {
    let arn = input.text("stateMachineAliasArn");
    let (name, alias) = arn::machine(arn)?;
    let alias = alias.filter(|alias| !alias.bytes().all(|byte| byte.is_ascii_digit()));
    let alias = alias.ok_or_else(|| {
        ApiError::validation(format!("{arn} is not the ARN of an alias of a state machine"))
    })?;
    Ok((name, alias))
}

fn refuse_unknown_versions(machine: &Machine, routes: &[Route]) -> Result<(), ApiError> {
    let known = routes.iter().all(|route| machine.version(route.version).is_some());
    if known { Ok(()) } else { Err(missing()) }
}

fn missing() -> ApiError {
    ApiError::new("ResourceNotFound", "Request references a resource that does not exist.")
}
