//! `throughline run`: processes a file end to end on this machine.

use std::path::Path;
use std::sync::Arc;

use job::run::RunRef;
use job::{ErrorName, Job, Objects, Plan};
use postprocess::Report;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use states::services::Functions;

use super::clean;
use super::failed_lines;
use super::question::{self, Decision};
use super::summary::{self, FailedRun, RequestsMade};
use crate::args::{self, RunOptions};
use crate::exit::{CliError, Exit, is_user_error};
use crate::local::{
    ExecutionEnd, FileRole, Holder, LocalSecrets, Outputs, ProtectedFiles, StateDir, Target,
    check_local_path, check_planned_format, execute, format_by_name, input_name, serve,
};
use crate::log;
use crate::print;
use crate::progress::{Progress, Style, show};
use crate::signals::Signals;

pub(super) async fn run(args: args::Run) -> Result<Exit, CliError> {
    if let Some(server) = args.server.find(&args.options.state, &args::Account::default())? {
        return on_server(args, server).await;
    }
    let early = exit_before_requests(args.options.json);
    let (state, mut target) = prepare(&args.target, &args.options, "run").await?;
    if let Some(warning) = failed_lines::warning(&target.run.job, &args.target) {
        print::warning(&warning, args.options.json);
    }
    state.select(&mut target, args.part.selection())?;
    target.event.again = args.again.said();
    let fresh = args.again.fresh;
    if !fresh {
        state.follow_latest(&mut target).await?;
        check_planned_format(&state.objects(), &target.run, args.options.output.as_deref()).await?;
    }
    let before = if fresh { None } else { latest_report(&state.objects(), &target.run).await? };
    match before {
        Some(report) => {
            // A redrive may have ended this run.
            target.run.generation = report.generation;
            if !state.is_under_way(&target.run) {
                return summary::print_local(&state, &target, &report, &args.options, RequestsMade::Before)
                    .await;
            }
            // It was cut off after its report and before its end, so its cleanup must still be done.
            if report.generation > 0 {
                target.redrive(report.generation, false);
            }
        }
        None if fresh || was_cleaned_up(&state, &target.run).await? => state.start_over(&mut target)?,
        None => {}
    }
    let exit = match &args.functions {
        None => execute_and_summarize(&state, &target, &args.options, None, early).await,
        Some(url) => {
            let functions = Functions::at(url)?;
            let _served = serve(&state, args.s3_port).await?;
            execute_and_summarize(&state, &target, &args.options, Some(functions), early).await
        }
    };
    clean::keep(state, &target, args.options.json).await;
    exit
}

/// Runs a job on a server, as an upload to it does, and fetches the output.
async fn on_server(args: args::Run, stack: args::Stack) -> Result<Exit, CliError> {
    let args::Run { target, options, again, part, functions, .. } = args;
    let refused =
        [("--limit, --lines and --sample", part.selection().is_some()), ("--functions", functions.is_some())];
    if let Some((option, _)) = refused.iter().find(|(_, given)| *given) {
        return Err(CliError::new(format!(
            "a server runs whole files in its own process: leave {option} out, or name another folder with --state"
        )));
    }
    if !options.json {
        eprintln!("the run goes to the server at {}", stack.server.server.as_deref().unwrap_or_default());
    }
    let watch_options = args::WatchOptions { output: options.output, json: options.json };
    super::submit::submit(args::Submit { target, stack, watch: true, watch_options, again }).await
}

/// Opens the state folder and installs the job, after checking everything that can be checked before any
/// request. Waits while another process runs the same job.
pub(super) async fn prepare(
    target: &args::Target,
    options: &args::RunOptions,
    command: &str,
) -> Result<(StateDir, Target), CliError> {
    let (text, job) = crate::local::read_job_with(&target.job, &target.vars)?;
    if let Some(path) = &options.log {
        log::open(path)?;
    }
    check_local_path(&target.input, FileRole::Input)?;
    let format = match &options.output {
        Some(output) => {
            check_local_path(output, FileRole::Output)?;
            format_by_name(output, &job)?
        }
        None => None,
    };
    let protected = protected_files(target, &job, Some(&options.state));
    protected.check_inputs()?;
    if let Some(output) = &options.output {
        Outputs::check(output, &input_name(&target.input), &protected)?;
    }
    let name = crate::local::job_name(&target.job)?;
    LocalSecrets::check(&name, &job).await?;
    if let Some(proxy) = crate::local::unused_proxy(&job) {
        eprintln!("note: {proxy}");
    }
    let command = format!("{command} {} {}", target.job.display(), target.input.display());
    let state = StateDir::open(&options.state, &name, &command, waits(options.json)).await?;
    let mut target = Target::install(&state, &name, text, job, &target.input).await?;
    target.event.output = format;
    target.event.secrets = state.fingerprints(&name, &target.job).await?;
    Ok((state, target))
}

/// Says which process this one waits for, once for each.
fn waits(json: bool) -> impl FnMut(Holder) {
    let mut told = None;
    move |holder| {
        if told.as_ref() == Some(&holder) {
            return;
        }
        if json {
            println!("{}", serde_json::json!({ "event": "waiting", "holder": &holder }));
        } else {
            eprintln!("waiting for {holder}, which runs the same job; Ctrl-C ends the wait");
        }
        told = Some(holder);
    }
}

/// The files that no output may replace.
pub(super) fn protected_files(target: &args::Target, job: &Job, state: Option<&Path>) -> ProtectedFiles {
    let secrets = job.secret_files().map(|path| ("the file of a secret", path.to_owned()));
    let files = [("the input", target.input.clone()), ("the job file", target.job.clone())]
        .into_iter()
        .chain(secrets)
        .collect();
    ProtectedFiles { files, state: state.map(Path::to_owned) }
}

/// Executes a run in this process or by functions in other processes, shows its progress, and prints its
/// summary. If only the user can know what the run keeps, it is asked, and then executed again. `early` has
/// listened for signals until now.
pub(super) async fn execute_and_summarize(
    state: &StateDir,
    target: &Target,
    options: &args::RunOptions,
    functions: Option<Functions>,
    mut early: AbortOnDropHandle<()>,
) -> Result<Exit, CliError> {
    let mut target = target.clone();
    let stop = CancellationToken::new();
    print::stop_when_unread(stop.clone());
    loop {
        let progress = Arc::new(Progress::default());
        let ended =
            execute_visibly(state, &target, options, functions.clone(), &progress, &stop, early).await;
        let sent = progress.has_sent();
        let signals = Signals::listen();
        early = AbortOnDropHandle::new(tokio::spawn(exit_on_signal(signals, progress.clone(), options.json)));
        if let Ok(ExecutionEnd::Failed { error, message }) = &ended
            && error == ErrorName::RunDoubtful.as_str()
            && !(sent || options.json)
        {
            match question::ask(&target.with_user_paths(message)).await {
                Decision::Said(again) => {
                    target.event.again = Some(again);
                    continue;
                }
                Decision::Cancelled => {
                    eprintln!("cancelled: nothing was sent");
                    return Ok(Exit::Wrong);
                }
                Decision::Open => {}
            }
        }
        let summarized = summarize(state, &target, options, ended, &progress, sent).await;
        return summarized.map_err(|error| error.after_requests(sent));
    }
}

/// Executes a run and shows its progress. A signal stops it.
async fn execute_visibly(
    state: &StateDir,
    target: &Target,
    options: &args::RunOptions,
    functions: Option<Functions>,
    progress: &Arc<Progress>,
    stop: &CancellationToken,
    early: AbortOnDropHandle<()>,
) -> Result<ExecutionEnd, CliError> {
    let style = match options {
        RunOptions { json: true, .. } => Style::Json,
        RunOptions { quiet: true, .. } => Style::Quiet,
        _ => Style::Text,
    };
    let shown = CancellationToken::new();
    let showing = tokio::spawn(show(progress.clone(), style, shown.clone()));
    let signals = Signals::listen();
    drop(early);
    let listening = tokio::spawn(stop_on_signal(signals, stop.clone(), progress.clone(), options.json));
    let ended = execute(state, target, functions, progress, stop.clone()).await;
    shown.cancel();
    let _ = showing.await;
    listening.abort();
    ended
}

/// Prints how an execution ended. `sent` says whether it made requests.
async fn summarize(
    state: &StateDir,
    target: &Target,
    options: &args::RunOptions,
    ended: Result<ExecutionEnd, CliError>,
    progress: &Progress,
    sent: bool,
) -> Result<Exit, CliError> {
    match ended? {
        ExecutionEnd::Finished => match latest_report(&state.objects(), &target.run).await? {
            Some(report) => {
                summary::print_local(state, target, &report, options, RequestsMade::by_now(sent)).await
            }
            None => Err(CliError::new("the run ended without a report")),
        },
        ExecutionEnd::Failed { error, message } => {
            let message = target.with_user_paths(&message);
            let exit = if is_user_error(&error) && !sent { Exit::Wrong } else { Exit::Failed };
            let verdict = if sent { "failed" } else { "not_started" };
            Ok(FailedRun { exit, verdict, error: &error, message: &message, sent }.print(options.json))
        }
        ExecutionEnd::DiskFull { message } => {
            let message = format!("{message}. Make room; the same command continues");
            let error = ErrorName::StorageFull.as_str();
            Ok(FailedRun { exit: Exit::Failed, verdict: "stopped", error, message: &message, sent }
                .print(options.json))
        }
        ExecutionEnd::Interrupted => {
            summary::print_interrupted(&progress.snapshot(), sent, options.json);
            Ok(Exit::Interrupted)
        }
    }
}

/// The report of this run, unless a later run of an input with the same name has replaced it.
pub(super) async fn latest_report(objects: &Objects, run: &RunRef) -> Result<Option<Report>, CliError> {
    let Some(report) = objects.find(&postprocess::report_key(run)).await? else { return Ok(None) };
    let report: Option<Report> = serde_json::from_slice(&report).ok();
    Ok(report.filter(|report| report.run == run.id && report.generation >= run.generation))
}

/// Whether a run without a report has succeeded before and was cleaned up. Another run has replaced its
/// outputs since then.
async fn was_cleaned_up(state: &StateDir, run: &RunRef) -> Result<bool, CliError> {
    let objects = state.objects();
    match objects.find(&run.keys().plan()).await? {
        Some(plan) => is_cleaned_up(&objects, run, &plan).await,
        None => Ok(false),
    }
}

/// Whether the lines of a run with this plan were removed, which happens when all of them have succeeded.
pub(super) async fn is_cleaned_up(objects: &Objects, run: &RunRef, plan: &[u8]) -> Result<bool, CliError> {
    let plan: Option<Plan> = serde_json::from_slice(plan).ok();
    let Some(first) = plan.as_ref().and_then(|plan| plan.lanes.first()) else { return Ok(false) };
    Ok(objects.list(&run.keys().items(&first.name)).await?.is_empty())
}

/// Stops the run at the first signal, and ends the process at the second one.
async fn stop_on_signal(mut signals: Signals, stop: CancellationToken, progress: Arc<Progress>, json: bool) {
    signals.next().await;
    progress.stopping();
    stop.cancel();
    exit_on_signal(signals, progress, json).await;
}

/// Ends the process at a signal until the result is dropped, for the time before the first request.
pub(super) fn exit_before_requests(json: bool) -> AbortOnDropHandle<()> {
    AbortOnDropHandle::new(tokio::spawn(exit_on_signal(Signals::listen(), Arc::default(), json)))
}

/// Ends the process at the next signal, without waiting for anything.
async fn exit_on_signal(mut signals: Signals, progress: Arc<Progress>, json: bool) {
    signals.next().await;
    summary::print_interrupted(&progress.snapshot(), progress.has_sent(), json);
    std::process::exit(Exit::Interrupted.code().into());
}
