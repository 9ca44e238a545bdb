//! The state machines of a CloudFormation or SAM template, and of the `template.json` that CDK writes (AWS
//! CloudFormation Template Reference, "AWS::StepFunctions::StateMachine"; AWS SAM Developer Guide,
//! "AWS::Serverless::StateMachine").

use std::collections::BTreeMap;
use std::path::Path;

use engine::ExecutionType;
use serde_json::Value;

use super::{Tree, Values, Written, beside, intrinsics};
use crate::Error;

const TYPES: [&str; 2] = ["AWS::StepFunctions::StateMachine", "AWS::Serverless::StateMachine"];

/// Whether a file is a template, and not a definition.
pub(super) fn is_template(value: &Value) -> bool {
    value["Resources"].is_object() && value.get("States").is_none()
}

/// The state machines of a template, or only the one with the logical ID `only`.
pub(super) fn machines(
    path: &Path,
    tree: &Tree,
    only: Option<&str>,
    values: &Values,
) -> Result<Vec<Written>, Error> {
    let parameters = parameters(&tree.value, values);
    let resources = tree.value["Resources"].as_object().into_iter().flatten();
    let machines =
        resources.filter(|(_, resource)| resource["Type"].as_str().is_some_and(|kind| TYPES.contains(&kind)));
    let machines: Vec<(&String, &Value)> = machines.collect();
    let known = || machines.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>().join(", ");
    if let Some(only) = only
        && !machines.iter().any(|(id, _)| *id == only)
    {
        let what = format!("the template has no state machine {only:?}; its state machines are {}", known());
        return Err(Error::at(path, what));
    }
    let wanted = machines.iter().filter(|(id, _)| only.is_none_or(|only| *id == only));
    wanted.map(|(id, resource)| machine(path, tree, id, &resource["Properties"], &parameters)).collect()
}

/// The values of the template's parameters: those that the user gave, and their defaults.
fn parameters(template: &Value, values: &Values) -> BTreeMap<String, String> {
    let parameters = template["Parameters"].as_object().into_iter().flatten();
    let value = |(name, parameter): (&String, &Value)| {
        let given = values.get(name).map(str::to_owned);
        let default = || Some(intrinsics::text(parameter.get("Default")?, &BTreeMap::new()));
        Some((name.clone(), given.or_else(default)?))
    };
    parameters.filter_map(value).collect()
}

fn machine(
    path: &Path,
    tree: &Tree,
    id: &str,
    properties: &Value,
    parameters: &BTreeMap<String, String>,
) -> Result<Written, Error> {
    let name = format!("{}#{id}", path.display());
    let substitutions = properties["DefinitionSubstitutions"].as_object().into_iter().flatten();
    let substitutions =
        substitutions.map(|(name, value)| (name.clone(), intrinsics::text(value, parameters)));
    let kind = properties["StateMachineType"].as_str().or(properties["Type"].as_str());
    let written = |source: String, text: String, places| Written {
        name: name.clone(),
        source,
        text,
        places,
        execution_type: kind.map(|kind| match kind {
            "EXPRESS" => ExecutionType::Express,
            _ => ExecutionType::Standard,
        }),
        substitutions: substitutions.clone().collect(),
        parameters: parameters.clone(),
    };
    if let Some(text) = properties.get("DefinitionString") {
        return Ok(written(name.clone(), intrinsics::text(text, parameters), None));
    }
    if let Some(definition) = properties.get("Definition") {
        let pointer = format!("/Resources/{id}/Properties/Definition");
        let (source, places) = match &tree.places {
            Some(places) => (path.display().to_string(), Some(places.below(pointer))),
            None => (name.clone(), None),
        };
        return Ok(written(source, intrinsics::resolved(definition, parameters).to_string(), places));
    }
    let Some(Value::String(uri)) = properties.get("DefinitionUri") else {
        return Err(Error::new(format!(
            "{name}: its definition is not in the template or in a file: it needs DefinitionString, Definition, or a DefinitionUri of a file"
        )));
    };
    let file = beside(path, uri);
    let text = std::fs::read_to_string(&file)
        .map_err(|error| Error::new(format!("{name}: its DefinitionUri {}: {error}", file.display())))?;
    let found = Written::plain(&file, text.clone(), Tree::of(&file, &text)?);
    Ok(written(found.source, found.text, found.places))
}
