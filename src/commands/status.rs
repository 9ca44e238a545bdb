//! `throughline status`: how far a run is.

use job::run::parse_plan;
use serde_json::{Value, json};

use super::runs::{as_json, listed};
use super::which;
use crate::args;
use crate::exit::{CliError, Exit};
use crate::progress::{LaneCounts, LaneSnapshot, Progress};
use crate::text;

pub(super) async fn status(args: &args::Status) -> Result<Exit, CliError> {
    let found = which::find(&args.of, "status").await?;
    let objects = found.objects();
    let Some(run) = listed(&objects, &found.home, &found.run).await? else {
        return Err(CliError::new(format!("no execution has claimed the run {} yet", found.name())));
    };
    let key = found.run.keys().plan();
    let lanes = match objects.find(&key).await? {
        Some(plan) => {
            let progress = Progress::remote();
            let plan = parse_plan(&plan, &key)?;
            progress.count_lanes(&objects, &found.run, &plan, &mut LaneCounts::default()).await?;
            progress.snapshot().lanes
        }
        None => Vec::new(),
    };
    if args.json {
        let mut event = as_json(&run);
        event["event"] = "status".into();
        event["lanes"] = lanes.iter().map(lane_json).collect();
        println!("{event}");
        return Ok(Exit::Succeeded);
    }
    println!("run      {}", run.name());
    if let Some(file) = &run.file {
        println!("input    {file}");
    }
    let since =
        run.started.map_or_else(String::new, |started| format!(", begun at {}", text::moment(started)));
    println!("state    {}{since}", run.state.in_words());
    if let (Some(lines), Some(ok), Some(failed)) = (run.lines, run.ok, run.failed) {
        println!(
            "lines    {} of {} succeeded, {} failed",
            text::count(ok),
            text::count(lines),
            text::count(failed)
        );
    }
    // The results of a run that another one continues are there.
    for lane in lanes.iter().filter(|lane| lane.done > 0) {
        let (done, lines) = (text::count(lane.done), text::count(lane.lines));
        println!("lane     {}: {done} of {lines} done, {} failed", lane.name, text::count(lane.failed));
    }
    Ok(Exit::Succeeded)
}

fn lane_json(lane: &LaneSnapshot) -> Value {
    json!({ "name": lane.name, "lines": lane.lines, "done": lane.done, "failed": lane.failed })
}
