//! Definitions that are read from files: JSON, YAML, or the state machines of a CloudFormation template.

mod intrinsics;
mod placeholders;
mod remaining;
mod scalar;
mod template;
mod values;
mod wanted;
mod yaml;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use engine::{ExecutionType, Machine, Problem, Validation};
use serde_json::Value;

use crate::Error;
use placeholders::{Fill, Filled};
pub use values::Values;
use yaml::Places;

/// A definition, with the values of its placeholders filled in.
#[derive(Debug, Clone)]
pub struct Definition {
    /// The file, and for a machine of a template its logical ID: `template.yaml#Orders`.
    name: String,
    /// The file to which the positions of problems belong, if they are not counted from the definition's start.
    source: String,
    /// JSON text. Placeholders without a value are replaced where the language wants something else than text.
    text: String,
    /// The definition with these placeholders as they are written.
    drawn: Value,
    unbound: Vec<String>,
    /// The type in the template.
    execution_type: Option<ExecutionType>,
    places: Option<Places>,
}

/// A definition as it is written in a file.
struct Written {
    name: String,
    source: String,
    text: String,
    places: Option<Places>,
    execution_type: Option<ExecutionType>,
    /// The values that the template gives, by the precedence of their kinds.
    substitutions: BTreeMap<String, String>,
    parameters: BTreeMap<String, String>,
}

impl Definition {
    /// Reads a definition. `FILE#ID` is the state machine with the logical ID `ID` of a template, which may be
    /// left out if the template has only one.
    ///
    /// # Errors
    /// When the file cannot be read, or there are several definitions to choose from.
    pub fn read(path: &Path, values: &Values) -> Result<Self, Error> {
        let mut all = Self::read_all(path, values)?;
        match (all.pop(), all.is_empty()) {
            (Some(definition), true) => Ok(definition),
            (Some(last), false) => {
                let names: Vec<&str> = all.iter().chain([&last]).map(Self::name).collect();
                Err(Error::at(path, format!("choose one of its state machines: {}", names.join(", "))))
            }
            (None, _) => Err(Error::at(path, "the template has no state machine")),
        }
    }

    /// Reads every definition of a file: one, or all state machines of a template.
    ///
    /// # Errors
    /// When the file, or a file that the template names, cannot be read.
    pub fn read_all(path: &Path, values: &Values) -> Result<Vec<Self>, Error> {
        let (file, id) = match path.to_str().and_then(|text| text.rsplit_once('#')) {
            Some((file, id)) if !path.exists() => (Path::new(file), Some(id)),
            _ => (path, None),
        };
        let text = std::fs::read_to_string(file).map_err(|error| Error::at(file, error))?;
        let tree = Tree::of(file, &text)?;
        let written = match tree {
            Some(tree) if template::is_template(&tree.value) => template::machines(file, &tree, id, values)?,
            _ if id.is_some() => {
                return Err(Error::at(path, "the file is not a template with several state machines"));
            }
            tree => vec![Written::plain(file, text, tree)],
        };
        Ok(written.into_iter().map(|written| written.fill(values)).collect())
    }

    /// The name of the definition in messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name to which the positions of problems belong.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The definition as the engine reads it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The definition as it is written, for pictures.
    pub fn drawn(&self) -> &Value {
        &self.drawn
    }

    /// The names of the placeholders without a value, as far as they are whole values, parts of ARNs or numbers.
    pub fn unbound(&self) -> &[String] {
        &self.unbound
    }

    /// For each task: the names of the placeholders without a value that its call needs.
    pub fn unbound_tasks(&self) -> BTreeMap<String, Vec<String>> {
        remaining::tasks(&self.drawn)
    }

    /// The same for the readers and writers of Maps.
    pub fn unbound_maps(&self) -> BTreeMap<String, Vec<String>> {
        remaining::maps(&self.drawn)
    }

    /// The machine of the definition.
    ///
    /// # Errors
    /// All problems of the definition, when it is not valid.
    pub fn compile(&self) -> Result<Arc<Machine>, Error> {
        let machine = engine::compile(&self.text).map_err(|problems| {
            let lines: Vec<String> =
                problems.list().iter().map(|problem| self.place(problem.clone()).to_string()).collect();
            Error::new(format!("{}: the definition is wrong:\n{}", self.source, lines.join("\n")))
        })?;
        Ok(Arc::new(machine))
    }

    /// The diagnostics of the definition, with positions in its file. A template says whether the type is EXPRESS.
    pub fn validate(&self, execution_type: ExecutionType) -> Validation {
        let mut found = engine::validate(&self.text, self.execution_type.unwrap_or(execution_type));
        for diagnostic in &mut found.diagnostics {
            diagnostic.problem = self.place(diagnostic.problem.clone());
        }
        found
    }

    /// The type of the machine: that of the template, or `given`.
    pub fn execution_type(&self, given: ExecutionType) -> ExecutionType {
        self.execution_type.unwrap_or(given)
    }

    fn place(&self, problem: Problem) -> Problem {
        match self.places.as_ref().and_then(|places| places.find(&problem.path)) {
            Some((line, column)) => Problem { line, column, ..problem },
            None => problem,
        }
    }
}

/// A file as JSON. YAML has the places of its values.
struct Tree {
    value: Value,
    places: Option<Places>,
}

impl Tree {
    /// Reads YAML by the file's name, otherwise JSON. None if it is not JSON, which the engine reports with its
    /// place.
    fn of(path: &Path, text: &str) -> Result<Option<Self>, Error> {
        if is_yaml(path) || is_template_name(path) && !text.trim_start().starts_with('{') {
            let (value, places) = yaml::read(text).map_err(|error| Error::at(path, error))?;
            return Ok(Some(Self { value, places: Some(places) }));
        }
        Ok(engine::json::from_str(text).ok().map(|value| Self { value, places: None }))
    }
}

fn is_yaml(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    ending.eq_ignore_ascii_case("yaml") || ending.eq_ignore_ascii_case("yml")
}

/// Whether the file is a template in either format.
fn is_template_name(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "template")
}

impl Written {
    /// A file that holds one definition.
    fn plain(path: &Path, text: String, tree: Option<Tree>) -> Self {
        let (text, places) = match tree {
            Some(Tree { value, places: Some(places) }) => {
                (intrinsics::resolved(&value, &BTreeMap::new()).to_string(), Some(places))
            }
            _ => (text, None),
        };
        let name = path.display().to_string();
        Self {
            source: name.clone(),
            name,
            text,
            places,
            execution_type: None,
            substitutions: BTreeMap::new(),
            parameters: BTreeMap::new(),
        }
    }

    fn fill(self, values: &Values) -> Definition {
        let given = |name: &str| values.get(name).map(str::to_owned);
        let first = |name: &str| given(name).or_else(|| self.substitutions.get(name).cloned());
        // A substitution may name a parameter or an attribute of a resource.
        let second = |name: &str| {
            given(name).or_else(|| self.parameters.get(name).cloned()).or_else(|| values::pseudo(name))
        };
        let text = placeholders::fill(&self.text, &first, Fill::Known).text;
        let drawn = placeholders::fill(&text, &second, Fill::Quoted).text;
        let Filled { text, unbound } = placeholders::fill(&text, &second, Fill::StandIns);
        Definition {
            name: self.name,
            source: self.source,
            text,
            drawn: engine::json::from_str(&drawn).unwrap_or_default(),
            unbound,
            execution_type: self.execution_type,
            places: self.places,
        }
    }
}

/// Reads a file in YAML, if its name says so, or JSON.
///
/// # Errors
/// When it cannot be read, or is not in this format.
pub fn read_document(path: &Path) -> Result<Value, Error> {
    let text = std::fs::read_to_string(path).map_err(|error| Error::at(path, error))?;
    if is_yaml(path) {
        return Ok(yaml::read(&text).map_err(|error| Error::at(path, error))?.0);
    }
    engine::json::from_str(&text)
        .map_err(|error| Error::at(path, format!("the file is not valid JSON: {error}")))
}

/// The path of a file that a template names, relative to the template.
fn beside(template: &Path, named: &str) -> PathBuf {
    template.parent().unwrap_or(Path::new("")).join(named)
}
