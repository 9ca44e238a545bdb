//! The templates of a job file. A value is encoded for its place in the request; `| safe` opts out.

mod budget;
mod calculate;
mod drawn;
pub(crate) mod exact;
mod filters;
mod guards;
mod named_secrets;
mod names;
mod operators;
mod place;

use std::sync::{Arc, Mutex, PoisonError};

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Enumerator, Object, Value};
use minijinja::{Environment, ErrorKind, Output, State, UndefinedBehavior};

pub use drawn::Drawn;
pub use place::Place;

use budget::{Counted, Sink};

use crate::file::Row;
use crate::file::secrets::Secrets;
use crate::file::vars::Vars;

/// The most steps of the template engine in one rendering.
const FUEL: u64 = 40_000;
/// The bytes above which a column's text is made once for all the times that a template names it.
const LONG: usize = 1024;
const NAME: &str = "template";
/// The functions of every template. Columns with these names are reached through `row`.
const GLOBALS: [&str; 3] = ["range", "dict", "namespace"];

/// A compiled template.
#[derive(Debug, Clone)]
pub struct Template {
    environment: Arc<Environment<'static>>,
    source: Arc<str>,
    /// Set when the template has no placeholder.
    literal: bool,
    /// Set when the template is one placeholder that is a plain column.
    column: Option<Arc<str>>,
    variables: Arc<[String]>,
    secrets: Arc<[String]>,
    named: named_secrets::Named,
    constant: bool,
    /// The functions that it calls to draw values for the line.
    draws: Arc<[&'static str]>,
    vars: Vars,
    /// The variables that it names, with their values.
    named_vars: Arc<[(String, String)]>,
}

impl Template {
    /// Compiles a template for a place.
    ///
    /// # Errors
    /// What is wrong with the template, with its line in the source.
    pub fn new(source: &str, place: Place) -> Result<Self, TemplateError> {
        Self::with_vars(source, place, &Vars::default())
    }

    /// [`Self::new`] for a job with variables.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub(super) fn with_vars(source: &str, place: Place, vars: &Vars) -> Result<Self, TemplateError> {
        Self::compile(source, source, place, UndefinedBehavior::Strict, vars)
    }

    /// Compiles an expression to a template that renders to nothing where the expression is false. A value that
    /// is missing counts as false.
    pub(super) fn condition(expression: &str, vars: &Vars) -> Result<Self, TemplateError> {
        guards::ENVIRONMENT.compile_expression(expression).map_err(error)?;
        let text = format!("{{% if {expression} %}}1{{% endif %}}");
        Self::compile(expression, &text, Place::Text, UndefinedBehavior::Chainable, vars)
    }

    /// `source` is what the user has written, and `text` the template for it.
    fn compile(
        source: &str,
        text: &str,
        place: Place,
        undefined: UndefinedBehavior,
        vars: &Vars,
    ) -> Result<Self, TemplateError> {
        let mut environment = guards::ENVIRONMENT.clone();
        environment.set_undefined_behavior(undefined);
        environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        environment.set_fuel(Some(FUEL));
        let syntax = SyntaxConfig::builder()
            .keep_trailing_newline(true)
            .build()
            .expect("the default marks are consistent");
        environment.set_syntax(syntax);
        environment.set_formatter(move |out, state, value| format(place, out, state, value));
        environment.add_filter("__inside_json", inside_json);
        exact::install(&mut environment);
        let prepared = place::prepare(text, place);
        environment.add_template_owned(NAME, prepared).map_err(error)?;
        let template = environment.get_template(NAME).expect("it was added above");
        if let Some((message, line)) = names::unknown(&environment, &template) {
            return Err(TemplateError { message, line });
        }
        let nested = template.undeclared_variables(true);
        let draws = names::called(&template, &drawn::FUNCTIONS);
        if let Some(name) = names::looked_up(&template, &draws).first() {
            let message = format!(
                "{name}() draws a value, and {name} is also a column here: write row['{name}'] for the column"
            );
            return Err(TemplateError { message, line: 1 });
        }
        let mut secrets: Vec<String> =
            nested.iter().filter_map(|name| name.strip_prefix("secret.")).map(str::to_owned).collect();
        if nested.contains("secret") {
            return Err(TemplateError { message: "name each secret: {{ secret.NAME }}".to_owned(), line: 1 });
        }
        secrets.sort();
        if let Some(message) = vars.check(nested.iter().map(String::as_str)) {
            return Err(TemplateError { message, line: 1 });
        }
        let top = template.undeclared_variables(false);
        let any_row = top.contains("row");
        let mut variables: Vec<String> = top
            .into_iter()
            .filter(|name| name != "secret" && name != "row" && !GLOBALS.contains(&name.as_str()))
            .filter(|name| name != "vars" || vars.value().is_none())
            .filter(|name| !draws.contains(&name.as_str()))
            .collect();
        variables.sort();
        let named = named_secrets::Named::new(&secrets);
        let constant = variables.is_empty() && !any_row && draws.is_empty();
        let template = Self {
            literal: !text.contains("{{") && !text.contains("{%") && !text.contains("{#"),
            column: place::single_column(text).map(Arc::from),
            source: source.into(),
            variables: variables.into(),
            secrets: secrets.into(),
            named,
            constant,
            draws: draws.into(),
            vars: vars.clone(),
            named_vars: vars.among(nested.iter().map(String::as_str)).into(),
            environment: Arc::new(environment),
        };
        Ok(if constant { template.with_constant_name() } else { template })
    }

    /// The source, as it is in the job file.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether the template has no placeholder.
    pub fn is_literal(&self) -> bool {
        self.literal
    }

    /// Whether the template names nothing of a line.
    pub fn is_constant(&self) -> bool {
        self.constant
    }

    /// The column, when the template is one placeholder of a column and nothing else.
    pub fn column(&self) -> Option<&str> {
        self.column.as_deref()
    }

    /// Whether the template draws a value for each line, such as `uuid()`.
    pub fn draws(&self) -> bool {
        !self.draws.is_empty()
    }

    /// Whether the template draws another value than this one.
    pub(super) fn draws_besides(&self, function: &str) -> bool {
        self.draws.iter().any(|name| *name != function)
    }

    /// The columns that the template names at the top level, sorted. `row['x']` is not among them.
    pub fn variables(&self) -> &[String] {
        &self.variables
    }

    /// The secrets that the template names, sorted.
    pub fn secrets(&self) -> &[String] {
        &self.secrets
    }

    /// The variables of the job that the template names, with their values.
    pub fn vars(&self) -> &[(String, String)] {
        &self.named_vars
    }

    /// Renders a template that names nothing of a line.
    ///
    /// # Errors
    /// As [`Self::render`].
    pub fn render_constant(&self, secrets: &Arc<Secrets>) -> Result<String, String> {
        let nothing = Row::Fields { columns: Arc::default(), values: Vec::new() };
        self.render(&Arc::new(nothing), secrets)
    }

    /// Renders the template for one line.
    ///
    /// # Errors
    /// In words, what went wrong: a column that is missing, too much work, a filter that failed.
    pub fn render(&self, row: &Arc<Row>, secrets: &Arc<Secrets>) -> Result<String, String> {
        if self.literal {
            return Ok(self.source.to_string());
        }
        let template = self.environment.get_template(NAME).expect("it was added at construction");
        let vars = self.vars.value().cloned();
        let (row, secrets, draws) = (row.clone(), secrets.clone(), self.draws.clone());
        let scope = Scope { row, secrets, vars, draws, long: Mutex::default() };
        budget::begin();
        let mut sink = Sink::default();
        let rendered = template.render_captured_to(Value::from_object(scope), &mut sink).map(|_| ());
        rendered.map_err(|error| match error.kind() {
            _ if budget::is_exceeded() => {
                format!("the template {:?} produces more than 16 MiB for this line", self.source)
            }
            ErrorKind::UndefinedError => {
                format!("a column of the template {:?} is missing from this line", self.source)
            }
            ErrorKind::OutOfFuel => format!("the template {:?} does too much work", self.source),
            _ => error.detail().map_or_else(|| error.kind().to_string(), str::to_owned),
        })?;
        Ok(sink.into_text())
    }
}

/// What is wrong with a template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TemplateError {
    /// In words.
    pub message: String,
    /// Line within the template, from 1.
    pub line: usize,
}

fn error(error: minijinja::Error) -> TemplateError {
    TemplateError {
        message: error.detail().map_or_else(|| error.kind().to_string(), str::to_owned),
        line: error.line().unwrap_or(1),
    }
}

/// What a template sees: the columns by name, the whole row as `row`, the secrets as `secret`, and the
/// variables of the job as `vars`.
#[derive(Debug)]
struct Scope {
    row: Arc<Row>,
    secrets: Arc<Secrets>,
    /// The variables of the job by name.
    vars: Option<Value>,
    /// The functions that the template calls to draw values: they hide columns of the same names.
    draws: Arc<[&'static str]>,
    /// The values that are not small, by the column's name.
    long: Mutex<Vec<(String, Value)>>,
}

impl Scope {
    fn column(&self, name: &str) -> Option<Value> {
        let mut long = self.long.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, value)) = long.iter().find(|(known, _)| known == name) {
            return Some(value.clone());
        }
        let value = self.row.get(name)?;
        let is_long = value.as_str().map_or_else(|| value.as_object().is_some(), |text| text.len() > LONG);
        if is_long {
            long.push((name.to_owned(), value.clone()));
        }
        Some(value)
    }
}

impl Object for Scope {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        match key {
            "row" => Some(Value::from_object(RowScope(self.clone()))),
            "secret" => Some(Value::from_object(SecretScope(self.secrets.clone()))),
            "vars" if self.vars.is_some() => self.vars.clone(),
            drawn::NAME => self.row.drawn().map(|drawn| Value::from_dyn_object(drawn.clone())),
            name if self.draws.contains(&name) => None,
            name => self.column(name),
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::NonEnumerable
    }
}

#[derive(Debug)]
struct RowScope(Arc<Scope>);

impl Object for RowScope {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.0.column(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        self.0.column(key)
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        self.0.row.enumerate()
    }
}

#[derive(Debug)]
struct SecretScope(Arc<Secrets>);

impl Object for SecretScope {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.0.get(key.as_str()?).map(|secret| Value::from(secret.reveal()))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::NonEnumerable
    }
}

fn format(place: Place, out: &mut Output, _state: &mut State, value: &Value) -> Result<(), minijinja::Error> {
    if value.is_undefined() {
        return Err(minijinja::Error::from(ErrorKind::UndefinedError));
    }
    let safe = value.is_safe();
    let mut out = Counted { out, percent: !safe && matches!(place, Place::Url | Place::Form) };
    if let Some(json) = exact::json(value) {
        return out.text(&json);
    }
    let json = !safe && place == Place::Json;
    match value.as_str() {
        Some(text) if !json => out.text(text),
        _ if !json && value.is_none() => Ok(()),
        _ => {
            // This also checks that the value can be written at all: that it is not too deep or too long.
            budget::text_size(value, 0)?;
            serde_json::to_writer(out, value)
                .map_err(|error| minijinja::Error::new(ErrorKind::BadSerialization, error.to_string()))
        }
    }
}

/// A value inside the quotes of a JSON body: escaped, without further quotes.
fn inside_json(value: Value) -> Result<Value, minijinja::Error> {
    if value.is_safe() || value.is_undefined() {
        return Ok(value);
    }
    budget::allow(budget::text_size(&value, 0)?.saturating_mul(6))?;
    let text = match value.as_str() {
        Some(text) => std::borrow::Cow::Borrowed(text),
        None if value.is_none() => "".into(),
        None if exact::json(&value).is_some() => exact::json(&value).unwrap_or_default().into(),
        None => serde_json::to_string(&value).unwrap_or_else(|_| value.to_string()).into(),
    };
    let quoted = serde_json::Value::String(text.into_owned()).to_string();
    Ok(Value::from_safe_string(quoted[1..quoted.len() - 1].to_owned()))
}
