//! One state of a machine, tested in place as `TestState` does.

use askama::Template;
use serde_json::Value;

use super::super::Console;
use super::super::page::{Page, encode};
use super::super::status::{self, Shown};
use super::execution::pretty;
use crate::api::ApiError;

#[derive(Template)]
#[template(path = "state_test.html")]
struct Form<'a> {
    path: String,
    states: Vec<String>,
    written: &'a Written,
}

#[derive(Template)]
#[template(path = "state_tested.html")]
struct Tested {
    status: Shown,
    rows: Vec<(&'static str, String)>,
}

/// What somebody has written into the form.
#[derive(Debug, Clone, Default, serde::Deserialize)]
pub(in crate::console) struct Written {
    #[serde(default)]
    pub(in crate::console) state: String,
    #[serde(default)]
    pub(in crate::console) input: String,
    #[serde(default)]
    pub(in crate::console) mock: String,
}

/// The form, and what the test found.
pub(in crate::console) fn page(
    console: &Console,
    machine: &str,
    written: &Written,
    tested: Option<&Value>,
) -> Result<Page, ApiError> {
    let definition: Value = serde_json::from_str(&definition(console, machine)?).unwrap_or_default();
    let path = format!("/machines/{}", encode(machine));
    let names = |states: &Value| {
        states.as_object().map(|states| states.keys().cloned().collect()).unwrap_or_default()
    };
    let form = Form { path: format!("{path}/test"), states: names(&definition["States"]), written };
    let page =
        Page::new("Test a state").below("/machines", "Machines").below(path, machine).form("test", &form)?;
    let Some(tested) = tested else { return Ok(page) };
    let status = match tested["status"].as_str() {
        Some("SUCCEEDED") => status::SUCCEEDED,
        Some("RETRIABLE") => Shown { word: "would be tried again", ..status::WAITING },
        Some("CAUGHT_ERROR") => Shown { word: "error caught", ..status::WAITING },
        _ => status::FAILED,
    };
    let members = [("Output", "output"), ("Error", "error"), ("Cause", "cause"), ("Next state", "nextState")];
    let row = |(word, name): (&'static str, &str)| tested[name].as_str().map(|text| (word, pretty(text)));
    let rows = members.into_iter().filter_map(row).collect();
    page.form("tested", &Tested { status, rows })
}

pub(in crate::console) fn definition(console: &Console, machine: &str) -> Result<String, ApiError> {
    let api = &console.api;
    let missing = || ApiError::no_machine(&api.place.machine(machine));
    let machine = api.catalog().machine(machine).ok_or_else(missing)?;
    Ok(api.catalog().revision(&machine.revision)?.definition)
}
