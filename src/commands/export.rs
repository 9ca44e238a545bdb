//! `throughline export`: the output of a run as far as it has come, also while it goes on.

use std::sync::Arc;

use postprocess::{Context, Exported, Settings};

use super::run::latest_report;
use super::which;
use crate::args;
use crate::exit::{CliError, Exit};
use crate::local::{Outputs, ProtectedFiles, format_of_name, now};
use crate::text;

pub(super) async fn export(args: &args::Export) -> Result<Exit, CliError> {
    let files = args.of.input.iter().map(|input| ("the input", input.clone()));
    let protected = ProtectedFiles { files: files.collect(), state: Some(args.of.state.clone()) };
    Outputs::check_one(&args.output, &protected)?;
    let found = which::find(&args.of, "export").await?;
    let (objects, run) = (found.objects(), &found.run);
    let failed = |error: crate::local::OutputError| CliError::new(error.to_string());
    let key = run.keys().plan();
    let Some(plan) = objects.find(&key).await? else {
        return Err(CliError::new(format!("the run {} has not split its input yet", found.name())));
    };
    let plan = job::run::parse_plan(&plan, &key)?;
    if let Some(wanted) = format_of_name(&args.output)?.filter(|wanted| *wanted != plan.output) {
        let (is, name) = (plan.output.name(), wanted.name());
        return Err(CliError::new(format!(
            "the output of this run is {is}, and {} is to be {name}: give it another extension",
            args.output.display()
        )));
    }
    // Where every line has succeeded, the lines were removed, and the output is there.
    if let Some(report) = latest_report(&objects, run).await?.filter(postprocess::Report::complete) {
        Outputs::copy_one(&objects, &report.outputs.output, &args.output).await.map_err(failed)?;
        println!("every line of the run {} has succeeded: {}", found.name(), text::lines(report.lines));
        return Ok(Exit::Succeeded);
    }
    let context = Context {
        s3: found.home.s3(),
        settings: Settings::default(),
        stop: tokio_util::sync::CancellationToken::new(),
        pause: tokio_util::sync::CancellationToken::new(),
        progress: None,
        now: Arc::new(now),
    };
    let key = format!("{}export/{}", run.keys().prefix(), uuid::Uuid::new_v4().simple());
    let exported = postprocess::export(&context, run.clone(), &key).await;
    let copied = match exported {
        Ok(exported) => {
            Outputs::copy_one(&objects, &key, &args.output).await.map(|()| exported).map_err(failed)
        }
        Err(error) => Err(error.into()),
    };
    objects.delete(&key).await?;
    let Exported { lines, ok, failed, skipped, left } = copied?;
    let skipped =
        if skipped > 0 { format!(", {} without a request", text::count(skipped)) } else { String::new() };
    println!(
        "{} of {} succeeded, {} failed, {} not processed yet{skipped}",
        text::count(ok),
        text::lines(lines),
        text::count(failed),
        text::count(left)
    );
    Ok(Exit::Succeeded)
}
