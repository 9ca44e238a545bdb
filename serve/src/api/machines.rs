//! CreateStateMachine, UpdateStateMachine, DescribeStateMachine, ListStateMachines, DeleteStateMachine,
//! ValidateStateMachineDefinition.

use std::sync::Arc;

use engine::{ExecutionType, Severity};
use serde_json::{Map, Value, json};

use super::{Api, ApiError, Input, references, tags};
use crate::arn;
use crate::catalog::{Changed, Machine, Moment, Revision, Version};
use crate::jobs::MACHINE;

/// The most versions of a machine.
const VERSIONS: usize = 1_000;
/// How long DeleteStateMachine waits for the end of the machine's executions.
const DELETION: std::time::Duration = std::time::Duration::from_secs(10);
/// The role of the machine of jobs. Roles have no effect on a server.
const ROLE: &str = "arn:aws:iam::000000000000:role/throughline";

impl Api {
    pub(super) async fn create_state_machine(&self, input: &Input) -> Result<Value, ApiError> {
        let name = input.text("name");
        arn::check_name(name)?;
        let (arn, now) = (self.place.machine(name), Moment::now());
        let express = input.maybe("type") == Some("EXPRESS");
        let publish = input.flag("publish").unwrap_or(false);
        let description = description_of(input, publish)?;
        let definition = input.text("definition");
        check_definition(definition, express)?;
        let revision = Revision {
            id: uuid::Uuid::new_v4().to_string(),
            first: true,
            definition: definition.to_owned(),
            role_arn: input.text("roleArn").to_owned(),
            logging: logging_of(input)?,
            tracing: tracing_of(input),
            encryption: encryption_of(input)?,
            updated: now,
        };
        let new = tags::of(input.items("tags"));
        tags::check(&new, &arn)?;
        self.catalog
            .change_machine(name, |found| {
                if let Some(machine) = found {
                    refuse_deleting(machine, &arn)?;
                    self.same_as_created(machine, &revision, express, publish, description.as_deref(), &arn)?;
                    let machine = machine.clone();
                    let result = self.created(&machine, publish);
                    return Ok(Changed { machine: Some(machine), revision: None, result });
                }
                let mut machine = Machine {
                    name: name.to_owned(),
                    number: rand::random(),
                    express,
                    created: now,
                    deleting: false,
                    revision: revision.id.clone(),
                    created_published: publish,
                    created_description: description.clone(),
                    next_version: 1,
                    versions: Vec::new(),
                    aliases: Vec::new(),
                    tags: new,
                };
                if publish {
                    machine.publish(description, now);
                }
                let result = self.created(&machine, publish);
                Ok(Changed { machine: Some(machine), revision: Some(revision), result })
            })
            .await
    }

    /// Makes the machine of jobs, or gives it the definition of this version. Executions that have begun keep theirs.
    pub(crate) async fn keep_machine_of_jobs(&self, definition: &str) -> Result<(), ApiError> {
        let arn = self.place.machine(MACHINE);
        let found = self.catalog.machine(MACHINE).map(|machine| self.catalog.revision(&machine.revision));
        let members = match found.transpose()? {
            None => json!({ "name": MACHINE, "definition": definition, "roleArn": ROLE }),
            Some(revision) if revision.definition == definition => return Ok(()),
            Some(_) => json!({ "stateMachineArn": arn, "definition": definition }),
        };
        let Value::Object(members) = members else { return Ok(()) };
        let input = Input(members);
        if input.maybe("name").is_some() {
            self.create_state_machine(&input).await.map(drop)
        } else {
            self.change_machine_by(&input).await.map(drop)
        }
    }

    /// A repeated call must be equal to the first one, apart from role and tags.
    fn same_as_created(
        &self,
        machine: &Machine,
        new: &Revision,
        express: bool,
        publish: bool,
        description: Option<&str>,
        arn: &str,
    ) -> Result<(), ApiError> {
        let old = self.catalog.revision(&machine.revision)?;
        let same = machine.express == express
            && machine.created_published == publish
            && machine.created_description.as_deref() == description
            && old.definition == new.definition
            && old.logging == new.logging
            && old.tracing == new.tracing
            && old.encryption == new.encryption;
        if same {
            return Ok(());
        }
        Err(ApiError::about("StateMachineAlreadyExists", "State Machine Already Exists", arn))
    }

    fn created(&self, machine: &Machine, publish: bool) -> Value {
        let mut shown = json!({
            "stateMachineArn": self.place.machine(&machine.name),
            "creationDate": machine.created.to_json(),
        });
        let published = machine.versions.iter().find(|version| version.revision == machine.revision);
        if let Some(version) = published.filter(|_| publish) {
            shown["stateMachineVersionArn"] = self.version_arn(machine, version).into();
        }
        shown
    }

    pub(super) async fn update_state_machine(&self, input: &Input) -> Result<Value, ApiError> {
        refuse_machine_of_jobs(self.plain_machine(input.text("stateMachineArn"))?)?;
        self.change_machine_by(input).await
    }

    async fn change_machine_by(&self, input: &Input) -> Result<Value, ApiError> {
        let (arn, now) = (input.text("stateMachineArn"), Moment::now());
        let name = self.plain_machine(arn)?;
        let changes = ["definition", "roleArn", "loggingConfiguration", "tracingConfiguration"];
        if changes.iter().all(|name| input.value(name).is_none())
            && input.value("encryptionConfiguration").is_none()
        {
            return Err(ApiError::new(
                "MissingRequiredParameter",
                "Either the definition, the role ARN, the LoggingConfiguration, or the TracingConfiguration must be specified",
            ));
        }
        let publish = input.flag("publish").unwrap_or(false);
        let description = description_of(input, publish)?;
        self.catalog
            .change_machine(name, |found| {
                let mut machine = found.cloned().ok_or_else(|| ApiError::no_machine(arn))?;
                refuse_deleting(&machine, arn)?;
                let old = self.catalog.revision(&machine.revision)?;
                let mut new = old.clone();
                if let Some(definition) = input.owned("definition") {
                    check_definition(&definition, machine.express)?;
                    new.definition = definition;
                }
                new.role_arn = input.owned("roleArn").unwrap_or(new.role_arn);
                if input.value("loggingConfiguration").is_some() {
                    new.logging = logging_of(input)?;
                }
                if input.value("tracingConfiguration").is_some() {
                    new.tracing = tracing_of(input);
                }
                if input.value("encryptionConfiguration").is_some() {
                    new.encryption = encryption_of(input)?;
                }
                let changed = new != old;
                if changed {
                    new.id = uuid::Uuid::new_v4().to_string();
                    (new.first, new.updated) = (false, now);
                    machine.revision.clone_from(&new.id);
                }
                let mut result = json!({ "updateDate": now.to_json() });
                if !new.first {
                    result["revisionId"] = new.id.as_str().into();
                }
                if publish {
                    refuse_more_versions(&machine)?;
                    let version = machine.publish(description, now).clone();
                    result["stateMachineVersionArn"] = self.version_arn(&machine, &version).into();
                }
                Ok(Changed { machine: Some(machine), revision: changed.then_some(new), result })
            })
            .await
    }

    pub(super) fn describe_state_machine(&self, input: &Input) -> Result<Value, ApiError> {
        let arn = input.text("stateMachineArn");
        let (name, qualifier) = arn::machine(arn)?;
        let machine = self.machine_of(name, arn)?;
        let version = match qualifier {
            None => None,
            Some(qualifier) => {
                let number = qualifier.parse().ok();
                let version = number.and_then(|number| machine.version(number));
                Some(version.ok_or_else(|| ApiError::no_machine(arn))?)
            }
        };
        let revision =
            self.catalog.revision(version.map_or(&machine.revision, |version| &version.revision))?;
        let mut shown = json!({
            "stateMachineArn": arn,
            "name": machine.name,
            "status": if machine.deleting { "DELETING" } else { "ACTIVE" },
            "type": if machine.express { "EXPRESS" } else { "STANDARD" },
            "creationDate": version.map_or(machine.created, |version| version.created).to_json(),
        });
        if let Some(description) = version.and_then(|version| version.description.as_deref()) {
            shown["description"] = description.into();
        }
        show_revision(&mut shown, &revision, input.maybe("includedData") != Some("METADATA_ONLY"));
        Ok(shown)
    }

    pub(super) fn list_state_machines(&self, input: &Input) -> Result<Value, ApiError> {
        let list = "ListStateMachines";
        let after = self.page_position(list, input)?.unwrap_or_default();
        let (after, size) = (String::from_utf8_lossy(&after), input.page_size());
        let mut found = self.catalog.machines_after(&after, size + 1);
        let mut shown = json!({});
        if found.len() > size {
            found.truncate(size);
            let last = found.last().map(|machine| machine.name.as_bytes()).unwrap_or_default();
            shown["nextToken"] = self.page_token(list, last).into();
        }
        let item = |machine: &Arc<Machine>| {
            json!({
                "stateMachineArn": self.place.machine(&machine.name),
                "name": machine.name,
                "type": if machine.express { "EXPRESS" } else { "STANDARD" },
                "creationDate": machine.created.to_json(),
            })
        };
        shown["stateMachines"] = found.iter().map(item).collect();
        Ok(shown)
    }

    /// Marks the machine as being deleted, stops its executions, and removes it. A restart goes on with a
    /// machine that is marked.
    pub(super) async fn delete_state_machine(&self, input: &Input) -> Result<Value, ApiError> {
        let arn = input.text("stateMachineArn");
        let (name, qualifier) = arn::machine(arn)?;
        if qualifier.is_some() {
            return Err(ApiError::new(
                "InvalidArn",
                format!("Invalid Arn: 'Resource type not valid in this context: {arn}'"),
            ));
        }
        let Ok(machine) = self.machine_of(name, arn) else { return Ok(json!({})) };
        refuse_machine_of_jobs(name)?;
        let mark = |found: Option<&Machine>| {
            let machine = found.cloned().filter(|found| found.number == machine.number);
            let machine = machine.map(|found| Machine { deleting: true, ..found });
            Ok(Changed { machine: machine.or(found.cloned()), revision: None, result: () })
        };
        self.catalog.change_machine(name, mark).await?;
        // Many executions may take longer than a caller waits.
        let _ = tokio::time::timeout(DELETION, self.executions.finish_deletion(&machine)).await;
        Ok(json!({}))
    }

    pub(super) fn validate_state_machine_definition(&self, input: &Input) -> Result<Value, ApiError> {
        let kind = execution_type(input.maybe("type") == Some("EXPRESS"));
        let least = match input.maybe("severity") {
            Some("WARNING") => Severity::Warning,
            _ => Severity::Error,
        };
        let most = input.value("maxResults").and_then(Value::as_u64).unwrap_or_default();
        let validation = engine::validate(input.text("definition"), kind);
        Ok(validation.to_json(least, usize::try_from(most).unwrap_or_default()))
    }

    /// The machine of an ARN, which may have a qualifier.
    pub(super) fn machine_of(&self, name: &str, arn: &str) -> Result<Arc<Machine>, ApiError> {
        let ours = self.place.machine(name);
        let ours = arn.strip_prefix(&ours).is_some_and(|rest| rest.is_empty() || rest.starts_with(':'));
        let found = self.catalog.machine(name).filter(|_| ours);
        found.ok_or_else(|| ApiError::no_machine(arn))
    }

    /// The name in the ARN of a machine that exists; the ARN has no qualifier.
    pub(super) fn plain_machine<'a>(&self, arn: &'a str) -> Result<&'a str, ApiError> {
        let (name, qualifier) = arn::machine(arn)?;
        if qualifier.is_some() {
            return Err(ApiError::no_machine(arn));
        }
        self.machine_of(name, arn).map(|_| name)
    }

    pub(super) fn version_arn(&self, machine: &Machine, version: &Version) -> String {
        self.place.qualified(&machine.name, &version.number.to_string())
    }
}

/// What an execution or a machine shows of its revision. `data` says whether the definition is shown.
pub(super) fn show_revision(shown: &mut Value, revision: &Revision, data: bool) {
    shown["roleArn"] = revision.role_arn.as_str().into();
    shown["loggingConfiguration"] = revision.logging.clone();
    shown["tracingConfiguration"] = revision.tracing.clone();
    shown["encryptionConfiguration"] = revision.encryption.clone();
    if !revision.first {
        shown["revisionId"] = revision.id.as_str().into();
    }
    // AWS shows an empty definition when its data is not wanted.
    shown["definition"] = if data { revision.definition.as_str() } else { "" }.into();
    let references = if data { references::of(&revision.definition) } else { Map::new() };
    if !references.is_empty() {
        shown["variableReferences"] = references.into();
    }
}

pub(super) fn refuse_deleting(machine: &Machine, arn: &str) -> Result<(), ApiError> {
    if machine.deleting {
        return Err(ApiError::about("StateMachineDeleting", "State Machine is being deleted", arn));
    }
    Ok(())
}

fn refuse_machine_of_jobs(name: &str) -> Result<(), ApiError> {
    if name != MACHINE {
        return Ok(());
    }
    Err(ApiError::conflict(format!(
        "the state machine {MACHINE:?} runs the jobs of this server, and cannot be changed"
    )))
}

pub(super) fn refuse_more_versions(machine: &Machine) -> Result<(), ApiError> {
    let published = machine.versions.iter().any(|version| version.revision == machine.revision);
    if machine.versions.len() < VERSIONS || published {
        return Ok(());
    }
    Err(ApiError::new(
        "ServiceQuotaExceededException",
        format!("A state machine may have {VERSIONS} versions: delete one first"),
    ))
}

pub(super) fn execution_type(express: bool) -> ExecutionType {
    if express { ExecutionType::Express } else { ExecutionType::Standard }
}

fn check_definition(definition: &str, express: bool) -> Result<(), ApiError> {
    match engine::validate(definition, execution_type(express)).refusal() {
        Some(refusal) => Err(refusal.into()),
        None => Ok(()),
    }
}

fn description_of(input: &Input, publish: bool) -> Result<Option<String>, ApiError> {
    let description = input.owned("versionDescription");
    if description.is_some() && !publish {
        return Err(ApiError::validation("Version description can only be set when publish is true"));
    }
    Ok(description)
}

/// The logging configuration with its defaults. This server writes no logs to log groups, so a level other
/// than `OFF` is refused.
fn logging_of(input: &Input) -> Result<Value, ApiError> {
    let given = input.value("loggingConfiguration").cloned().unwrap_or_default();
    let level = given["level"].as_str().unwrap_or("OFF");
    let destinations = given["destinations"].as_array();
    if level != "OFF" {
        if destinations.is_none_or(|destinations| destinations.len() != 1) {
            return Err(ApiError::new(
                "InvalidLoggingConfiguration",
                "Invalid Logging Configuration: Must specify exactly one Log Destination.",
            ));
        }
        return Err(ApiError::unsupported(&format!(
            "the member 'loggingConfiguration' with the level {level}"
        )));
    }
    let data = given["includeExecutionData"].as_bool().unwrap_or(false);
    let mut logging = json!({ "level": level, "includeExecutionData": data });
    if let Some(destinations) = destinations {
        logging["destinations"] = destinations.clone().into();
    }
    Ok(logging)
}

/// The tracing configuration with its default. No traces are written; the configuration is kept and shown.
fn tracing_of(input: &Input) -> Value {
    let enabled = input.value("tracingConfiguration").and_then(|given| given["enabled"].as_bool());
    json!({ "enabled": enabled.unwrap_or(false) })
}

/// The encryption configuration. The store is not encrypted, so a key of the customer is refused.
pub(super) fn encryption_of(input: &Input) -> Result<Value, ApiError> {
    let given = input.value("encryptionConfiguration");
    let kind = given.and_then(|given| given["type"].as_str()).unwrap_or("AWS_OWNED_KEY");
    if kind != "AWS_OWNED_KEY" {
        return Err(ApiError::unsupported(&format!("the encryption {kind}")));
    }
    Ok(json!({ "type": kind }))
}
