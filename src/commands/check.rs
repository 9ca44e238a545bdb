//! `throughline check`: reports everything that can be known before a request is made.

mod cost;
mod findings;
mod hints;
mod json;
mod preview;
mod show;

use std::sync::Arc;
use std::time::{Duration, Instant};

use job::Job;

use crate::args;
use crate::exit::{CliError, Exit};
use crate::local::{Input, LocalSecrets, job_name, read_job_with, with_input_path};
use preview::Preview;

/// How long lines are rendered, unless `--all` is given.
const TIME_LIMIT: Duration = Duration::from_secs(10);

pub(super) async fn check(args: &args::Check) -> Result<Exit, CliError> {
    let args::Target { job: job_path, input, vars } = &args.target;
    let (_, job) = read_job_with(job_path, vars)?;
    // The secrets of a run on AWS are on AWS, and requests are shown without their values.
    if !args.cost {
        LocalSecrets::check(&job_name(job_path)?, &job).await?;
    }
    let job = Arc::new(job);
    let (plan, previewed) = {
        let Input { name, file, .. } = Input::open(input)?;
        let until = (!args.all).then(|| Instant::now() + TIME_LIMIT);
        let (job, mut preview, split_name) =
            (job.clone(), Preview::new(&job, args.lines, until), name.clone());
        let split = move || {
            preprocess::split(file, &job, &split_name, &mut preview).map(|plan| (plan, preview.end()))
        };
        let split = tokio::task::spawn_blocking(split).await.expect("splitting does not panic");
        split.map_err(|error| CliError::new(with_input_path(&error.message, &name, input)))?
    };
    let findings = previewed.findings;
    let hints = hints::all(&job, &plan, &findings);
    let hopeless = findings.hopeless() || hints.iter().any(|hint| hint.hopeless);
    let exit = if hopeless { Exit::Wrong } else { Exit::Succeeded };
    if args.json {
        println!("{}", json::object(args, &job, &plan, &findings, &hints, exit));
        return Ok(exit);
    }
    show::head(&job, job_path, &plan, hopeless);
    println!();
    show::requests(&previewed.first);
    show::lanes(&job, &plan);
    if args.cost {
        cost::print(&job, &plan, &findings, args);
    }
    findings.print(plan.input.lines);
    hints.iter().for_each(|hint| println!("\n{}", hint.text));
    Ok(exit)
}

/// The limit that applies to a lane.
fn limit(job: &Job, kind: &job::LaneKind) -> job::file::Limit {
    match kind {
        job::LaneKind::Named { provider } => job
            .limits
            .providers
            .iter()
            .find(|known| known.name == *provider)
            .map_or(job.limits.default, |known| known.limit),
        job::LaneKind::Hashed => job.limits.default,
    }
}
