//! The versions and aliases of a machine, and what changed between two of them.

use askama::Template;
use similar::{ChangeTag, TextDiff};

use super::super::Console;
use super::super::page::{Page, Wanted, encode};
use super::execution::pretty;
use crate::api::ApiError;
use crate::catalog::{Alias, Machine};
use crate::executions::rfc3339;

/// The lines around a change that are shown.
const AROUND: usize = 3;

#[derive(Template)]
#[template(path = "versions.html")]
struct Versions {
    rows: Vec<VersionRow>,
    aliases: Vec<AliasRow>,
}

struct VersionRow {
    number: u32,
    created: String,
    about: String,
}

struct AliasRow {
    name: String,
    about: String,
    routes: String,
    updated: String,
}

#[derive(Template)]
#[template(path = "diff.html")]
struct Diff {
    path: String,
    choices: Vec<(String, String)>,
    old: String,
    new: String,
    /// Groups of lines, each with its kind and its text.
    groups: Vec<Vec<(&'static str, String)>>,
}

pub(super) fn page(console: &Console, name: &str, wanted: &Wanted) -> Result<Page, ApiError> {
    let api = &console.api;
    let missing = || ApiError::no_machine(&api.place.machine(name));
    let machine = api.catalog().machine(name).ok_or_else(missing)?;
    let version = |version: &crate::catalog::Version| VersionRow {
        number: version.number,
        created: rfc3339(version.created),
        about: version.description.clone().unwrap_or_default(),
    };
    let alias = |alias: &Alias| AliasRow {
        name: alias.name.clone(),
        about: alias.description.clone().unwrap_or_default(),
        routes: routes(alias),
        updated: rfc3339(alias.updated.unwrap_or(alias.created)),
    };
    let versions = Versions {
        rows: machine.versions.iter().rev().map(version).collect(),
        aliases: machine.aliases.iter().map(alias).collect(),
    };
    let path = format!("/machines/{}", encode(name));
    let page = Page::new("Versions").below("/machines", "Machines").below(path.clone(), name);
    page.part("versions", &versions)?.form("diff", &diff(console, &machine, &path, wanted)?)
}

pub(super) fn routes(alias: &Alias) -> String {
    let parts = alias.routes.iter().map(|route| format!("version {}: {} %", route.version, route.weight));
    parts.collect::<Vec<_>>().join(", ")
}

fn diff(console: &Console, machine: &Machine, path: &str, wanted: &Wanted) -> Result<Diff, ApiError> {
    let numbers = machine.versions.iter().rev().map(|version| version.number.to_string());
    let mut choices = vec![(String::new(), "the latest definition".to_owned())];
    choices.extend(numbers.map(|number| (number.clone(), format!("version {number}"))));
    let newest = machine.versions.last().map_or_else(String::new, |version| version.number.to_string());
    let old = wanted.get("old").map_or(newest, str::to_owned);
    let new = wanted.get("new").unwrap_or_default().to_owned();
    let text = |choice: &str| {
        let number = choice.parse().ok();
        let version = number.and_then(|number| machine.version(number));
        let revision = version.map_or(&machine.revision, |version| &version.revision);
        Ok::<_, ApiError>(pretty(&console.api.catalog().revision(revision)?.definition))
    };
    let (before, after) = (text(&old)?, text(&new)?);
    let compared = TextDiff::from_lines(&before, &after);
    let mut groups = Vec::new();
    for group in compared.grouped_ops(AROUND) {
        let mut lines = Vec::new();
        for change in group.iter().flat_map(|op| compared.iter_changes(op)) {
            let kind = match change.tag() {
                ChangeTag::Insert => "ins",
                ChangeTag::Delete => "del",
                ChangeTag::Equal => "",
            };
            lines.push((kind, change.value().trim_end_matches('\n').to_owned()));
        }
        groups.push(lines);
    }
    Ok(Diff { path: format!("{path}/versions"), choices, old, new, groups })
}
