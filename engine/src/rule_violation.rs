//! The rules that a definition can violate, in AWS's words: codes as in the API Reference
//! ("ValidateStateMachineDefinitionDiagnostic"), messages and locations as AWS returns them.

/// A violated rule, with the values that AWS's message contains.
#[derive(Debug, Clone, Copy)]
pub(crate) enum RuleViolation<'a> {
    /// A rule for which AWS's message is not known.
    Schema,
    NotAnObject,
    /// The parser's message and its position.
    Json(&'a str, &'a str),
    TooDeep,
    Required(&'a str),
    Unsupported(&'a str),
    OnlyJsonPath(&'a str),
    OnlyJsonata(&'a str),
    LanguageOfMachine,
    /// A field that `Credentials` must have.
    Needed(&'a str),
    AtMostOne(&'a [&'a str]),
    /// The same, but located at the object itself.
    OneOf(&'a [&'a str]),
    ExactlyOne(&'a [&'a str]),
    ConditionForm,
    Type(&'static str),
    /// The least number, and whether the field is a whole number.
    Minimum(f64, bool),
    Maximum(f64, bool),
    Empty,
    Values(&'a [&'a str]),
    StateType,
    Timestamp,
    Path,
    ReferencePath(&'a str),
    /// The value of a field whose name ends in `.$`.
    Template(&'a str),
    JsonataForm,
    Jsonata(&'a str),
    JsonataName(&'a str),
    ReservedVariable,
    VariableName(&'a str),
    ResourceArn,
    Resource(&'a str),
    ReaderResource,
    ExpressPattern(&'a str),
    ExpressActivity,
    ExpressDistributed,
    StatesAll,
    StateName,
    DuplicateState(&'a str),
    LabelName,
    DuplicateLabel,
    Target(&'a str),
    Unreachable(&'a str),
    NoEnd,
}

/// The location that AWS gives, relative to the position that the engine gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Location {
    Here,
    /// The object around it.
    Around,
    Nowhere,
    /// A position in a text that is not JSON.
    Source(String),
}

const SCHEMA: &str = "SCHEMA_VALIDATION_FAILED";
const TARGET: &str = "MISSING_TRANSITION_TARGET";
const JSONATA: &str = "INVALID_JSONATA_EXPRESSION";

impl RuleViolation<'_> {
    /// AWS's code, location and message. Without a message, the engine's own is used.
    pub(crate) fn in_aws_words(self) -> (&'static str, Location, Option<String>) {
        use Location::{Around, Here, Nowhere};
        let (code, spot, message) = match self {
            RuleViolation::Schema => return (SCHEMA, Here, None),
            RuleViolation::TooDeep => return ("TOO_DEEPLY_NESTED", Here, None),
            RuleViolation::StateName => return ("INVALID_STATE_NAME", Here, None),
            RuleViolation::LabelName => return ("INVALID_LABEL_NAME", Here, None),
            RuleViolation::DuplicateLabel => return ("DUPLICATE_LABEL_NAME", Here, None),
            RuleViolation::Json(message, source) => (
                "INVALID_JSON_DESCRIPTION",
                Location::Source(source.into()),
                format!("{message}\n at {source}"),
            ),
            RuleViolation::NotAnObject => (SCHEMA, Nowhere, "Definition must be a valid JSON object".into()),
            RuleViolation::Required(names) => (SCHEMA, Here, format!("These fields are required: [{names}]")),
            RuleViolation::Unsupported(name) => (SCHEMA, Around, format!("Field '{name}' is not supported")),
            RuleViolation::OnlyJsonPath(name) => (SCHEMA, Around, only(name, "JSONata", "JSONPath")),
            RuleViolation::OnlyJsonata(name) => (SCHEMA, Around, only(name, "JSONPath", "JSONata")),
            RuleViolation::LanguageOfMachine => (
                SCHEMA,
                Here,
                "'QueryLanguage' can not be 'JSONPath' if set to 'JSONata' for whole state machine".into(),
            ),
            RuleViolation::Needed(name) => {
                (SCHEMA, Here, format!("The field '{name}' is required but was missing"))
            }
            RuleViolation::AtMostOne(names) => (SCHEMA, Around, one_of(names)),
            RuleViolation::OneOf(names) => (SCHEMA, Here, one_of(names)),
            RuleViolation::ExactlyOne(names) => (
                SCHEMA,
                Here,
                format!("This object should have only one of the following fields: [{}]", names.join(", ")),
            ),
            RuleViolation::ConditionForm => (
                SCHEMA,
                Here,
                "The object must have only one of the following fields, [And, Or, Not, Variable, Condition]"
                    .into(),
            ),
            RuleViolation::Type(name) => (SCHEMA, Here, format!("Expected value of type {name}")),
            RuleViolation::Minimum(number, whole) => {
                (SCHEMA, Here, format!("Minimum value is {}", bound(number, whole)))
            }
            RuleViolation::Maximum(number, whole) => {
                (SCHEMA, Here, format!("Maximum value is {}", bound(number, whole)))
            }
            RuleViolation::Empty => (SCHEMA, Here, "Value cannot be empty".into()),
            RuleViolation::Values(values) => {
                (SCHEMA, Here, format!("Value should be one of the following: [{}]", values.join(", ")))
            }
            RuleViolation::StateType => {
                let types = "Task, Wait, Pass, Succeed, Fail, Choice, Parallel, Map";
                (SCHEMA, Here, format!("The field 'Type' should have one of these values: [{types}]"))
            }
            RuleViolation::Timestamp => (SCHEMA, Here, "String does not match RFC3339 timestamp".into()),
            RuleViolation::Path => (SCHEMA, Here, "Value must be a valid JSONPath.".into()),
            RuleViolation::ReferencePath(reason) => {
                (SCHEMA, Here, format!("Value is not a Reference Path: {reason}"))
            }
            RuleViolation::Template(field) => {
                let forms = "must be a valid JSONPath or a valid intrinsic function call";
                (SCHEMA, Around, format!("The value for the field '{field}' {forms}"))
            }
            RuleViolation::JsonataForm => {
                (SCHEMA, Here, "JSONata string must start with {% and end with %}".into())
            }
            RuleViolation::JsonataName(what) => ("UNSUPPORTED_JSONATA_EXPRESSION", Here, what.into()),
            RuleViolation::Jsonata(reason) => (JSONATA, Here, reason.into()),
            RuleViolation::ReservedVariable => {
                ("RESERVED_VARIABLE_NAME", Here, "Cannot assign to reserved variable '$states'.".into())
            }
            RuleViolation::VariableName(name) => (
                "INVALID_VARIABLE_NAME",
                Here,
                format!("Invalid variable name '{name}': the variable name contains invalid characters."),
            ),
            RuleViolation::ResourceArn => (SCHEMA, Here, "Value is not a valid resource ARN".into()),
            RuleViolation::Resource(arn) => {
                let why =
                    "The value is not a valid resource ARN, or the resource is not available in this region.";
                (SCHEMA, Here, format!("The resource provided {arn} is not recognized. {why}"))
            }
            RuleViolation::ReaderResource => {
                (SCHEMA, Here, "The field 'Resource' does not match any of the allowed values".into())
            }
            RuleViolation::ExpressPattern(pattern) => {
                // AWS's message has an extra space after this pattern.
                let end = if pattern == ".waitForTaskToken" { " " } else { "" };
                (
                    SCHEMA,
                    Here,
                    format!("Express state machine does not support '{pattern}' service integration{end}"),
                )
            }
            RuleViolation::ExpressActivity => {
                (SCHEMA, Here, "Express state machine does not support Activity ARN".into())
            }
            RuleViolation::ExpressDistributed => {
                let message = "The field 'Mode' with value 'DISTRIBUTED' is not supported inside 'EXPRESS' state machines";
                (SCHEMA, Here, message.into())
            }
            RuleViolation::StatesAll => {
                (SCHEMA, Here, "States.ALL must appear alone and at end of list".into())
            }
            RuleViolation::DuplicateState(name) => {
                ("DUPLICATE_STATE_NAME", Here, format!("Duplicate State name: {name}"))
            }
            RuleViolation::Target(name) => (TARGET, Here, format!("Missing 'Next' target: {name}")),
            RuleViolation::Unreachable(name) => (TARGET, Here, format!("State \"{name}\" is not reachable.")),
            RuleViolation::NoEnd => ("MISSING_END_STATE", Nowhere, "Workflow has no terminal state".into()),
        };
        (code, spot, Some(message))
    }
}

/// A bound as AWS writes it: `0.0` where fractions are allowed.
fn bound(number: f64, whole: bool) -> String {
    if whole { number.to_string() } else { format!("{number:?}") }
}

fn one_of(names: &[&str]) -> String {
    format!("There should only be one of the following fields: [{}]", names.join(", "))
}

fn only(field: &str, is: &str, must: &str) -> String {
    format!(
        "The QueryLanguage is set to '{is}', but field '{field}' is only supported for the '{must}' QueryLanguage"
    )
}
