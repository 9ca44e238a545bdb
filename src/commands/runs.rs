//! `throughline runs`: which runs there are, and how each of them ended or stands.

mod listing;

use std::fmt::Write as _;

use serde_json::json;

use crate::args;
use crate::aws::AwsStack;
use crate::exit::{CliError, Exit};
use crate::local::StateDir;
use crate::text;
use listing::Listed;
pub(super) use listing::{Home, State, list, listed};

pub(super) async fn runs(args: args::Runs) -> Result<Exit, CliError> {
    let server = match &args.bucket {
        Some(_) => None,
        None => args.server.find(&args.state, &args.account)?,
    };
    let stack = server.or_else(|| Some(args::Stack::of_bucket(args.bucket.as_deref()?, &args.account)));
    let (objects, home) = match stack {
        Some(stack) => {
            let stack = AwsStack::connect(&stack).await?;
            (stack.objects(), Home::Aws(stack))
        }
        None if args.state.is_dir() => {
            let state = StateDir::open_objects(&args.state, "runs")?;
            (state.objects(), Home::Local(state))
        }
        None => {
            let folder = args.state.display();
            return Err(CliError::new(format!(
                "there is no state folder {folder}: name it with --state, or give the bucket of a stack on AWS with --bucket"
            )));
        }
    };
    let runs = list(&objects, &home, args.job.as_deref()).await?;
    if args.json {
        runs.iter().for_each(|run| println!("{}", as_json(run)));
    } else if runs.is_empty() {
        println!("no run yet");
    } else {
        print!("{}", table(&runs));
    }
    Ok(Exit::Succeeded)
}

pub(super) fn as_json(run: &Listed) -> serde_json::Value {
    let continued_by = match &run.state {
        State::Continued { by } => Some(by),
        _ => None,
    };
    json!({
        "event": "run", "run": run.name(), "file": run.file, "state": run.state.name(), "lines": run.lines, "ok": run.ok,
        "failed": run.failed, "started": run.started.map(text::moment), "generation": run.generation, "continued_by": continued_by,
    })
}

/// The newest run first, in columns as wide as their longest value.
fn table(runs: &[Listed]) -> String {
    let number = |n: Option<u64>| n.map_or_else(|| "-".to_owned(), text::count);
    let header = ["RUN", "FILE", "STARTED", "LINES", "OK", "FAILED", "STATE"].map(str::to_owned);
    let rows = runs.iter().map(|run| {
        let started = run.started.map_or_else(|| "-".to_owned(), text::moment);
        let file = run.file.clone().unwrap_or_else(|| "-".to_owned());
        let numbers = [run.lines, run.ok, run.failed].map(number);
        let [lines, ok, failed] = numbers;
        [run.name(), file, started, lines, ok, failed, run.state.in_words()]
    });
    let rows: Vec<[String; 7]> = std::iter::once(header).chain(rows).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: [usize; 7] = std::array::from_fn(width);
    let mut table = String::new();
    for row in rows {
        for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
            let written = match column {
                3..=5 => write!(table, "{cell:>width$}  "),
                6 => writeln!(table, "{cell}"),
                _ => write!(table, "{cell:<width$}  "),
            };
            written.expect("a String can always be written to");
        }
    }
    table
}
