//! The place of each key of a job file, for errors that are found after it was read.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

/// The places of all keys of a job file, by their path: `["request", "url"]`.
#[derive(Debug, Clone, Default)]
pub(super) struct Places(BTreeMap<Vec<String>, Entry>);

/// One key with its value.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) key: Range<usize>,
    pub(super) value: Range<usize>,
    pub(super) kind: Kind,
}

/// The type of a key's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Number,
    Boolean,
    Date,
    List,
    Table,
}

impl Places {
    /// The places of all keys. Empty when the text is not TOML.
    pub(super) fn of(text: &str) -> Self {
        let mut places = Self::default();
        if let Ok(document) = DeTable::parse(text) {
            places.table(&[], document.get_ref());
        }
        places
    }

    pub(super) fn get(&self, path: &[&str]) -> Option<&Entry> {
        let path: Vec<String> = path.iter().map(|&part| part.to_owned()).collect();
        self.0.get(&path)
    }

    /// The first key of a table whose name matches.
    pub(super) fn find(&self, table: &[&str], fits: impl Fn(&str) -> bool) -> Option<&Entry> {
        let within = |path: &&Vec<String>| {
            path.len() == table.len() + 1 && path.iter().zip(table).all(|(part, name)| part == name)
        };
        self.0
            .iter()
            .find(|(path, _)| within(path) && path.last().is_some_and(|name| fits(name)))
            .map(|(_, entry)| entry)
    }

    /// The innermost key or value that a byte belongs to.
    pub(super) fn at(&self, byte: usize) -> Option<(&[String], &Entry)> {
        let belongs = |entry: &Entry| entry.key.contains(&byte) || entry.value.contains(&byte);
        self.0
            .iter()
            .filter(|(_, entry)| belongs(entry))
            .max_by_key(|(path, _)| path.len())
            .map(|(path, entry)| (path.as_slice(), entry))
    }

    fn table(&mut self, path: &[String], table: &DeTable<'_>) {
        for (key, value) in table {
            self.value(path, key.get_ref(), key.span(), value);
        }
    }

    fn list(&mut self, path: &[String], list: &DeArray<'_>) {
        for (index, value) in list.iter().enumerate() {
            self.value(path, &index.to_string(), value.span(), value);
        }
    }

    fn value(&mut self, path: &[String], name: &str, key: Range<usize>, value: &Spanned<DeValue<'_>>) {
        let path = [path, &[name.to_owned()]].concat();
        let kind = match value.get_ref() {
            DeValue::String(_) => Kind::Text,
            DeValue::Integer(_) | DeValue::Float(_) => Kind::Number,
            DeValue::Boolean(_) => Kind::Boolean,
            DeValue::Datetime(_) => Kind::Date,
            DeValue::Array(list) => {
                self.list(&path, list);
                Kind::List
            }
            DeValue::Table(table) => {
                self.table(&path, table);
                Kind::Table
            }
        };
        self.0.insert(path, Entry { key, value: value.span(), kind });
    }
}
