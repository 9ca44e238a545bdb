//! `throughline redrive`: sends the lines that failed or were not processed, and writes the complete output.

use std::path::Path;

use job::keys;
use job::run::{Again, Latest, RunRef, read_file};
use postprocess::Report;

use super::{run, summary, watch};
use crate::args;
use crate::aws::{AwsStack, Status, latest_generation};
use crate::exit::{CliError, Exit};
use crate::local::{Outputs, ProtectedFiles, check_planned_format, input_name, job_name};
use crate::print;

pub(super) async fn redrive(args: args::Redrive) -> Result<Exit, CliError> {
    let server = args.server.find(&args.options.state, &args.account)?;
    match (&args.input, &args.bucket, server) {
        (Some(input), _, Some(server)) => {
            let stack = AwsStack::connect(&server).await?;
            let run = latest_on_server(&stack, &args.job, input).await?;
            on_aws(stack, &run, &args).await
        }
        (Some(input), _, None) => {
            let target =
                args::Target { job: args.job.clone(), input: input.clone(), vars: args.vars.clone() };
            on_this_machine(&target, &args).await
        }
        (None, Some(bucket), _) => {
            let stack = AwsStack::connect(&args::Stack::of_bucket(bucket, &args.account)).await?;
            on_aws(stack, &args.job.display().to_string(), &args).await
        }
        (None, None, Some(server)) => {
            let stack = AwsStack::connect(&server).await?;
            on_aws(stack, &args.job.display().to_string(), &args).await
        }
        (None, None, None) => Err(CliError::new(
            "give the job file and the input file of a run on this machine, or the id of a run on AWS and the bucket of its stack (--bucket)",
        )),
    }
}

/// Redrives a run on this machine.
async fn on_this_machine(target: &args::Target, args: &args::Redrive) -> Result<Exit, CliError> {
    let early = run::exit_before_requests(args.options.json);
    let (state, mut target) = run::prepare(target, &args.options, "redrive").await?;
    state.select_as_latest(&mut target).await?;
    target.event.again = args.keep.then_some(Again::Continue);
    let before = state.latest(&target).await?;
    if before.as_ref().is_some_and(|before| *before != target.run.id) {
        state.follow_latest(&mut target).await?;
        if !args.options.json {
            eprintln!("sending with the job and the file as they are now");
        }
        target.event.include_unknown = args.include_unknown;
        return run::execute_and_summarize(&state, &target, &args.options, None, early).await;
    }
    let Some(latest) = latest_generation(&state.objects(), &target.run).await? else {
        let command = format!("throughline run {} {}", args.job.display(), target.input.display());
        let aws = args.bucket.as_ref().map(|bucket| {
            format!(". A run on AWS has an id in place of the two files: `throughline redrive JOB/ID --bucket {bucket}`")
        });
        return Err(CliError::new(format!(
            "this job and input have not been run on this machine yet: start with `{command}`{}",
            aws.unwrap_or_default()
        )));
    };
    check_planned_format(&state.objects(), &target.run, args.options.output.as_deref()).await?;
    target.run.generation = latest;
    let before = run::latest_report(&state.objects(), &target.run).await?;
    match before.filter(|_| !state.is_under_way(&target.run)) {
        Some(report) if nothing_left(&report, args.include_unknown) => {
            summary::print_local(&state, &target, &report, &args.options, summary::RequestsMade::Before).await
        }
        Some(_) => {
            target.redrive(latest + 1, args.include_unknown);
            run::execute_and_summarize(&state, &target, &args.options, None, early).await
        }
        // It was cut off, so it is continued: as a redrive if it was one, or as the run itself.
        None => {
            if latest > 0 {
                target.redrive(latest, args.include_unknown);
            }
            run::execute_and_summarize(&state, &target, &args.options, None, early).await
        }
    }
}

/// The run that had this job and file last on a server.
pub(super) async fn latest_on_server(stack: &AwsStack, job: &Path, input: &Path) -> Result<String, CliError> {
    let (job, file) = (job_name(job)?, input_name(input));
    let key = keys::latest(&job, &file);
    let Some(found) = stack.objects().find(&key).await? else {
        return Err(CliError::new(format!(
            "the server has no run of the job {job} with a file {file}: start with `throughline run`"
        )));
    };
    let latest: Latest = read_file(&found, &key, "the name of a run")?;
    Ok(format!("{job}/{}", latest.run))
}

/// Redrives a run on AWS or a server by a new execution on the same run folder.
async fn on_aws(stack: AwsStack, run: &str, args: &args::Redrive) -> Result<Exit, CliError> {
    if let Some(output) = &args.options.output {
        Outputs::check(output, "", &ProtectedFiles::default())?;
    }
    let (run, execution) = stack.find(run).await?;
    let watch_options = args::WatchOptions { output: args.options.output.clone(), json: args.options.json };
    let name = watch::run_name(&run);
    if execution.status == Status::Running {
        return Err(CliError::busy(format!(
            "the run {name} is still running; to watch it: {}",
            watch::command_for("watch", &stack, &run)
        )));
    }
    let report = run::latest_report(&stack.objects(), &run).await?;
    if report.is_some_and(|report| nothing_left(&report, args.include_unknown)) {
        return watch::print_end(&stack, &run, &execution, &watch_options).await;
    }
    let objects = stack.objects();
    let Some(plan) = objects.find(&run.keys().plan()).await? else {
        return Err(CliError::new(format!(
            "the run {name} ended before its input was split, so there is nothing to redrive: upload the input again with `throughline submit`"
        )));
    };
    if run::is_cleaned_up(&objects, &run, &plan).await? {
        return Err(CliError::new(format!(
            "every line of the run {name} has succeeded, and a later upload of {} has replaced its output",
            execution.file
        )));
    }
    warn_of_mended_job(&stack, &run, &args.options).await?;
    if execution.status == Status::Aborted {
        // Functions outlive an execution that was stopped from outside. They end when they find the stop
        // marker.
        stack.stop(&run, "its execution was stopped").await?;
    }
    let run = stack.redrive(&run, &execution, args.include_unknown).await?;
    watch::follow(&stack, &run, &watch_options).await
}

/// Says that a redrive on AWS sends with the job that the run began with, if the bucket has another one.
async fn warn_of_mended_job(
    stack: &AwsStack,
    run: &RunRef,
    options: &args::RunOptions,
) -> Result<(), CliError> {
    let objects = stack.objects();
    let now = objects.find(&keys::job_file(&run.job)).await?;
    let then = objects.find(&run.keys().job_file()).await?;
    if now == then {
        return Ok(());
    }
    let message = format!(
        "the job file in the bucket is not the one that the run {} began with, and this redrive sends with the job of the run. To keep \
         its responses and send the other lines with the mended job: throughline submit JOB {} --continue {}",
        watch::run_name(run),
        run.file,
        stack.options()
    );
    print::warning(&message, options.json);
    Ok(())
}

/// Whether no line is left to send.
fn nothing_left(report: &Report, include_unknown: bool) -> bool {
    let unknown = if include_unknown {
        0
    } else {
        report.errors.iter().filter(|error| error.code == "outcome_unknown").map(|error| error.count).sum()
    };
    report.ok + report.skipped + unknown >= report.lines
}
