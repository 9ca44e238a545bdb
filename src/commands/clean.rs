//! `throughline clean`: removes what is kept of runs.

use std::time::Duration;

use job::run::{Claim, Latest, RunRef, read_file};
use job::{Objects, keys};
use postprocess::{Report, report_key};

use super::runs::{self, Home, State};
use super::which;
use crate::args;
use crate::aws::AwsStack;
use crate::exit::{CliError, Exit};
use crate::local::{StateDir, Target, now};
use crate::{print, text};

pub(super) async fn clean(args: &args::Clean) -> Result<Exit, CliError> {
    let args::Clean { job, input, older, state, bucket, account, server } = args;
    let removed = match (older, job) {
        (None, Some(job)) => {
            let (job, input) = (job.clone(), input.clone());
            let of = args::OfRun {
                job,
                input,
                state: state.clone(),
                bucket: bucket.clone(),
                account: account.clone(),
                server: server.clone(),
            };
            let found = which::find(&of, "clean").await?;
            let listed = runs::listed(&found.objects(), &found.home, &found.run).await?;
            if listed.is_some_and(|listed| goes_on(&listed.state)) {
                return Err(CliError::busy(format!(
                    "the run {} is going on: end it first, `throughline stop`",
                    found.name()
                )));
            }
            remove(&found.home, &found.run).await?;
            vec![found.name()]
        }
        (older, job) => {
            let home = match (bucket, server.find(state, account)?) {
                (Some(bucket), _) => {
                    Home::Aws(AwsStack::connect(&args::Stack::of_bucket(bucket, account)).await?)
                }
                (None, Some(server)) => Home::Aws(AwsStack::connect(&server).await?),
                (None, None) if state.is_dir() => Home::Local(StateDir::open_objects(state, "clean")?),
                (None, None) => {
                    return Err(CliError::new(format!("there is no state folder {}", state.display())));
                }
            };
            let job = job.as_ref().map(|job| job.display().to_string());
            let job = job.as_deref().map(|job| job.strip_suffix(".toml").unwrap_or(job));
            remove_older(&home, job, older.unwrap_or_default(), None).await?
        }
    };
    removed.iter().for_each(|run| println!("removed {run}"));
    if removed.is_empty() {
        println!("nothing to remove");
    }
    Ok(Exit::Succeeded)
}

/// Removes the runs of a job, or of all jobs, that began longer ago than `age` and have ended, but for
/// the run with the id `but`. Returns their names.
///
/// # Errors
/// When the store cannot be read or written.
pub(super) async fn remove_older(
    home: &Home,
    job: Option<&str>,
    age: Duration,
    but: Option<&str>,
) -> Result<Vec<String>, CliError> {
    let objects = home.objects();
    let before = now().saturating_sub(u64::try_from(age.as_millis()).unwrap_or(u64::MAX));
    let mut removed = Vec::new();
    for listed in runs::list(&objects, home, job).await? {
        if goes_on(&listed.state)
            || but == Some(listed.id.as_str())
            || listed.started.is_none_or(|started| started >= before)
        {
            continue;
        }
        remove(home, &listed.reference(objects.bucket())).await?;
        removed.push(listed.name());
    }
    Ok(removed)
}

/// Removes the runs that the job of a run no longer keeps.
pub(super) async fn keep(state: StateDir, target: &Target, json: bool) {
    let Some(keep) = target.job.keep else { return };
    let home = Home::Local(state);
    let message = match remove_older(&home, Some(&target.run.job), keep, Some(&target.run.id)).await {
        Ok(removed) if removed.is_empty() => return,
        Ok(removed) => {
            format!(
                "removed the runs that began longer ago than {}: {}",
                text::duration(keep),
                removed.join(", ")
            )
        }
        Err(error) => format!("old runs were not removed: {error}"),
    };
    print::warning(&message, json);
}

fn goes_on(state: &State) -> bool {
    matches!(state, State::Running | State::Starting)
}

/// Removes a run and its outputs, if no later run has replaced them.
async fn remove(home: &Home, run: &RunRef) -> Result<(), CliError> {
    let objects = home.objects();
    let mut keys_of_it = Vec::new();
    if !run.file.is_empty() {
        keys_of_it = outputs(&objects, run).await?;
        let latest = keys::latest(&run.job, &run.file);
        let is_latest = objects.find(&latest).await?.is_some_and(|found| {
            serde_json::from_slice::<Latest>(&found).is_ok_and(|latest| latest.run == run.id)
        });
        if is_latest {
            keys_of_it.push(latest);
        }
    }
    let mut prefixes = vec![run.keys().prefix().to_owned()];
    for generation in 0..=run.generation {
        let key = run.keys().claim(generation);
        if let Some(claim) = objects.find(&key).await? {
            let claim: Claim = read_file(&claim, &key, "a claim")?;
            // The last part of an ARN, or the name itself.
            let name = claim.execution.rsplit(':').next().unwrap_or_default();
            prefixes.push(format!("runs/map/{name}/"));
        }
    }
    match home {
        Home::Local(state) => {
            for key in &keys_of_it {
                objects.delete(key).await?;
            }
            for prefix in &prefixes {
                objects.delete_prefix(prefix).await?;
            }
            state.forget(run)?;
        }
        Home::Aws(stack) => {
            for key in keys_of_it.iter().chain(&prefixes) {
                stack.delete_versions(key).await?;
            }
        }
    }
    Ok(())
}

/// The keys of the outputs, if they are those of this run.
async fn outputs(objects: &Objects, run: &RunRef) -> Result<Vec<String>, CliError> {
    let Some(report) = objects.find(&report_key(run)).await? else { return Ok(Vec::new()) };
    let report = serde_json::from_slice::<Report>(&report).ok().filter(|report| report.run == run.id);
    let outputs = report.map(|report| report.outputs);
    Ok(outputs
        .map(|outputs| {
            std::iter::once(outputs.output).chain(outputs.failed).chain([outputs.report]).collect()
        })
        .unwrap_or_default())
}
