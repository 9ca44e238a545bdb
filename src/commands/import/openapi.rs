//! An operation of an OpenAPI description (3.x) as a job.

use serde_json::Value;

use super::sketch::Sketch;

const METHODS: [&str; 7] = ["get", "put", "post", "delete", "options", "head", "patch"];
/// The deepest nesting of a body that is written out.
const DEPTH: usize = 6;

/// Reads an operation by its `operationId`, or as `METHOD /path`.
///
/// # Errors
/// In words, why there is no such operation, or what cannot be a job.
pub(super) fn read(description: &Value, wanted: &str) -> Result<Sketch, String> {
    let api = Api(description);
    let (path, method, shared, operation) = api.operation(wanted)?;
    let server = [operation, shared, description]
        .iter()
        .find_map(|place| place["servers"][0]["url"].as_str())
        .filter(|url| url.contains("://"));
    let mut sketch = Sketch::default();
    if server.is_none() {
        let note =
            "the description has no server with a whole URL: write the host in place of api.example.com";
        sketch.notes.push(note.to_owned());
    }
    let server = server.unwrap_or("https://api.example.com").trim_end_matches('/');
    let mut url = format!("{server}{}", placeholders(path));
    let parameters = [shared, operation]
        .into_iter()
        .flat_map(|place| place["parameters"].as_array().into_iter().flatten());
    for parameter in parameters.map(|parameter| api.resolved(parameter)) {
        let name = parameter["name"].as_str().unwrap_or_default();
        let required = parameter["required"] == true;
        match parameter["in"].as_str() {
            Some("query") if required => {
                url += &format!("{}{name}={}", if url.contains('?') { '&' } else { '?' }, placeholder(name));
            }
            Some("header") if required => sketch.header(name, &placeholder(name)),
            Some("query" | "header") => {
                sketch.notes.push(format!("the parameter {name} is optional, and left out"))
            }
            _ => {}
        }
    }
    if method != "get" {
        sketch.set("method", &method.to_ascii_uppercase());
    }
    sketch.set("url", &url);
    let body = &api.resolved(&operation["requestBody"])["content"];
    if let Some((kind, content)) = body.as_object().and_then(|kinds| kinds.iter().next()) {
        if !kind.contains("json") {
            return Err(format!(
                "the operation takes {kind}, and only a body of JSON is imported: write the body by hand"
            ));
        }
        sketch.header("content-type", kind);
        sketch.set("body", &api.body(&content["schema"], "", 0));
    }
    api.security(operation, &mut sketch);
    api.columns(operation, &mut sketch);
    Ok(sketch)
}

struct Api<'a>(&'a Value);

impl<'a> Api<'a> {
    /// The path, the method, what all methods of the path share, and the operation.
    fn operation(&self, wanted: &str) -> Result<(&'a str, &'static str, &'a Value, &'a Value), String> {
        let paths = self.0["paths"].as_object().ok_or("it is not an OpenAPI description: it has no paths")?;
        let mut known = Vec::new();
        for (path, item) in paths {
            for method in METHODS.into_iter().filter(|method| item[method].is_object()) {
                let operation = &item[method];
                let by_place = format!("{} {path}", method.to_ascii_uppercase());
                let id = operation["operationId"].as_str();
                if id == Some(wanted) || by_place.eq_ignore_ascii_case(wanted) {
                    return Ok((path, method, item, operation));
                }
                known.push(id.map_or(by_place, str::to_owned));
            }
        }
        Err(format!("there is no operation {wanted:?}; there are: {}", known.join(", ")))
    }

    /// A part of the description, where `$ref` leads to it.
    fn resolved(&self, part: &'a Value) -> &'a Value {
        let mut part = part;
        for _ in 0..DEPTH {
            let Some(reference) = part["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'))
            else {
                break;
            };
            part = self.0.pointer(reference).unwrap_or(&Value::Null);
        }
        part
    }

    /// The template of a JSON body with the required members of a schema, or with all if none is required. Text is
    /// inserted as text, anything else as it is in the line.
    fn body(&self, schema: &'a Value, name: &str, depth: usize) -> String {
        let schema = self.resolved(schema);
        let kind = schema["type"].as_str().unwrap_or_default();
        let Some(members) = schema["properties"].as_object().filter(|_| depth < DEPTH) else {
            let column = if name.is_empty() { "body" } else { name };
            return match kind {
                "integer" => placeholder(&format!("{column} | int")),
                "number" => placeholder(&format!("{column} | float")),
                _ => placeholder(column),
            };
        };
        let required: Vec<&str> =
            schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let wanted =
            members.iter().filter(|(name, _)| required.is_empty() || required.contains(&name.as_str()));
        let members: Vec<String> = wanted
            .map(|(name, schema)| {
                format!("{}: {}", Value::from(name.as_str()), self.body(schema, name, depth + 1))
            })
            .collect();
        format!("{{{}}}", members.join(", "))
    }

    fn security(&self, operation: &'a Value, sketch: &mut Sketch) {
        let asked =
            if operation["security"].is_array() { &operation["security"] } else { &self.0["security"] };
        let name = asked[0].as_object().and_then(|schemes| schemes.keys().next());
        let Some(scheme) = name.map(|name| self.resolved(&self.0["components"]["securitySchemes"][name]))
        else {
            return;
        };
        match (scheme["type"].as_str(), scheme["scheme"].as_str(), scheme["in"].as_str()) {
            (Some("http"), Some("basic"), _) => sketch.basic("me", None),
            (Some("http"), _, _) => sketch.header("authorization", "Bearer token"),
            (Some("apiKey"), _, Some("header")) => {
                sketch.key("header", scheme["name"].as_str().unwrap_or_default());
            }
            (Some("apiKey"), _, Some("query")) => {
                sketch.key("query", scheme["name"].as_str().unwrap_or_default());
            }
            (Some(other), ..) => {
                sketch.notes.push(format!("the operation asks for {other}: see [auth] in docs/job-file.md"))
            }
            _ => {}
        }
    }

    /// The plain members of the first response of success.
    fn columns(&self, operation: &'a Value, sketch: &mut Sketch) {
        let responses = operation["responses"].as_object();
        let response = responses.into_iter().flatten().find(|(status, _)| status.starts_with('2'));
        let Some((_, response)) = response else { return };
        let content = self.resolved(response)["content"].as_object();
        let json = content.into_iter().flatten().find(|(kind, _)| kind.contains("json"));
        let Some((_, content)) = json else { return };
        let schema = self.resolved(&content["schema"]);
        for (name, member) in schema["properties"].as_object().into_iter().flatten() {
            let plain = !matches!(self.resolved(member)["type"].as_str(), Some("object" | "array"));
            if plain && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
                sketch.column(&format!("response_{name}"), &format!("$.{name}"));
            }
        }
    }
}

/// `/users/{id}` as `/users/{{ id }}`.
fn placeholders(path: &str) -> String {
    let mut text = String::new();
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((name, after)) = after.split_once('}') else { break };
        text += before;
        text += &placeholder(name);
        rest = after;
    }
    text + rest
}

fn placeholder(name: &str) -> String {
    let column = name.split(" | ").next().unwrap_or(name);
    let plain = column.chars().all(|c| c.is_alphanumeric() || c == '_');
    if plain {
        format!("{{{{ {name} }}}}")
    } else {
        format!("{{{{ {} }}}}", name.replacen(column, &format!("row['{column}']"), 1))
    }
}
