//! `throughline redrive`: only the lines that failed or were not processed, and then the complete output.

use postprocess::Report;

use super::{run, summary, watch};
use crate::args;
use crate::aws::{AwsStack, Status, latest_generation};
use crate::exit::{CliError, Exit};
use crate::local::{Outputs, Protected, check_planned};

pub(super) async fn redrive(args: args::Redrive) -> Result<Exit, CliError> {
    match (&args.input, &args.bucket) {
        (Some(input), _) => {
            let target = args::Target { job: args.job.clone(), input: input.clone() };
            here(&target, &args).await
        }
        (None, Some(bucket)) => {
            on_aws(&args::Stack { bucket: bucket.clone(), account: args.account.clone() }, &args).await
        }
        (None, None) => Err(CliError::new(
            "give the job file and the input of a run on this machine, or a run on AWS with the bucket of its stack (--bucket)",
        )),
    }
}

/// A run on this machine.
async fn here(target: &args::Target, args: &args::Redrive) -> Result<Exit, CliError> {
    let (state, mut target) = run::open(target, &args.places, "redrive").await?;
    let Some(latest) = latest_generation(&state.objects(), &target.run).await? else {
        let command = format!("throughline run {} {}", args.job.display(), target.input.display());
        return Err(CliError::new(format!(
            "this job and input have not been run yet: start with `{command}`"
        )));
    };
    check_planned(&state.objects(), &target.run, args.places.output.as_deref()).await?;
    target.run.generation = latest;
    let before = run::finished(&state.objects(), &target.run).await?;
    match before.filter(|_| !state.is_under_way(&target.run)) {
        Some(report) if nothing_left(&report, args.include_unknown) => {
            summary::finished(&state, &target, &report, &args.places, summary::When::Before).await
        }
        Some(_) => {
            target.redrive(latest + 1, args.include_unknown);
            run::go(&state, &target, &args.places, None).await
        }
        // Cut off: it is continued, as the redrive it was or as the run itself.
        None => {
            if latest > 0 {
                target.redrive(latest, args.include_unknown);
            }
            run::go(&state, &target, &args.places, None).await
        }
    }
}

/// A run on AWS: a new execution on the same run folder.
async fn on_aws(stack: &args::Stack, args: &args::Redrive) -> Result<Exit, CliError> {
    if let Some(output) = &args.places.output {
        Outputs::check(output, "", &Protected::default())?;
    }
    let stack = AwsStack::connect(stack).await?;
    let (run, execution) = stack.find(&args.job.display().to_string()).await?;
    let shown = args::Shown { output: args.places.output.clone(), json: args.places.json };
    let name = watch::name(&run);
    if execution.status == Status::Running {
        return Err(CliError::busy(format!(
            "the run {name} is still going: {}",
            watch::command("watch", &stack, &run)
        )));
    }
    let report = run::finished(&stack.objects(), &run).await?;
    if report.is_some_and(|report| nothing_left(&report, args.include_unknown)) {
        return watch::ended(&stack, &run, &execution, &shown).await;
    }
    let objects = stack.objects();
    let Some(plan) = objects.find(&run.keys().plan()).await? else {
        return Err(CliError::new(format!(
            "the run {name} never came to its first line: upload its input again, with `throughline submit`"
        )));
    };
    if run::is_tidied(&objects, &run, &plan).await? {
        return Err(CliError::new(format!(
            "every line of the run {name} has succeeded; a later upload of {} has replaced its output",
            execution.file
        )));
    }
    if execution.status == Status::Aborted {
        // Functions outlive an execution that was stopped from outside; they look for this.
        stack.stop(&run, "its execution was stopped").await?;
    }
    let run = stack.redrive(&run, &execution, args.include_unknown).await?;
    watch::follow(&stack, &run, &shown).await
}

fn nothing_left(report: &Report, include_unknown: bool) -> bool {
    let unknown = if include_unknown {
        0
    } else {
        report.errors.iter().filter(|error| error.code == "outcome_unknown").map(|error| error.count).sum()
    };
    report.ok + unknown >= report.lines
}
