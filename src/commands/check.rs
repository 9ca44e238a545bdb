//! `throughline check`: reports everything that can be known before a request is made.

mod cost;
mod findings;
mod hints;
mod json;
mod preview;
mod show;

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;
use std::time::{Duration, Instant};

use job::{Job, Plan, StepError};
use worker::request::Prepared;

use crate::args;
use crate::exit::{CliError, Exit};
use crate::local::{Input, LocalSecrets, job_name, read_job_with, with_input_path};
pub(super) use cost::charges;
use findings::Findings;
use hints::Hint;
use preview::{Preview, Previewed};
pub(super) use show::{provider, seconds};

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
    let Input { name, file, .. } = Input::open(input)?;
    let until = (!args.all).then(|| Instant::now() + TIME_LIMIT);
    let looked = look(&job, file, &name, args.lines, until).await;
    let Looked { plan, first, findings, hints } =
        looked.map_err(|error| CliError::new(with_input_path(&error.message, &name, input)))?;
    let hopeless = findings.hopeless() || hints.iter().any(|hint| hint.hopeless);
    let exit = if hopeless { Exit::Wrong } else { Exit::Succeeded };
    if args.json {
        println!("{}", json::object(args, &job, &plan, &findings, &hints, exit));
        return Ok(exit);
    }
    show::head(&job, job_path, &plan, hopeless);
    println!();
    show::requests(&first);
    show::lanes(&job, &plan);
    if args.cost {
        cost::print(&job, &plan, &findings, args);
    }
    findings.print(plan.input.lines);
    hints.iter().for_each(|hint| println!("\n{}", hint.text));
    Ok(exit)
}

/// What is known of a job and an input before a request is made.
pub(super) struct Looked {
    pub(super) plan: Plan,
    /// The first requests by line number, or why a line has no request.
    pub(super) first: BTreeMap<u64, Result<Prepared, String>>,
    pub(super) findings: Findings,
    pub(super) hints: Vec<Hint>,
}

/// Splits an input as a run would, keeps its first requests, and renders further lines `until` this time.
pub(super) async fn look(
    job: &Arc<Job>,
    input: impl Read + Send + 'static,
    name: &str,
    shown: usize,
    until: Option<Instant>,
) -> Result<Looked, StepError> {
    let (of_split, name) = (job.clone(), name.to_owned());
    let mut preview = Preview::new(job, shown, until);
    let split =
        move || preprocess::split(input, &of_split, &name, &mut preview).map(|plan| (plan, preview.end()));
    let (plan, Previewed { first, findings }) =
        tokio::task::spawn_blocking(split).await.expect("splitting does not panic")?;
    let hints = hints::all(job, &plan, &findings);
    Ok(Looked { plan, first, findings, hints })
}

/// The limit that applies to a lane.
pub(super) fn limit(job: &Job, kind: &job::LaneKind) -> job::file::Limit {
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
