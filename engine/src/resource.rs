//! The `Resource` of a Task.

use std::fmt;

/// The callee of a Task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resource {
    /// A Lambda function, by its ARN.
    Function(String),
    /// An activity, by its ARN.
    Activity(String),
    /// An action of a service: `arn:aws:states:::<service>:<action>`.
    Service {
        /// The service, such as `lambda`, `states`, `http` or `aws-sdk:s3`.
        service: String,
        /// The action, such as `invoke` or `getObject`.
        action: String,
        /// The way in which the result is returned.
        pattern: Pattern,
    },
}

/// The service integration pattern (AWS developer guide, "Discover service integration patterns").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pattern {
    /// The task ends with the service's response.
    RequestResponse,
    /// `.sync`: the task ends with the job that it starts.
    Sync,
    /// `.sync:2`: the same, with the job's output as JSON.
    Sync2,
    /// `.waitForTaskToken`: the task ends when its outcome is sent with its token.
    WaitForTaskToken,
}

impl Pattern {
    const ALL: [Pattern; 3] = [Pattern::Sync2, Pattern::Sync, Pattern::WaitForTaskToken];

    fn suffix(self) -> &'static str {
        match self {
            Pattern::RequestResponse => "",
            Pattern::Sync => ".sync",
            Pattern::Sync2 => ".sync:2",
            Pattern::WaitForTaskToken => ".waitForTaskToken",
        }
    }
}

impl Resource {
    /// Parses an ARN. Returns None if it is not the ARN of a function, an activity or an action of a service.
    pub fn parse(arn: &str) -> Option<Self> {
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let ["arn", _, service, _, _, rest] = parts.as_slice() else { return None };
        match *service {
            "lambda" if rest.starts_with("function:") => Some(Resource::Function(arn.to_owned())),
            "states" if rest.starts_with("activity:") => Some(Resource::Activity(arn.to_owned())),
            "states" => {
                let stripped = Pattern::ALL
                    .into_iter()
                    .find_map(|pattern| Some((rest.strip_suffix(pattern.suffix())?, pattern)));
                let (name, pattern) = stripped.unwrap_or((rest, Pattern::RequestResponse));
                let (service, action) = name.rsplit_once(':')?;
                let whole = !service.is_empty() && !action.is_empty();
                whole.then(|| Resource::Service {
                    service: service.to_owned(),
                    action: action.to_owned(),
                    pattern,
                })
            }
            _ => None,
        }
    }

    /// Whether this is the given action of the given service, with any pattern.
    pub fn is(&self, wanted_service: &str, wanted_action: &str) -> bool {
        matches!(self, Resource::Service { service, action, .. } if service == wanted_service && action == wanted_action)
    }

    /// Whether the task has a token by which its outcome can be sent, even if the outcome can also come in
    /// another way.
    pub(crate) fn has_token(&self) -> bool {
        !matches!(self, Resource::Function(_) | Resource::Service { pattern: Pattern::RequestResponse, .. })
    }

    /// Whether the outcome can only come by a token.
    pub fn waits_for_token(&self) -> bool {
        matches!(self, Resource::Activity(_) | Resource::Service { pattern: Pattern::WaitForTaskToken, .. })
    }

    /// The action with its pattern, as history events name it.
    pub(crate) fn action(&self) -> String {
        match self {
            Resource::Function(arn) | Resource::Activity(arn) => arn.clone(),
            Resource::Service { action, pattern, .. } => format!("{action}{}", pattern.suffix()),
        }
    }
}

/// The ARN.
impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Resource::Function(arn) | Resource::Activity(arn) => f.write_str(arn),
            Resource::Service { service, action, pattern } => {
                write!(f, "arn:aws:states:::{service}:{action}{}", pattern.suffix())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arns_are_parsed_and_written() {
        for arn in [
            "arn:aws:lambda:eu-west-1:1:function:f:live",
            "arn:aws:states:eu-west-1:1:activity:a",
            "arn:aws:states:::lambda:invoke",
            "arn:aws:states:::states:startExecution.sync:2",
            "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
            "arn:aws:states:::aws-sdk:s3:getObject",
        ] {
            assert_eq!(Resource::parse(arn).expect(arn).to_string(), arn);
        }
        let sdk = Resource::parse("arn:aws:states:::aws-sdk:s3:getObject").expect("an ARN");
        assert!(sdk.is("aws-sdk:s3", "getObject"));
        for wrong in
            ["", "lambda", "arn:aws:s3:::bucket", "arn:aws:states:::lambda", "arn:aws:states:::lambda:"]
        {
            assert_eq!(Resource::parse(wrong), None, "{wrong}");
        }
    }
}
