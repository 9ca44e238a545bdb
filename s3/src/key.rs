//! Keys as paths. The paths are readable, safe, reversible, and independent of other keys.
//!
//! Each component of a key is a name on disk. **The name of a file contains a dot, and the name of a folder
//! does not. A name that breaks this rule gets a `%` at its end.** So the keys `x` and `x/y` (the file `x%`
//! and the folder `x`) never collide, and no look-up has to ask the disk which of two names was used.
//! Ordinary keys are their own paths:
//!
//! | key                   | path                     |
//! |-----------------------|--------------------------|
//! | `jobs/a/input/b.csv`  | `jobs/a/input/b.csv`     |
//! | `jobs/v1.2/README`    | `jobs/v1.2%/README%`     |
//! | `50%/../x.y`          | `50%25/%2E.%/x.y`        |
//! | `a//`                 | `a/%%/%`                 |
//! | `zzz…` (300)          | `zzz…%-/zzz…%` (200/100) |
//!
//! Control characters, `%` and a leading dot are escaped as `%` and two hex digits. A long component
//! continues in a folder whose name ends in `%-`. All components with the same first bytes are in that
//! folder, so folders hold contiguous ranges of keys. Listing relies on that.

use std::fmt::Write;
use std::path::PathBuf;

/// A name is cut when its escaped form has this many bytes. File systems allow 255.
const CUT: usize = 200;

/// One name on disk, decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Name {
    /// The last component of a key, or the end of it.
    File(String),
    /// A component that is followed by `/`.
    Folder(String),
    /// The beginning of a long component.
    Long(String),
}

/// The path of the object `key` in the folder of its bucket.
pub(crate) fn path(key: &str) -> PathBuf {
    let mut path = PathBuf::new();
    let (folders, file) = key.rsplit_once('/').map_or((None, key), |(a, b)| (Some(a), b));
    for component in folders.iter().flat_map(|folders| folders.split('/')) {
        let rest = cut(component, &mut path);
        path.push(Name::Folder(rest.to_owned()).on_disk());
    }
    let rest = cut(file, &mut path);
    path.push(Name::File(rest.to_owned()).on_disk());
    path
}

/// The innermost folder that contains all keys beginning with `prefix`, and the part of `prefix` that the
/// folder represents.
pub(crate) fn folder(prefix: &str) -> (PathBuf, &str) {
    let mut path = PathBuf::new();
    let mut open = prefix;
    while let Some((component, rest)) = open.split_once('/') {
        let end = cut(component, &mut path);
        path.push(Name::Folder(end.to_owned()).on_disk());
        open = rest;
    }
    let open = cut(open, &mut path);
    (path, &prefix[..prefix.len() - open.len()])
}

impl Name {
    /// The part that this name adds to its keys. Sorting the names of a folder by it sorts their keys.
    pub(crate) fn text(&self) -> String {
        match self {
            Name::File(text) | Name::Long(text) => text.clone(),
            Name::Folder(text) => format!("{text}/"),
        }
    }

    pub(crate) fn on_disk(&self) -> String {
        let (Name::File(text) | Name::Folder(text) | Name::Long(text)) = self;
        let mut name = String::with_capacity(text.len() + 2);
        for c in text.chars() {
            escape(c, &mut name);
        }
        let dotted = name.contains('.');
        match self {
            Name::Folder(_) if name.is_empty() => name.push_str("%%"),
            Name::Folder(_) if dotted => name.push('%'),
            Name::File(_) if !dotted => name.push('%'),
            Name::Long(_) => name.push_str("%-"),
            Name::File(_) | Name::Folder(_) => {}
        }
        name
    }

    /// The inverse of [`Name::on_disk`], or `None` for a name that belongs to no key.
    pub(crate) fn read(name: &str) -> Option<Name> {
        let decoded = if name == "%%" {
            Name::Folder(String::new())
        } else if let Some(long) = name.strip_suffix("%-") {
            Name::Long(unescape(long)?)
        } else {
            let (body, marked) = name.strip_suffix('%').map_or((name, false), |body| (body, true));
            let text = unescape(body)?;
            if body.contains('.') == marked { Name::Folder(text) } else { Name::File(text) }
        };
        let long = matches!(decoded, Name::Long(_));
        let (Name::File(text) | Name::Folder(text) | Name::Long(text)) = &decoded;
        let mut names = PathBuf::new();
        let rest = cut(text, &mut names);
        let ours = if long { rest.is_empty() && names.iter().count() == 1 } else { rest.len() == text.len() };
        (ours && decoded.on_disk() == name).then_some(decoded)
    }
}

/// Pushes the folders in which a long `component` continues. Returns the rest of it.
fn cut<'a>(component: &'a str, path: &mut PathBuf) -> &'a str {
    let mut begin = 0;
    let mut name = String::new();
    for (at, c) in component.char_indices() {
        escape(c, &mut name);
        if name.len() >= CUT {
            name.push_str("%-");
            path.push(&name);
            name.clear();
            begin = at + c.len_utf8();
        }
    }
    &component[begin..]
}

fn escape(c: char, name: &mut String) {
    if c.is_ascii_control() || c == '%' || (c == '.' && name.is_empty()) {
        write!(name, "%{:02X}", u32::from(c)).expect("writing to a String succeeds");
    } else {
        name.push(c);
    }
}

fn unescape(name: &str) -> Option<String> {
    let mut text = String::with_capacity(name.len());
    let mut rest = name;
    while let Some((plain, escaped)) = rest.split_once('%') {
        text.push_str(plain);
        text.push(char::from(u8::from_str_radix(escaped.get(..2)?, 16).ok()?));
        rest = &escaped[2..];
    }
    text.push_str(rest);
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ordinary_keys_are_their_own_paths_and_other_keys_have_safe_paths() {
        let z = "z".repeat(300);
        for (key, expected) in [
            ("jobs/places/output/addresses.csv", "jobs/places/output/addresses.csv".to_owned()),
            ("jobs/v1.2/README", "jobs/v1.2%/README%".to_owned()),
            ("x", "x%".to_owned()),
            ("x/y", "x/y%".to_owned()),
            ("../../etc/passwd", "%2E.%/%2E.%/etc/passwd%".to_owned()),
            (".", "%2E%".to_owned()),
            ("50%/a\nb.", "50%25/a%0Ab.".to_owned()),
            ("/a//", "%%/a/%%/%".to_owned()),
            ("übung/größe.csv", "übung/größe.csv".to_owned()),
            (z.as_str(), format!("{}%-/{}%", "z".repeat(200), "z".repeat(100))),
        ] {
            assert_eq!(path(key), PathBuf::from(expected), "{key:?}");
        }
    }

    /// The key of a path, name by name.
    fn key(path: &std::path::Path) -> Option<String> {
        path.iter().map(|name| Some(Name::read(name.to_str()?)?.text())).collect()
    }

    fn any_key() -> impl Strategy<Value = String> {
        prop_oneof!["[a-c./%\u{1}\u{7f}é-]{1,12}", "\\PC{1,60}", "(a{195,205}|b{0,3}|/|\\.|%){1,5}",]
            .prop_filter("length", |key| !key.is_empty() && key.len() <= 1024)
    }

    proptest! {
        #[test]
        fn every_path_is_safe_and_can_be_converted_back_to_its_key(text in any_key()) {
            let path = path(&text);
            prop_assert!(path.components().all(|c| matches!(c, std::path::Component::Normal(_))));
            prop_assert!(path.iter().all(|name| name.len() <= 255 && !name.to_string_lossy().starts_with('.')));
            prop_assert_eq!(key(&path), Some(text));
        }

        #[test]
        fn folder_of_a_prefix_contains_all_its_keys(text in any_key(), at in 0usize..200) {
            let at = (0..=at.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
            let (folder, base) = folder(&text[..at]);
            prop_assert!(path(&text).starts_with(&folder));
            prop_assert_eq!(key(&folder), Some(base.to_owned()));
        }

        #[test]
        fn only_names_that_belong_to_a_key_are_decoded(name in "[a.%0-9A-Fé-]{1,12}") {
            if let Some(read) = Name::read(&name) {
                prop_assert_eq!(read.on_disk(), name);
            }
        }
    }
}
