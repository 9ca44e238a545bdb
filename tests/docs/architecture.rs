//! Every file and folder that ARCHITECTURE.md names exists.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::read;
use crate::words::files;

#[test]
fn named_files_and_folders_exist() {
    let files = files(&["rs", "ts", "json", "toml", "md"]);
    let mut known: BTreeSet<String> = BTreeSet::new();
    for file in &files {
        for path in file.ancestors() {
            let ending = if path == file { "" } else { "/" };
            known.insert(format!("/{}{ending}", path.display()));
        }
    }
    let text = read("ARCHITECTURE.md");
    let mut missing = Vec::new();
    for name in text.split('`').skip(1).step_by(2).filter(|name| is_path(name)) {
        if !known.iter().any(|path| path.ends_with(&format!("/{name}"))) {
            missing.push(name);
        }
    }
    assert!(missing.is_empty(), "{missing:?}");
}

/// Keys of the store and placeholders are not paths of the project.
fn is_path(name: &str) -> bool {
    let path = PathBuf::from(name);
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c));
    plain
        && (name.ends_with('/') || path.extension().is_some_and(|ending| ending == "rs" || ending == "ts"))
        && !name.starts_with('.')
}
