//! Placeholders of a definition: `${Name}`.

use serde_json::Value;

use super::wanted::Wanted;

/// What becomes of a placeholder without a value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Fill {
    /// It remains as it is written.
    Known,
    /// It remains, and is quoted where it is not part of a text.
    Quoted,
    /// Where the language wants an ARN, a number, a time or a truth value, one stands for it.
    StandIns,
}

/// A text with the values of its placeholders.
pub(super) struct Filled {
    pub(super) text: String,
    /// The names of placeholders without a value that are whole values, parts of ARNs or numbers, each once.
    pub(super) unbound: Vec<String>,
}

/// Fills in the placeholders of a JSON text. The text need not be JSON before: a placeholder may stand for a
/// number, as in `"Seconds": ${Wait}`.
pub(super) fn fill(json: &str, value: &dyn Fn(&str) -> Option<String>, how: Fill) -> Filled {
    let mut filler = Filler { value, how, text: String::with_capacity(json.len()), unbound: Vec::new() };
    let mut key = "";
    let mut rest = json;
    while let Some(at) = rest.find(['"', '$']) {
        filler.text.push_str(&rest[..at]);
        rest = &rest[at..];
        if rest.starts_with('"') {
            let length = string_length(rest);
            let (string, after) = rest.split_at(length);
            let content = string.get(1..length - 1).filter(|_| string.ends_with('"')).unwrap_or_default();
            if after.trim_start().starts_with(':') {
                key = content;
                filler.key(string);
            } else if content.contains("${") {
                filler.string(key, content);
            } else {
                filler.text.push_str(string);
            }
            rest = after;
        } else if let Some((name, length)) = placeholder(rest) {
            filler.bare(key, name);
            rest = &rest[length..];
        } else {
            filler.text.push('$');
            rest = &rest[1..];
        }
    }
    filler.text.push_str(rest);
    Filled { text: filler.text, unbound: filler.unbound }
}

struct Filler<'a> {
    value: &'a dyn Fn(&str) -> Option<String>,
    how: Fill,
    text: String,
    unbound: Vec<String>,
}

impl Filler<'_> {
    /// Adds a string, whose `content` is as it is written in JSON.
    fn string(&mut self, key: &str, content: &str) {
        let whole = placeholder(content).filter(|(_, length)| *length == content.len()).map(|(name, _)| name);
        if let Some(name) = whole
            && let Some(kind) = Wanted::of(key)
        {
            match (self.value)(name) {
                // A number, time or truth value is not quoted.
                Some(value) if kind.accepts(&value) => return self.text.push_str(&value),
                None if self.how == Fill::StandIns => {
                    self.note(name);
                    return self.text.push_str(kind.stand_in(key));
                }
                _ => {}
            }
        }
        let counts = whole.is_some() || content.starts_with("arn:") || key == "Resource";
        let mut filled = String::new();
        let mut rest = content;
        while let Some(at) = rest.find("${") {
            filled.push_str(&rest[..at]);
            rest = &rest[at..];
            let Some((name, length)) = placeholder(rest) else {
                filled.push_str("${");
                rest = &rest[2..];
                continue;
            };
            match (self.value)(name) {
                Some(value) => {
                    filled.push_str(&escaped(value));
                }
                None => {
                    if counts {
                        self.note(name);
                    }
                    let stand_in = self.how == Fill::StandIns && key == "Resource";
                    filled.push_str(if stand_in { name } else { &rest[..length] });
                }
            }
            rest = &rest[length..];
        }
        filled.push_str(rest);
        let no_arn = content.starts_with("${") && !filled.starts_with("arn:") && !filled.starts_with("${");
        if self.how == Fill::StandIns && key == "Resource" && no_arn {
            filled = format!("arn:aws:lambda:us-east-1:123456789012:function:{filled}");
        }
        self.text.push('"');
        self.text.push_str(&filled);
        self.text.push('"');
    }

    /// Adds a name, with the values of the placeholders in it.
    fn key(&mut self, string: &str) {
        let mut rest = string;
        while let Some(at) = rest.find("${") {
            self.text.push_str(&rest[..at]);
            rest = &rest[at..];
            let value = placeholder(rest).and_then(|(name, length)| Some(((self.value)(name)?, length)));
            match value {
                Some((value, length)) => {
                    self.text.push_str(&escaped(value));
                    rest = &rest[length..];
                }
                None => {
                    self.text.push_str("${");
                    rest = &rest[2..];
                }
            }
        }
        self.text.push_str(rest);
    }

    /// Adds a placeholder that is not part of a string.
    fn bare(&mut self, key: &str, name: &str) {
        match ((self.value)(name), self.how) {
            (Some(value), _) => self.text.push_str(&value),
            (None, Fill::Known) => self.text.push_str(&format!("${{{name}}}")),
            (None, how) => {
                self.note(name);
                match Wanted::of(key).filter(|_| how == Fill::StandIns) {
                    Some(kind) => self.text.push_str(kind.stand_in(key)),
                    None => self.text.push_str(&format!("\"${{{name}}}\"")),
                }
            }
        }
    }

    fn note(&mut self, name: &str) {
        if !self.unbound.iter().any(|known| known == name) {
            self.unbound.push(name.to_owned());
        }
    }
}

/// A text as it is written in a JSON string.
fn escaped(text: String) -> String {
    let quoted = Value::String(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

/// The length of the string at the beginning of a JSON text, with its quotation marks.
fn string_length(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The name and the length of the placeholder at the beginning of a text.
pub(super) fn placeholder(text: &str) -> Option<(&str, usize)> {
    let name = text.strip_prefix("${")?.split_once('}')?.0;
    let plain = |c: char| c.is_ascii_alphanumeric() || "_.:-[]".contains(c);
    (!name.is_empty() && name.chars().all(plain)).then_some((name, name.len() + 3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_filled_where_they_are_written() {
        let value = |name: &str| match name {
            "A" => Some("arn:aws:lambda:us-east-1:1:function:a\"b".to_owned()),
            "N" => Some("5".to_owned()),
            _ => None,
        };
        let text = |json: &str, how| fill(json, &value, how).text;
        assert_eq!(
            text(r#"{"Resource": "${A}"}"#, Fill::Known),
            r#"{"Resource": "arn:aws:lambda:us-east-1:1:function:a\"b"}"#
        );
        assert_eq!(
            text(r#"{"Seconds": ${N}, "MaxAttempts": "${N}", "x": "${N}"}"#, Fill::Known),
            r#"{"Seconds": 5, "MaxAttempts": 5, "x": "5"}"#
        );
        assert_eq!(
            text(r#"{"Resource": "${F}:live", "Seconds": ${W}, "\"": "$${}${"}"#, Fill::StandIns),
            r#"{"Resource": "arn:aws:lambda:us-east-1:123456789012:function:F:live", "Seconds": 1, "\"": "$${}${"}"#
        );
        assert_eq!(
            text(r#"{"Resource": "arn:aws:states:::${S}:publish", "Seconds": ${W}}"#, Fill::Quoted),
            r#"{"Resource": "arn:aws:states:::${S}:publish", "Seconds": "${W}"}"#
        );
        assert_eq!(
            fill(r#"["${B}", "say \"${C}\"", "arn:${D}", "${B}"]"#, &value, Fill::StandIns).unbound,
            ["B", "D"]
        );
    }
}
