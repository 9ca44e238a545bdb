//! `throughline run`: a file end to end on this machine.

use std::path::Path;
use std::sync::Arc;

use job::file::secrets::SecretRef;
use job::run::RunRef;
use job::{ErrorName, Job, Objects, Plan};
use postprocess::Report;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::summary::{self, Failed, When};
use states::services::Functions;

use crate::args;
use crate::exit::{CliError, Exit, is_wrong};
use crate::local::{
    ExecutionEnd, LocalSecrets, Outputs, Protected, Role, StateDir, Target, check_here, check_planned,
    execute, format_by_name, serve,
};
use crate::print;
use crate::progress::{Progress, Style, show};
use crate::signals::Signals;

pub(super) async fn run(args: args::Run) -> Result<Exit, CliError> {
    let (state, mut target) = open(&args.target, &args.places, "run").await?;
    if !args.fresh {
        check_planned(&state.objects(), &target.run, args.places.output.as_deref()).await?;
    }
    let before = if args.fresh { None } else { finished(&state.objects(), &target.run).await? };
    match before {
        Some(report) => {
            // A redrive may have ended this run.
            target.run.generation = report.generation;
            if !state.is_under_way(&target.run) {
                return summary::finished(&state, &target, &report, &args.places, When::Before).await;
            }
            // Cut off between its report and its end: it has to be tidied yet.
            if report.generation > 0 {
                target.redrive(report.generation, false);
            }
        }
        None if args.fresh || is_gone(&state, &target.run).await? => state.start_over(&mut target)?,
        None => {}
    }
    match &args.functions {
        None => go(&state, &target, &args.places, None).await,
        Some(url) => {
            let functions = Functions::at(url)?;
            let _served = serve(&state, args.s3_port).await?;
            go(&state, &target, &args.places, Some(functions)).await
        }
    }
}

/// Reads and checks everything that can be wrong before any request.
pub(super) async fn open(
    target: &args::Target,
    places: &args::Places,
    command: &str,
) -> Result<(StateDir, Target), CliError> {
    let (text, job) = crate::local::read_job(&target.job)?;
    check_here(&target.input, Role::Input)?;
    let format = match &places.output {
        Some(output) => {
            check_here(output, Role::Output)?;
            format_by_name(output, &job)?
        }
        None => None,
    };
    let kept = kept(target, &job, Some(&places.state));
    kept.check_reads()?;
    if let Some(output) = &places.output {
        Outputs::check(output, &file_name(&target.input), &kept)?;
    }
    let name = crate::local::job_name(&target.job)?;
    LocalSecrets::check(&name, &job).await?;
    let state = StateDir::open(
        &places.state,
        &format!("{command} {} {}", target.job.display(), target.input.display()),
    )?;
    let mut target = Target::install(&state, &name, text, job, &target.input).await?;
    target.event.output = format;
    Ok((state, target))
}

/// What no output may replace.
pub(super) fn kept(target: &args::Target, job: &Job, state: Option<&Path>) -> Protected {
    let secrets = job.secrets.values().filter_map(|reference| match reference {
        SecretRef::File(path) => Some(("the file of a secret", path.clone())),
        _ => None,
    });
    let files = [("the input", target.input.clone()), ("the job file", target.job.clone())]
        .into_iter()
        .chain(secrets)
        .collect();
    Protected { files, state: state.map(Path::to_owned) }
}

pub(super) fn file_name(input: &Path) -> String {
    input.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Executes, in this process or by functions elsewhere, shows progress, and ends with the summary.
pub(super) async fn go(
    state: &StateDir,
    target: &Target,
    places: &args::Places,
    functions: Option<Functions>,
) -> Result<Exit, CliError> {
    let progress = Arc::new(Progress::default());
    let style = if places.json { Style::Json } else { Style::Person };
    let (stop, shown) = (CancellationToken::new(), CancellationToken::new());
    print::stop_when_unread(stop.clone());
    let showing = tokio::spawn(show(progress.clone(), style, shown.clone()));
    let listening = tokio::spawn(interrupted(stop.clone(), progress.clone(), places.json));
    let ended = execute(state, target, functions, &progress, stop).await;
    shown.cancel();
    let _ = showing.await;
    listening.abort();
    let sent = progress.has_sent();
    let _at_once =
        AbortOnDropHandle::new(tokio::spawn(at_once(Signals::listen(), progress.clone(), places.json)));
    ending(state, target, places, ended, &progress, sent).await.map_err(|wrong| wrong.after_requests(sent))
}

/// Tells how an execution ended, in which requests were `sent` or not.
async fn ending(
    state: &StateDir,
    target: &Target,
    places: &args::Places,
    ended: Result<ExecutionEnd, CliError>,
    progress: &Progress,
    sent: bool,
) -> Result<Exit, CliError> {
    match ended? {
        ExecutionEnd::Finished => match finished(&state.objects(), &target.run).await? {
            Some(report) => summary::finished(state, target, &report, places, When::now(sent)).await,
            None => Err(CliError::new("the run ended without a report")),
        },
        ExecutionEnd::Failed { error, message } => {
            let message = target.in_users_names(&message);
            let exit = if is_wrong(&error) && !sent { Exit::Wrong } else { Exit::Failed };
            let verdict = if sent { "failed" } else { "not_started" };
            Ok(Failed { exit, verdict, error: &error, message: &message, sent }.print(places.json))
        }
        ExecutionEnd::NoRoom { message } => {
            let message = format!("{message}. Make room; the same command continues");
            let error = ErrorName::StorageFull.as_str();
            Ok(Failed { exit: Exit::Failed, verdict: "stopped", error, message: &message, sent }
                .print(places.json))
        }
        ExecutionEnd::Interrupted => {
            summary::interrupted(&progress.now(), sent, places.json);
            Ok(Exit::Interrupted)
        }
    }
}

/// The report of this run, if it is the one that ended last for this input's name.
pub(super) async fn finished(objects: &Objects, run: &RunRef) -> Result<Option<Report>, CliError> {
    let Some(report) = objects.find(&postprocess::report_key(run)).await? else { return Ok(None) };
    let report: Option<Report> = serde_json::from_slice(&report).ok();
    Ok(report.filter(|report| report.run == run.id && report.generation >= run.generation))
}

/// Whether a run without a report succeeded once and was tidied away: its outputs have since been replaced by another run's.
async fn is_gone(state: &StateDir, run: &RunRef) -> Result<bool, CliError> {
    let objects = state.objects();
    match objects.find(&run.keys().plan()).await? {
        Some(plan) => is_tidied(&objects, run, &plan).await,
        None => Ok(false),
    }
}

/// Whether a run that has this plan has no lines any more: they are removed when every one has succeeded.
pub(super) async fn is_tidied(objects: &Objects, run: &RunRef, plan: &[u8]) -> Result<bool, CliError> {
    let plan: Option<Plan> = serde_json::from_slice(plan).ok();
    let Some(first) = plan.as_ref().and_then(|plan| plan.lanes.first()) else { return Ok(false) };
    Ok(objects.list(&run.keys().items(&first.name)).await?.is_empty())
}

/// The first signal stops cleanly, the second at once.
async fn interrupted(stop: CancellationToken, progress: Arc<Progress>, json: bool) {
    let mut signals = Signals::listen();
    signals.next().await;
    progress.stopping();
    stop.cancel();
    at_once(signals, progress, json).await;
}

/// Ends the process at a signal, as it stands.
async fn at_once(mut signals: Signals, progress: Arc<Progress>, json: bool) {
    signals.next().await;
    summary::interrupted(&progress.now(), progress.has_sent(), json);
    std::process::exit(Exit::Interrupted.code().into());
}
