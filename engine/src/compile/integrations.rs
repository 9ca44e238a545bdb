//! The optimized service integrations whose actions are fixed (AWS developer guide, "Integrating optimized
//! services").

use crate::resource::{Pattern, Resource};

struct Service {
    name: &'static str,
    actions: &'static [&'static str],
    /// Whether `.sync` is supported.
    sync: bool,
    token: bool,
}

const fn service(name: &'static str, actions: &'static [&'static str], sync: bool, token: bool) -> Service {
    Service { name, actions, sync, token }
}

/// Services that are missing here are not checked; the host decides.
const SERVICES: &[Service] = &[
    service("apigateway", &["invoke"], false, true),
    service(
        "athena",
        &["startQueryExecution", "stopQueryExecution", "getQueryExecution", "getQueryResults"],
        true,
        false,
    ),
    service("batch", &["submitJob"], true, false),
    service("databrew", &["startJobRun"], true, false),
    service("dynamodb", &["getItem", "putItem", "deleteItem", "updateItem"], false, false),
    service("ecs", &["runTask"], true, true),
    service("events", &["putEvents"], false, true),
    service("glue", &["startJobRun"], true, false),
    service("http", &["invoke"], false, false),
    service("lambda", &["invoke"], false, true),
    service("mediaconvert", &["createJob"], true, false),
    service("sns", &["publish"], false, true),
    service("sqs", &["sendMessage"], false, true),
    service("states", &["startExecution"], true, true),
];

/// The reason why AWS refuses the resource, if it does.
pub(super) fn refused(resource: &Resource) -> Option<String> {
    let Resource::Service { service: name, action, pattern } = resource else { return None };
    let (sync, token) = match SERVICES.iter().find(|service| service.name == name) {
        Some(service) if !service.actions.contains(&action.as_str()) => {
            return Some(format!("{name} has no action {action}, but {}", service.actions.join(", ")));
        }
        Some(service) => (service.sync, service.token),
        None if name.starts_with("aws-sdk:") => (false, true),
        None => return None,
    };
    match pattern {
        Pattern::Sync if !sync => Some(format!("{name}:{action} cannot be waited for with .sync")),
        Pattern::Sync2 if name != "states" => {
            Some(format!("{name}:{action} cannot be waited for with .sync:2"))
        }
        Pattern::WaitForTaskToken if !token => Some(format!("{name}:{action} cannot wait for a task token")),
        _ => None,
    }
}
