//! `throughline check`: everything that can be known before a request is made.

mod cost;
mod findings;
mod hints;
mod json;
mod look;
mod show;

use std::sync::Arc;
use std::time::{Duration, Instant};

use job::Job;

use crate::args;
use crate::exit::{CliError, Exit};
use crate::local::{Input, LocalSecrets, at_input, job_name, read_job};
use look::Look;

/// How long lines are rendered, unless all are asked for.
const LOOK_FOR: Duration = Duration::from_secs(10);

pub(super) async fn check(args: &args::Check) -> Result<Exit, CliError> {
    let args::Target { job: job_path, input } = &args.target;
    let (_, job) = read_job(job_path)?;
    // The secrets of a run on AWS are there, and no value is needed to show requests.
    if !args.cost {
        LocalSecrets::check(&job_name(job_path)?, &job).await?;
    }
    let job = Arc::new(job);
    let (plan, look) = {
        let Input { name, file, .. } = Input::open(input)?;
        let until = (!args.all).then(|| Instant::now() + LOOK_FOR);
        let (job, mut look, split_name) = (job.clone(), Look::new(&job, args.lines, until), name.clone());
        let split =
            move || preprocess::split(file, &job, &split_name, &mut look).map(|plan| (plan, look.end()));
        let split = tokio::task::spawn_blocking(split).await.expect("splitting does not panic");
        split.map_err(|error| CliError::new(at_input(&error.message, &name, input)))?
    };
    let findings = look.findings;
    let hints = hints::all(&job, &plan, &findings);
    let hopeless = findings.hopeless() || hints.iter().any(|hint| hint.hopeless);
    let exit = if hopeless { Exit::Wrong } else { Exit::Succeeded };
    if args.json {
        println!("{}", json::object(args, &job, &plan, &findings, &hints, exit));
        return Ok(exit);
    }
    show::head(&job, job_path, &plan, hopeless);
    println!();
    show::requests(&look.first);
    show::lanes(&job, &plan);
    if args.cost {
        cost::print(&job, &plan, args.concurrency);
    }
    findings.print(plan.input.lines);
    hints.iter().for_each(|hint| println!("\n{}", hint.text));
    Ok(exit)
}

/// The limit of a lane.
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
