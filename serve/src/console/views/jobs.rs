//! The jobs: their runs, uploads, job files with what they would send, schedules and secrets.

use askama::Template;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::super::page::{Page, Wanted, encode};
use super::super::{Console, Who};
use super::runs;
use crate::api::ApiError;
use crate::jobs::{JobsError, Preview, SecretName, Tried};
use crate::keys::Role;
use crate::rest::RestError;
use crate::schedules::Expression;
use crate::settings::Schedule;

/// The next times of a schedule that are shown.
const TIMES: usize = 3;

/// What a new job begins with.
const STARTER: &str = r#"[request]
url = "https://api.example.com/places?q={{ line }}"

[limits."api.example.com"]
rate = "10/s"

[output.columns]
name = "$.name"
"#;

#[derive(Template)]
#[template(path = "jobs.html")]
struct Jobs {
    rows: Vec<JobRow>,
}

struct JobRow {
    name: String,
    path: String,
    last: Option<runs::Row>,
    schedules: usize,
}

#[derive(Template)]
#[template(path = "new_job.html")]
struct NewJob {
    starter: &'static str,
}

#[derive(Template)]
#[template(path = "upload.html")]
struct Upload {
    path: String,
}

#[derive(Template)]
#[template(path = "editor.html")]
struct Editor<'a> {
    path: String,
    /// The address of the check that answers while somebody writes.
    check: String,
    edited: &'a Edited,
    outcome: &'a Outcome,
    may_save: bool,
    keys: &'a [(String, String)],
}

#[derive(Template)]
#[template(path = "secrets.html")]
struct Secrets {
    path: String,
    rows: Vec<SecretName>,
    may: bool,
}

#[derive(Template)]
#[template(path = "schedules.html")]
pub(super) struct Schedules {
    rows: Vec<ScheduleRow>,
}

struct ScheduleRow {
    name: String,
    what: String,
    path: String,
    cron: String,
    zone: String,
    next: Vec<String>,
}

/// What somebody has written on the page of a job.
#[derive(Debug, Clone, Default)]
pub(in crate::console) struct Edited {
    pub(in crate::console) text: String,
    pub(in crate::console) file: String,
    pub(in crate::console) sample: String,
    pub(in crate::console) line: String,
}

/// How it ended.
pub(in crate::console) enum Outcome {
    Nothing,
    Said(String),
    Refused(String),
    Previewed(Preview),
    Tried(Tried),
}

pub(super) async fn list(console: &Console, who: &Who) -> Result<Page, ApiError> {
    let mut rows = Vec::new();
    let names = console.job_pages.names().await.map_err(RestError::from)?;
    // The last runs of all jobs are found together.
    let last = console.api.runs(None, 200)?;
    for name in names {
        let of = |input: &str| crate::triggers::place_of_event(input).is_some_and(|(job, _)| job == name);
        rows.push(JobRow {
            path: path_of(&name),
            last: last.iter().find(|run| of(&run.input)).map(|run| runs::of(console, run)),
            schedules: console.schedules.iter().filter(|it| it.job.as_deref() == Some(&name)).count(),
            name,
        });
    }
    let page = Page::new("Jobs").part("jobs", &Jobs { rows })?;
    if who.key.role.may(Role::Admin) { page.form("new", &NewJob { starter: STARTER }) } else { Ok(page) }
}

pub(super) async fn page(console: &Console, who: &Who, job: &str) -> Result<Page, ApiError> {
    let text = console.job_pages.text(job).await.map_err(RestError::from)?;
    let missing = || ApiError::new("ResourceNotFound", format!("There is no job {job:?}."));
    let text = text.ok_or_else(missing)?;
    let edited = Edited { text, file: "sample.csv".into(), line: "1".into(), ..Edited::default() };
    edited_page(console, who, job, &edited, &Outcome::Nothing).await
}

/// The page of a job with what somebody has written, and how that ended.
pub(in crate::console) async fn edited_page(
    console: &Console,
    who: &Who,
    job: &str,
    edited: &Edited,
    outcome: &Outcome,
) -> Result<Page, ApiError> {
    let path = path_of(job);
    let mut page = Page::new(job).below("/jobs", "Jobs");
    if who.key.role.may(Role::Operator) {
        page = page.form("upload", &Upload { path: path.clone() })?;
    }
    let empty = "There are no runs yet. Upload a file above.";
    let found = runs::table(console, Some(job), &Wanted::default(), "Runs", empty).await?;
    page = page.part("runs", &found)?;
    let editor = Editor {
        check: format!("/api/v1{path}/check"),
        path: path.clone(),
        edited,
        outcome,
        may_save: who.key.role.may(Role::Admin),
        keys: console.job_pages.keys(),
    };
    if who.key.role.may(Role::Operator) {
        page = page.form("editor", &editor)?;
    }
    page = page.part("schedules", &schedules(console, Some(job))?)?;
    let rows = console.job_pages.secrets(job, &edited.text);
    let rows = match rows {
        // A job whose name cannot have secrets has none.
        Err(JobsError::Wrong(_)) => Vec::new(),
        rows => rows.map_err(RestError::from)?,
    };
    page.form("secrets", &Secrets { path, rows, may: who.key.role.may(Role::Admin) })
}

pub(in crate::console) fn path_of(job: &str) -> String {
    format!("/jobs/{}", encode(job))
}

/// The schedules of a job, or all, also those that were made by the API.
pub(super) fn schedules(console: &Console, job: Option<&str>) -> Result<Schedules, ApiError> {
    let wanted = |schedule: &&Schedule| job.is_none_or(|job| schedule.job.as_deref() == Some(job));
    let of_settings = |schedule: &Schedule| {
        let (text, expression) = &schedule.cron;
        let (what, path) = match (&schedule.job, &schedule.file, &schedule.machine) {
            (Some(job), Some(file), _) => (format!("{job}: {file}"), path_of(job)),
            (_, _, machine) => of_machine(machine.as_deref().unwrap_or_default()),
        };
        ScheduleRow {
            name: schedule.name.clone(),
            what,
            path,
            cron: text.clone(),
            zone: schedule.timezone.iana_name().unwrap_or("UTC").to_owned(),
            next: next_times(expression, &schedule.timezone, Timestamp::now()),
        }
    };
    let mut rows: Vec<ScheduleRow> = console.schedules.iter().filter(wanted).map(of_settings).collect();
    if job.is_none() {
        for record in console.scheduler.all()? {
            let (what, path) = of_machine(&record.start(&console.api.place, "", "").0);
            let timing = record.timing();
            let next = timing.as_ref().map(|timing| {
                let begins = timing.begins.unwrap_or_else(Timestamp::now);
                next_times(&timing.expression, &timing.zone, begins)
            });
            let zone = timing.as_ref().and_then(|timing| timing.zone.iana_name());
            rows.push(ScheduleRow {
                name: format!("{}/{}", record.group, record.name),
                what,
                path,
                cron: record.expression().to_owned(),
                zone: zone.unwrap_or("UTC").to_owned(),
                next: next.unwrap_or_default(),
            });
        }
    }
    Ok(Schedules { rows })
}

/// The name and the page of a machine, which may be given by its ARN.
fn of_machine(machine: &str) -> (String, String) {
    let name = machine.rsplit(':').next().unwrap_or_default();
    (name.to_owned(), format!("/machines/{}", encode(name)))
}

fn next_times(expression: &Expression, zone: &TimeZone, begins: Timestamp) -> Vec<String> {
    let (mut next, mut at) = (Vec::new(), Timestamp::now());
    while next.len() < TIMES
        && let Some(time) = expression.next(at, zone, begins)
    {
        next.push(time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
        at = time;
    }
    next
}

pub(super) fn schedules_page(console: &Console) -> Result<Page, ApiError> {
    Page::new("Schedules").part("schedules", &schedules(console, None)?)
}

/// Dollars, with as many digits as tell them from nothing.
fn dollars(amount: f64) -> String {
    if amount >= 1.0 { format!("${amount:.2}") } else { format!("${amount:.4}") }
}

impl Editor<'_> {
    #[expect(clippy::unused_self, reason = "templates call methods")]
    fn dollars(&self, amount: &f64) -> String {
        dollars(*amount)
    }

    fn total(&self, cost: &[(&'static str, f64)]) -> String {
        dollars(cost.iter().map(|(_, dollars)| dollars).sum())
    }
}
