//! Secrets: references in the job file, values in a type that prints nothing.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

/// Where a secret's value stands.
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

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Replaces every value of at least four characters in a text by the mask, for messages that quote what a server or library said.
    pub fn mask(&self, text: &str) -> String {
        let long_enough = self.0.values().filter(|secret| secret.0.len() >= 4);
        long_enough.fold(text.to_owned(), |text, secret| if text.contains(&secret.0) { text.replace(&secret.0, "***") } else { text })
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
    fn values_never_print() {
        let secrets: Secrets = [("K".to_owned(), Secret::new("hunter22"))].into_iter().collect();
        assert!(!format!("{secrets:?} {}", secrets.get("K").expect("set")).contains("hunter22"));
        assert_eq!(secrets.mask("bad key hunter22!"), "bad key ***!");
    }

    #[test]
    fn references() {
        assert_eq!(SecretRef::parse("env:A"), Ok(SecretRef::Env("A".into())));
        assert!(SecretRef::parse("s3cr3t").is_err());
        assert!(SecretRef::parse("env:").is_err());
    }
}
