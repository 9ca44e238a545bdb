//! The folders of `engine/src` depend on each other in one direction only. A folder is a folder together with
//! the file of its name, or a file that has no folder.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// The folders that each folder names.
type Graph = BTreeMap<String, BTreeSet<String>>;

#[test]
fn folders_depend_on_each_other_one_way() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let root = fs::read_to_string(source.join("lib.rs")).unwrap();
    let graph = graph(&files(&source, &mut Vec::new()), &reexports(&root));
    assert!(graph.len() > 20 && graph["run"].contains("expr"), "{graph:?}");
    assert_eq!(cycle(&graph), None);
}

#[test]
fn cycle_of_folders_is_found_and_named() {
    let file =
        |path: &[&str], text: &str| (path.iter().map(|name| (*name).to_owned()).collect(), text.to_owned());
    let reexports = BTreeMap::from([("Value".to_owned(), "d".to_owned())]);
    let files = [
        file(&["a"], "use crate::b::{self, Thing};\nmod tests { use super::inner; }"),
        file(&["b", "deep"], "fn f() -> super::super::c::Thing { crate::Value::new() }"),
        file(&["c"], "// crate::a is only named here\nconst TEXT: &str = \"crate::a\";"),
        file(&["d"], "use crate::{c, a::Other};"),
    ];
    let graph = graph(&files, &reexports);
    let edges = |folder: &str| graph[folder].iter().map(String::as_str).collect::<Vec<_>>();
    assert_eq!(
        (edges("a"), edges("b"), edges("c"), edges("d")),
        (vec!["b"], vec!["c", "d"], vec![], vec!["a", "c"])
    );
    assert_eq!(cycle(&graph).as_deref(), Some("a -> b -> d -> a"));
}

/// A file: the names of its modules from the crate's root on, and its text.
type File = (Vec<String>, String);

fn files(folder: &Path, modules: &mut Vec<String>) -> Vec<File> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if modules.is_empty() && name == "lib" {
            continue;
        }
        modules.push(name);
        if path.is_dir() {
            found.extend(files(&path, modules));
        } else {
            found.push((modules.clone(), fs::read_to_string(&path).unwrap()));
        }
        modules.pop();
    }
    found
}

/// The names that the crate's root re-exports, and the folders that they are from.
fn reexports(root: &str) -> BTreeMap<String, String> {
    let code = code(root);
    let mut found = BTreeMap::new();
    for import in code.split("pub use ").skip(1) {
        for path in paths(import.split(';').next().unwrap_or_default()) {
            found.insert(path.last().unwrap().clone(), path[0].clone());
        }
    }
    found
}

fn graph(files: &[File], reexports: &BTreeMap<String, String>) -> Graph {
    let mut graph = Graph::new();
    for (modules, text) in files {
        let folder = &modules[0];
        let named = graph.entry(folder.clone()).or_default();
        for name in names_at_root(&code(text), modules.len()) {
            let target = reexports.get(&name).unwrap_or(&name);
            if target != folder {
                named.insert(target.clone());
            }
        }
    }
    let known: BTreeSet<String> = graph.keys().cloned().collect();
    graph.values_mut().for_each(|named| named.retain(|name| known.contains(name)));
    graph
}

/// What `crate::…` and `super::…` name at the crate's root, in a file that is `depth` modules below it.
fn names_at_root(code: &str, depth: usize) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let (mut braces, mut inner_modules) = (0, Vec::new());
    for (at, c) in code.char_indices() {
        let before = &code[..at];
        match c {
            '{' => {
                braces += 1;
                let declaration = before.rsplit(['{', '}', ';']).next().unwrap_or_default();
                if declaration.split_whitespace().any(|word| word == "mod") {
                    inner_modules.push(braces);
                }
            }
            '}' => {
                inner_modules.retain(|opened| *opened != braces);
                braces -= 1;
            }
            _ if before.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':') => {}
            _ => {
                let rest = &code[at..];
                let ups = rest.matches("super::").count().min(leading(rest, "super::"));
                let reaches_root = ups > 0 && ups == depth + inner_modules.len();
                let rest = if reaches_root { &rest[ups * "super::".len()..] } else { rest };
                if let Some(rest) = rest.strip_prefix("crate::").or(reaches_root.then_some(rest)) {
                    names.extend(paths(rest).into_iter().map(|path| path[0].clone()));
                }
            }
        }
    }
    names
}

fn leading(text: &str, prefix: &str) -> usize {
    std::iter::successors(text.strip_prefix(prefix), |rest| rest.strip_prefix(prefix)).count()
}

/// The paths that a text begins with: one, or those of a group in braces.
fn paths(text: &str) -> Vec<Vec<String>> {
    let text = text.trim_start();
    if let Some(group) = text.strip_prefix('{') {
        let (mut depth, mut start, mut found) = (0, 0, Vec::new());
        for (at, c) in group.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth > 0 => depth -= 1,
                ',' | '}' if depth == 0 => {
                    found.extend(paths(&group[start..at]));
                    start = at + 1;
                    if c == '}' {
                        break;
                    }
                }
                _ => {}
            }
        }
        return found;
    }
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    if name.is_empty() {
        return Vec::new();
    }
    match rest.strip_prefix("::").map(paths).filter(|inner| !inner.is_empty()) {
        None => vec![vec![name.to_owned()]],
        Some(inner) => inner.into_iter().map(|path| [vec![name.to_owned()], path].concat()).collect(),
    }
}

/// The text without comments and without what is quoted.
fn code(text: &str) -> String {
    let mut code = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("r#\"") {
            rest.find("\"#").map_or(rest.len(), |end| end + 2)
        } else if c == '"' {
            quoted(rest, '"')
        } else if c == '\'' && (rest[1..].starts_with('\\') || rest[1..].chars().nth(1) == Some('\'')) {
            quoted(rest, '\'')
        } else {
            code.push(c);
            rest = &rest[c.len_utf8()..];
            continue;
        };
        rest = &rest[skipped..];
    }
    code
}

/// The length of a quoted text with its quotation marks.
fn quoted(text: &str, mark: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        if c == mark && !escaped {
            return at + 1;
        }
        escaped = c == '\\' && !escaped;
    }
    text.len()
}

/// A cycle such as `a -> b -> a`, if there is one.
fn cycle(graph: &Graph) -> Option<String> {
    let mut done = BTreeSet::new();
    graph.keys().find_map(|folder| walk(graph, folder, &mut Vec::new(), &mut done))
}

fn walk<'g>(
    graph: &'g Graph,
    folder: &'g str,
    path: &mut Vec<&'g str>,
    done: &mut BTreeSet<&'g str>,
) -> Option<String> {
    if let Some(start) = path.iter().position(|earlier| *earlier == folder) {
        return Some([&path[start..], &[folder]].concat().join(" -> "));
    }
    if done.contains(folder) {
        return None;
    }
    path.push(folder);
    let found = graph.get(folder)?.iter().find_map(|next| walk(graph, next, path, done));
    path.pop();
    done.insert(folder);
    found
}
