//! ARNs of Step Functions (AWS Service Authorization Reference, "Resource types defined by AWS Step
//! Functions"), and names.

use crate::api::ApiError;

/// The Region and the account of a server, which are in the ARNs that it makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The Region, such as `us-east-1`.
    pub region: String,
    /// The account: 12 digits.
    pub account: String,
}

impl Place {
    fn arn(&self, kind: &str, rest: &str) -> String {
        format!("{}:{kind}:{rest}", self.arn_prefix())
    }

    /// The beginning of all ARNs of the server.
    pub(crate) fn arn_prefix(&self) -> String {
        format!("arn:aws:states:{}:{}", self.region, self.account)
    }

    pub(crate) fn machine(&self, name: &str) -> String {
        self.arn("stateMachine", name)
    }

    /// A version (its number) or an alias (its name) of a machine.
    pub(crate) fn qualified(&self, name: &str, qualifier: &str) -> String {
        self.arn("stateMachine", &format!("{name}:{qualifier}"))
    }

    pub(crate) fn execution(&self, machine: &str, name: &str) -> String {
        self.arn("execution", &format!("{machine}:{name}"))
    }

    /// An execution of an Express machine. `id` tells executions of one name apart.
    pub(crate) fn express(&self, machine: &str, name: &str, id: &str) -> String {
        self.arn("express", &format!("{machine}:{name}:{id}"))
    }

    pub(crate) fn activity(&self, name: &str) -> String {
        self.arn("activity", name)
    }
}

/// An ARN, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Arn<'a> {
    /// `stateMachine:NAME`, `stateMachine:NAME:QUALIFIER`. The name of a Distributed Map's machine is
    /// `NAME/LABEL`.
    Machine { name: &'a str, qualifier: Option<&'a str> },
    /// `execution:MACHINE:NAME`
    Execution { machine: &'a str, name: &'a str },
    /// `express:MACHINE:NAME:ID`
    Express,
    /// `mapRun:MACHINE/LABEL:ID`
    MapRun,
    /// `activity:NAME`
    Activity { name: &'a str },
}

impl<'a> Arn<'a> {
    /// Takes an ARN apart.
    ///
    /// # Errors
    /// `InvalidArn` with AWS's message. An ARN of another Region or account is well-formed: its resource does
    /// not exist.
    pub(crate) fn parse(text: &'a str) -> Result<Self, ApiError> {
        let bad_prefix = || ApiError::new("InvalidArn", format!("Invalid Arn: 'Invalid ARN prefix: {text}'"));
        let mut parts = text.splitn(6, ':');
        let (arn, partition, service) = (parts.next(), parts.next(), parts.next());
        let (region, account, resource) = (parts.next(), parts.next(), parts.next());
        let partition = partition.unwrap_or_default();
        if arn != Some("arn") || !partition.starts_with("aws") || service != Some("states") {
            return Err(bad_prefix());
        }
        let (Some(region), Some(account), Some(resource)) = (region, account, resource) else {
            return Err(bad_prefix());
        };
        if region.is_empty() || account.is_empty() {
            return Err(bad_prefix());
        }
        let (kind, rest) = resource.split_once(':').ok_or_else(bad_prefix)?;
        let parts: Vec<&str> = rest.split(':').collect();
        match (kind, parts.as_slice()) {
            (_, parts) if parts.iter().any(|part| part.is_empty()) => Err(bad_prefix()),
            ("stateMachine", [name]) => Ok(Arn::Machine { name, qualifier: None }),
            ("stateMachine", [name, qualifier]) => Ok(Arn::Machine { name, qualifier: Some(qualifier) }),
            ("execution", [machine, name]) => Ok(Arn::Execution { machine, name }),
            ("express", [_, _, _]) => Ok(Arn::Express),
            ("mapRun", [_, _]) => Ok(Arn::MapRun),
            ("activity", [name]) => Ok(Arn::Activity { name }),
            _ => Err(bad_prefix()),
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Arn::Machine { .. } => "stateMachine",
            Arn::Execution { .. } => "execution",
            Arn::Express => "express",
            Arn::MapRun => "mapRun",
            Arn::Activity { .. } => "activity",
        }
    }

    /// The error for a resource of another kind than the operation's.
    pub(crate) fn wrong_kind(&self) -> ApiError {
        let kind = self.kind();
        ApiError::new("InvalidArn", format!("Invalid Arn: 'Resource type not valid in this context: {kind}'"))
    }
}

/// The name of an activity.
pub(crate) fn activity(arn: &str) -> Result<&str, ApiError> {
    match Arn::parse(arn)? {
        Arn::Activity { name } => Ok(name),
        other => Err(other.wrong_kind()),
    }
}

/// The machine of an ARN, and its qualifier.
pub(crate) fn machine(arn: &str) -> Result<(&str, Option<&str>), ApiError> {
    match Arn::parse(arn)? {
        Arn::Machine { name, qualifier } => Ok((name, qualifier)),
        other => Err(other.wrong_kind()),
    }
}

/// The machine and the name of a Standard execution.
pub(crate) fn execution(arn: &str) -> Result<(&str, &str), ApiError> {
    match Arn::parse(arn)? {
        Arn::Execution { machine, name } => Ok((machine, name)),
        other => Err(other.wrong_kind()),
    }
}

/// Checks the name of a machine, an execution or an activity (AWS Step Functions API Reference,
/// "CreateStateMachine", `name`).
///
/// # Errors
/// `InvalidName`
pub(crate) fn check_name(name: &str) -> Result<(), ApiError> {
    let length = name.chars().count();
    let allowed = |c: char| {
        !c.is_whitespace()
            && !"<>{}[]?*\"#%\\^|~`$&,;:/".contains(c)
            && !matches!(c, '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{fffe}'..='\u{ffff}' | '\u{10ffff}')
    };
    if (1..=80).contains(&length) && name.chars().all(allowed) {
        return Ok(());
    }
    Err(ApiError::new("InvalidName", format!("Invalid Name: '{name}'")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn arns_are_taken_apart_and_others_are_refused() {
        let place = Place { region: "us-east-1".into(), account: "000000000000".into() };
        assert_eq!(machine(&place.machine("m")).unwrap(), ("m", None));
        assert_eq!(machine(&place.qualified("m", "7")).unwrap(), ("m", Some("7")));
        assert_eq!(execution(&place.execution("m", "e")).unwrap(), ("m", "e"));
        assert_eq!(activity(&place.activity("a")).unwrap(), "a");
        for wrong in [
            "",
            "m",
            "arn:aws:states:us-east-1:0",
            "arn:aws:lambda:us-east-1:0:function:f",
            "arn:aws:states:us-east-1:0:stateMachine:",
            "arn:aws:states:us-east-1:0:stateMachine:a:b:c",
            "arn:aws:states:us-east-1:0:execution:m",
        ] {
            let error = Arn::parse(wrong).unwrap_err();
            assert_eq!(error.message, format!("Invalid Arn: 'Invalid ARN prefix: {wrong}'"));
        }
        let express = execution(&place.express("m", "e", "1")).unwrap_err();
        assert_eq!(express.message, "Invalid Arn: 'Resource type not valid in this context: express'");
    }

    #[test]
    fn names_have_the_characters_that_aws_allows() {
        for name in ["a", "a-b_c.d!@()='+", "ä", &"x".repeat(80)] {
            check_name(name).unwrap();
        }
        for name in ["", " ", "a b", "a:b", "a/b", "a<", "a\u{7f}", "a\u{fffe}", &"x".repeat(81)] {
            assert_eq!(check_name(name).unwrap_err().code, "InvalidName", "{name}");
        }
    }
}
