//! The two query languages.

use std::fmt;

/// The `QueryLanguage` of a machine, or of a state that has its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    JsonPath,
    Jsonata,
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Language::JsonPath => "JSONPath",
            Language::Jsonata => "JSONata",
        })
    }
}
