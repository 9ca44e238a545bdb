//! What a key must be to use an operation.

use super::ApiError;
use crate::keys::{Key, Role};

/// The operations with the role that may use them; [`allow`] says what the other roles may.
const OPERATIONS: [(&str, Role); 37] = [
    ("CreateActivity", Role::Admin),
    ("CreateStateMachine", Role::Admin),
    ("CreateStateMachineAlias", Role::Admin),
    ("DeleteActivity", Role::Admin),
    ("DeleteStateMachine", Role::Admin),
    ("DeleteStateMachineAlias", Role::Admin),
    ("DeleteStateMachineVersion", Role::Admin),
    ("DescribeActivity", Role::Viewer),
    ("DescribeExecution", Role::Viewer),
    ("DescribeMapRun", Role::Viewer),
    ("DescribeStateMachine", Role::Viewer),
    ("DescribeStateMachineAlias", Role::Viewer),
    ("DescribeStateMachineForExecution", Role::Viewer),
    ("GetActivityTask", Role::Worker),
    ("GetExecutionHistory", Role::Viewer),
    ("ListActivities", Role::Viewer),
    ("ListExecutions", Role::Viewer),
    ("ListMapRuns", Role::Viewer),
    ("ListStateMachineAliases", Role::Viewer),
    ("ListStateMachineVersions", Role::Viewer),
    ("ListStateMachines", Role::Viewer),
    ("ListTagsForResource", Role::Viewer),
    ("PublishStateMachineVersion", Role::Admin),
    ("RedriveExecution", Role::Operator),
    ("SendTaskFailure", Role::Worker),
    ("SendTaskHeartbeat", Role::Worker),
    ("SendTaskSuccess", Role::Worker),
    ("StartExecution", Role::Operator),
    ("StartSyncExecution", Role::Operator),
    ("StopExecution", Role::Operator),
    ("TagResource", Role::Admin),
    ("TestState", Role::Admin),
    ("UntagResource", Role::Admin),
    ("UpdateMapRun", Role::Operator),
    ("UpdateStateMachine", Role::Admin),
    ("UpdateStateMachineAlias", Role::Admin),
    ("ValidateStateMachineDefinition", Role::Viewer),
];

/// Checks that a key may use an operation.
///
/// # Errors
/// `AccessDeniedException`; `UnknownOperationException` for an operation that Step Functions does not have.
pub(super) fn allow(key: &Key, operation: &str) -> Result<(), ApiError> {
    let Some((_, needed)) = OPERATIONS.iter().find(|(name, _)| *name == operation) else {
        return Err(unknown(operation));
    };
    if key.role.may(*needed) {
        return Ok(());
    }
    Err(ApiError::new(
        "AccessDeniedException",
        format!(
            "the key {} has the role {:?}, which is not authorized to perform: states:{operation}",
            key.id,
            key.role.name()
        ),
    ))
}

pub(super) fn exists(operation: &str) -> bool {
    OPERATIONS.iter().any(|(name, _)| *name == operation)
}

pub(super) fn unknown(operation: &str) -> ApiError {
    ApiError::new("UnknownOperationException", format!("the operation {operation:?} does not exist"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(role: Role) -> Vec<&'static str> {
        let key = Key { id: "K".into(), secret: String::new(), role };
        OPERATIONS.iter().map(|(name, _)| *name).filter(|name| allow(&key, name).is_ok()).collect()
    }

    #[test]
    fn every_operation_has_a_role() {
        let table = include_str!("constraints.tsv").lines().filter(|line| !line.starts_with('#'));
        for operation in table.filter_map(|line| line.split('\t').next()) {
            assert!(OPERATIONS.iter().any(|(name, _)| *name == operation), "{operation}");
        }
        assert_eq!(allowed(Role::Admin).len(), OPERATIONS.len());
    }

    #[test]
    fn roles_may_do_what_they_are_for() {
        assert_eq!(
            allowed(Role::Worker),
            ["GetActivityTask", "SendTaskFailure", "SendTaskHeartbeat", "SendTaskSuccess"]
        );
        let reads = ["Describe", "Get", "List", "Validate"];
        let viewer = allowed(Role::Viewer);
        assert!(viewer.iter().all(|name| reads.iter().any(|read| name.starts_with(read))), "{viewer:?}");
        let operator = allowed(Role::Operator);
        let changes = ["Create", "Update", "Delete", "Publish", "Tag", "Untag"];
        let changing = |name: &&str| changes.iter().any(|change| name.starts_with(change));
        assert_eq!(
            operator.iter().copied().filter(|name| changing(name)).collect::<Vec<_>>(),
            ["UpdateMapRun"]
        );
        assert!(operator.contains(&"StopExecution") && operator.contains(&"SendTaskSuccess"));
    }
}
