//! Secrets: the references in the job file, and the values in a type that never prints them.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

/// Where a secret's value is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretRef {
    /// `env:NAME`: an environment variable.
    Env(String),
    /// `file:PATH`: a file's content without the line break at its end.
    File(PathBuf),
    /// `ssm:NAME`: a parameter below `/throughline/<job>/`.
    Ssm(String),
    /// `secretsmanager:NAME`: a secret below `throughline/<job>/`.
    SecretsManager(String),
}

impl SecretRef {
    /// Reads the notation of the job file's `[secrets]` table.
    ///
    /// # Errors
    /// In words, what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some((_, "")) => Err(format!("{text:?} names nothing after the colon")),
            Some(("env", name)) => Ok(Self::Env(name.to_owned())),
            Some(("file", path)) => Ok(Self::File(path.into())),
            Some(("ssm", name)) => Ok(Self::Ssm(name.to_owned())),
            Some(("secretsmanager", name)) => Ok(Self::SecretsManager(name.to_owned())),
            _ => {
                Err("a secret is a reference: write env:NAME, file:PATH, ssm:NAME or secretsmanager:NAME, never the value itself"
                    .to_owned())
            }
        }
    }
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Ssm(name) => write!(f, "ssm:{name}"),
            Self::SecretsManager(name) => write!(f, "secretsmanager:{name}"),
        }
    }
}

/// A secret's value. It prints as `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a value.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// Reads a value from where it is kept. A byte order mark before it and line ends after it are not a part
    /// of it.
    ///
    /// # Errors
    /// In words, when nothing is left.
    pub fn read(kept: &str) -> Result<Self, String> {
        let value = kept.trim_start_matches('\u{feff}').trim_end_matches(['\r', '\n']);
        if value.trim().is_empty() { Err("it is empty".to_owned()) } else { Ok(Self::new(value)) }
    }

    /// In words, the first character that a header cannot carry or that is invisible.
    pub(crate) fn unsendable(&self) -> Option<String> {
        let unsendable = |c: &char| {
            let invisible = matches!(*c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202f}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
            c.is_control() || invisible || (c.is_whitespace() && *c != ' ')
        };
        self.0.chars().find(unsendable).map(|c| match c {
            '\r' | '\n' => "a line break within it".to_owned(),
            c if c.is_control() => format!("the control character U+{:04X}", u32::from(c)),
            c => format!("the invisible character U+{:04X}", u32::from(c)),
        })
    }

    /// The forms in which a server may quote the value: as it is, and without blanks around it.
    pub fn forms(&self) -> impl Iterator<Item = &str> {
        let trimmed = self.0.trim();
        std::iter::once(self.0.as_str()).chain((trimmed != self.0).then_some(trimmed))
    }

    /// The value itself, for the one place that sends it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// The values of a job's secrets by name.
#[derive(Debug, Clone, Default)]
pub struct Secrets(BTreeMap<String, Secret>);

impl Secrets {
    /// A table in which every value is the mask, to show a request to a person.
    pub fn masked(names: impl IntoIterator<Item = String>) -> Self {
        Self(names.into_iter().map(|name| (name, Secret::new("***"))).collect())
    }

    /// One value.
    pub fn get(&self, name: &str) -> Option<&Secret> {
        self.0.get(name)
    }

    /// Whether there is no secret.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Replaces every value of at least four characters in a text by the mask, for messages that quote a
    /// server or a library.
    pub fn mask(&self, text: &str) -> String {
        let long_enough = self.0.values().flat_map(Secret::forms).filter(|form| form.len() >= 4);
        long_enough.fold(
            text.to_owned(),
            |text, form| if text.contains(form) { text.replace(form, "***") } else { text },
        )
    }
}

impl FromIterator<(String, Secret)> for Secrets {
    fn from_iter<I: IntoIterator<Item = (String, Secret)>>(pairs: I) -> Self {
        Self(pairs.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_never_print() {
        let secrets: Secrets = [("K".to_owned(), Secret::new("hunter22"))].into_iter().collect();
        assert!(!format!("{secrets:?} {}", secrets.get("K").expect("set")).contains("hunter22"));
        assert_eq!(secrets.mask("bad key hunter22!"), "bad key ***!");
        let blank: Secrets = [("K".to_owned(), Secret::new(" hunter22 "))].into_iter().collect();
        assert_eq!(blank.mask("bad key hunter22, not ' hunter22 '"), "bad key ***, not '***'");
    }

    #[test]
    fn byte_order_marks_and_line_ends_are_not_part_of_a_secret() {
        for kept in ["key", "key\n", "key\r\n", "\u{feff}key\n\n"] {
            assert_eq!(
                Secret::read(kept).map(|secret| secret.reveal().to_owned()),
                Ok("key".to_owned()),
                "{kept:?}"
            );
        }
        assert_eq!(Secret::read(" key ").expect("blanks are kept").reveal(), " key ");
        for kept in ["", "\n", " ", "\u{feff}\r\n"] {
            assert!(Secret::read(kept).is_err(), "{kept:?}");
        }
    }

    #[test]
    fn only_references_are_accepted_in_a_job_file() {
        assert_eq!(SecretRef::parse("env:A"), Ok(SecretRef::Env("A".into())));
        assert!(SecretRef::parse("s3cr3t").is_err());
        assert!(SecretRef::parse("env:").is_err());
    }
}
