//! Templates of the job file. A value is encoded for the place it stands in; `| safe` opts out.

pub(crate) mod exact;
mod names;
mod place;

use std::sync::Arc;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Enumerator, Object, Value};
use minijinja::{Environment, ErrorKind, Output, State, UndefinedBehavior};

pub use place::Place;

use crate::row::Row;
use crate::secrets::Secrets;

/// Steps of the template machine that one rendering may take.
const FUEL: u64 = 20_000;
/// Bytes that one rendering may produce.
const MAX_RENDERED: usize = 16 << 20;
const NAME: &str = "template";
/// What every template may call; columns of these names are reached through `row`.
const GLOBALS: [&str; 4] = ["range", "dict", "debug", "namespace"];

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
}

impl Template {
    /// Compiles a template for a place.
    ///
    /// # Errors
    /// What is wrong with it, and the byte in the source where.
    pub fn new(source: &str, place: Place) -> Result<Self, TemplateError> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        environment.set_fuel(Some(FUEL));
        let syntax = SyntaxConfig::builder().keep_trailing_newline(true).build().expect("the default marks are consistent");
        environment.set_syntax(syntax);
        environment.set_formatter(move |out, state, value| format(place, out, state, value));
        environment.add_filter("__inside_json", inside_json);
        exact::install(&mut environment);
        let prepared = place::prepare(source, place);
        environment.add_template_owned(NAME, prepared).map_err(|error| TemplateError {
            message: error.detail().map_or_else(|| error.kind().to_string(), str::to_owned),
            line: error.line().unwrap_or(1),
        })?;
        let template = environment.get_template(NAME).expect("it was added above");
        if let Some((message, line)) = names::unknown(&environment, &template) {
            return Err(TemplateError { message, line });
        }
        let nested = template.undeclared_variables(true);
        let mut secrets: Vec<String> = nested.iter().filter_map(|name| name.strip_prefix("secret.")).map(str::to_owned).collect();
        if nested.contains("secret") {
            return Err(TemplateError { message: "name each secret: {{ secret.NAME }}".to_owned(), line: 1 });
        }
        secrets.sort();
        let top = template.undeclared_variables(false);
        let mut variables: Vec<String> =
            top.into_iter().filter(|name| name != "secret" && name != "row" && !GLOBALS.contains(&name.as_str())).collect();
        variables.sort();
        Ok(Self {
            literal: !source.contains("{{") && !source.contains("{%") && !source.contains("{#"),
            column: place::single_column(source).map(Arc::from),
            source: source.into(),
            variables: variables.into(),
            secrets: secrets.into(),
            environment: Arc::new(environment),
        })
    }

    /// The source as it stands in the job file.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether it has no placeholder.
    pub fn is_literal(&self) -> bool {
        self.literal
    }

    /// The column, when the template is one placeholder of a column and nothing else.
    pub fn column(&self) -> Option<&str> {
        self.column.as_deref()
    }

    /// The columns it names at the top level, sorted; `row['x']` is not among them.
    pub fn variables(&self) -> &[String] {
        &self.variables
    }

    /// The secrets it names, sorted.
    pub fn secrets(&self) -> &[String] {
        &self.secrets
    }

    /// Renders for one line.
    ///
    /// # Errors
    /// In words, what went wrong: a column that is missing, too much work, a filter that failed.
    pub fn render(&self, row: &Arc<Row>, secrets: &Arc<Secrets>) -> Result<String, String> {
        if self.literal {
            return Ok(self.source.to_string());
        }
        let template = self.environment.get_template(NAME).expect("it was added at construction");
        let scope = Scope { row: row.clone(), secrets: secrets.clone() };
        let text = template.render(Value::from_object(scope)).map_err(|error| match error.kind() {
            ErrorKind::UndefinedError => format!("a column of the template {:?} is missing from this line", self.source),
            ErrorKind::OutOfFuel => format!("the template {:?} does too much work", self.source),
            _ => error.detail().map_or_else(|| error.kind().to_string(), str::to_owned),
        })?;
        if text.len() > MAX_RENDERED {
            Err(format!("the template {:?} renders more than {MAX_RENDERED} bytes", self.source))
        } else {
            Ok(text)
        }
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

/// What a template sees: the columns by name, the whole row as `row`, the secrets as `secret`.
#[derive(Debug)]
struct Scope {
    row: Arc<Row>,
    secrets: Arc<Secrets>,
}

impl Object for Scope {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        match key {
            "row" => Some(Value::from_dyn_object(self.row.clone())),
            "secret" => Some(Value::from_object(SecretScope(self.secrets.clone()))),
            name => self.row.get(name),
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::NonEnumerable
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
    let text = if let (Some(json), Place::Json) = (exact::json(value), place) {
        json
    } else if value.is_safe() {
        plain(value)
    } else {
        match place {
            Place::Url | Place::Form => place::percent_encode(&plain(value)),
            Place::Json => serde_json::to_string(value).map_err(|e| minijinja::Error::new(ErrorKind::BadSerialization, e.to_string()))?,
            Place::Header | Place::Text => plain(value),
        }
    };
    out.write_str(&text).map_err(minijinja::Error::from)
}

/// A value as text: null is nothing, true and false in lower case, arrays and objects as JSON.
fn plain(value: &Value) -> String {
    if let Some(text) = value.as_str() {
        return text.to_owned();
    }
    if value.is_none() {
        return String::new();
    }
    if let Some(json) = exact::json(value) {
        return json;
    }
    serde_json::to_string(value).unwrap_or_else(|_| value.to_string())
}

/// A value inside the quotes of a JSON body: escaped, without quotes of its own.
fn inside_json(value: Value) -> Value {
    if value.is_safe() || value.is_undefined() {
        return value;
    }
    let quoted = serde_json::Value::String(plain(&value)).to_string();
    Value::from_safe_string(quoted[1..quoted.len() - 1].to_owned())
}
