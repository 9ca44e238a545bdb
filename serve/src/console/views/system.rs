//! The server itself: health, memory, disk and what waits.

use askama::Template;

use super::super::Console;
use super::super::page::Page;
use crate::api::ApiError;
use crate::metrics::Process;
use crate::text;

/// The machines and queues that are shown.
const SHOWN: usize = 20;
/// Less free disk than this is a problem, in bytes.
const LITTLE: u64 = 1_000_000_000;

#[derive(Template)]
#[template(path = "system.html")]
struct System {
    healthy: bool,
    problem: &'static str,
    facts: Vec<(&'static str, String)>,
    open: Vec<(String, String)>,
    queues: Vec<(String, String)>,
}

pub(super) fn page(console: &Console) -> Result<Page, ApiError> {
    let used = Process::read();
    let disk = rustix::fs::statvfs(&console.folder).ok();
    let free = disk.map(|disk| disk.f_bavail * disk.f_frsize);
    let mut open = console.api.executions.open_by_machine();
    open.sort_by_key(|(_, number)| std::cmp::Reverse(*number));
    open.truncate(SHOWN);
    let stopping = console.api.is_stopping();
    let little = free.is_some_and(|free| free < LITTLE);
    let facts = [
        ("Version", Some(env!("CARGO_PKG_VERSION").to_owned())),
        ("Running for", Some(text::duration(console.begun.elapsed()))),
        ("Memory", used.memory.map(text::bytes)),
        ("Open files", used.files.map(text::count)),
        ("Free disk", free.map(text::bytes)),
        ("Folder", Some(console.folder.display().to_string())),
    ];
    let queues = console.triggers.waiting(SHOWN)?;
    let counted = |(name, number): (String, usize)| (name, text::count(number as u64));
    let system = System {
        healthy: !stopping && !little,
        problem: if stopping {
            "It is stopping."
        } else {
            "There is little disk left: runs stop when it is full."
        },
        facts: facts.into_iter().filter_map(|(word, value)| Some((word, value?))).collect(),
        open: open.into_iter().map(counted).collect(),
        queues: queues.into_iter().map(counted).collect(),
    };
    Page::new("System").part("system", &system)
}
