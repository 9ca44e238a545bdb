//! `throughline watch`: a run on AWS, as a run on this machine is shown.

use std::path::PathBuf;
use std::sync::Arc;

use job::messages::RunRef;
use job::{ErrorName, keys};
use postprocess::Report;
use tokio_util::sync::CancellationToken;

use super::summary::{self, Summary};
use crate::args;
use crate::cloud::{self, Cloud, Execution, Followed, Status};
use crate::exit::{Exit, Wrong, is_wrong};
use crate::progress::{Progress, Style, show};

pub(super) async fn watch(args: args::Watch) -> Result<Exit, Wrong> {
    let cloud = Cloud::connect(&args.stack).await?;
    // Just after an upload nothing has claimed it.
    let run = cloud.run(&args.run).await?;
    follow(&cloud, &run, &args.shown).await
}

/// Shows a run until it ends, and its summary. Ctrl-C leaves the run alone.
pub(super) async fn follow(cloud: &Cloud, run: &RunRef, shown: &args::Shown) -> Result<Exit, Wrong> {
    let progress = Arc::new(Progress::elsewhere());
    let style = if shown.json { Style::Json } else { Style::Person };
    let done = CancellationToken::new();
    let showing = tokio::spawn(show(progress.clone(), style, done.clone()));
    let followed = tokio::select! {
        followed = cloud::follow(cloud, run, &progress) => Some(followed),
        _ = tokio::signal::ctrl_c() => None,
    };
    done.cancel();
    let _ = showing.await;
    match followed.transpose()? {
        None => {
            eprintln!("the run goes on; watch it again: throughline watch {} --bucket {}", name(run), cloud.bucket());
            Ok(Exit::Interrupted)
        }
        Some(Followed::Unclaimed) => Err(Wrong::new(format!(
            "no execution has claimed the run {}: is that its name, and does a stack with the bucket {} start runs for uploads?",
            name(run),
            cloud.bucket()
        ))),
        Some(Followed::Ended(execution)) => ended(cloud, run, &execution, shown).await,
    }
}

/// `JOB/ID`, as it is typed.
pub(super) fn name(run: &RunRef) -> String {
    format!("{}/{}", run.job, run.id)
}

/// The summary of a run that has ended.
pub(super) async fn ended(cloud: &Cloud, run: &RunRef, execution: &Execution, shown: &args::Shown) -> Result<Exit, Wrong> {
    let run = &RunRef { file: execution.file.clone(), ..run.clone() };
    match (&execution.status, report(cloud, run).await?) {
        (Status::Failed { error, cause }, _) if error != ErrorName::RunFailed.as_str() => {
            summary::failed(error, &crate::home::message_of(cause), shown.json);
            Ok(if is_wrong(error) { Exit::Wrong } else { Exit::Failed })
        }
        (Status::Aborted, None) => {
            let message = format!(
                "the execution was stopped from outside and left no output; `throughline redrive {} --bucket {}` finishes the run",
                name(run),
                cloud.bucket()
            );
            summary::failed("Execution.Aborted", &message, shown.json);
            Ok(Exit::Failed)
        }
        (_, Some(report)) => {
            let bucket = cloud.bucket().to_owned();
            let summary = Summary {
                objects: cloud.objects(),
                place: Box::new(move |key| PathBuf::from(format!("s3://{bucket}/{key}"))),
                run: run.clone(),
                input: run.file.clone(),
                again: format!("throughline redrive {} --bucket {}", name(run), cloud.bucket()),
            };
            summary.print(&report, shown.output.as_deref(), shown.json, false).await
        }
        (_, None) => Err(Wrong::new(format!(
            "the report of the run {} is no longer there: a later upload of {} has replaced it",
            name(run),
            run.file
        ))),
    }
}

/// The report of this generation of a run, when it is written and still there.
pub(super) async fn report(cloud: &Cloud, run: &RunRef) -> Result<Option<Report>, Wrong> {
    let report = cloud.objects().find(&keys::report(&run.job, &run.file)).await?;
    let report = report.and_then(|report| serde_json::from_slice::<Report>(&report).ok());
    Ok(report.filter(|report| report.run == run.id && report.generation >= run.generation))
}
