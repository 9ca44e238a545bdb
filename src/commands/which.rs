//! Which run a command means.

use std::path::Path;

use job::run::{FORMAT, Latest, RunRef};
use job::{Objects, keys};

use super::redrive::latest_on_server;
use super::runs::Home;
use crate::args;
use crate::aws::{AwsStack, latest_generation};
use crate::exit::CliError;
use crate::local::{Input, StateDir, job_name};

/// A run, and where it is.
pub(super) struct Found {
    pub(super) run: RunRef,
    pub(super) home: Home,
}

impl Found {
    /// The objects of the run.
    pub(super) fn objects(&self) -> Objects {
        self.home.objects()
    }

    /// The run's id for users: `JOB/ID`.
    pub(super) fn name(&self) -> String {
        format!("{}/{}", self.run.job, self.run.id)
    }
}

/// The run of these arguments; `command` is the name of the command.
///
/// # Errors
/// When there is no such run.
pub(super) async fn find(of: &args::OfRun, command: &str) -> Result<Found, CliError> {
    let id = of.job.display().to_string();
    let server = of.server.find(&of.state, &of.account)?;
    let mut found = match (&of.input, &of.bucket, server) {
        (Some(input), _, Some(server)) => {
            let stack = AwsStack::connect(&server).await?;
            of_stack(&latest_on_server(&stack, &of.job, input).await?, stack).await?
        }
        (Some(input), _, None) => of_files(of, input, command).await?,
        (None, Some(bucket), _) => {
            of_stack(&id, AwsStack::connect(&args::Stack::of_bucket(bucket, &of.account)).await?).await?
        }
        (None, None, Some(server)) => of_stack(&id, AwsStack::connect(&server).await?).await?,
        (None, None, None) => of_id(of, &id, command)?,
    };
    let objects = found.objects();
    let plan = objects.find(&found.run.keys().plan()).await?;
    let generation = latest_generation(&objects, &found.run).await?;
    if plan.is_none() && generation.is_none() {
        return Err(CliError::new(format!(
            "there is no run {}: `throughline runs` lists them",
            found.name()
        )));
    }
    found.run.generation = generation.unwrap_or(0);
    if let Some(plan) = plan.filter(|_| found.run.file.is_empty()) {
        found.run.file = job::run::parse_plan(&plan, &found.run.keys().plan())?.input.file;
    }
    Ok(found)
}

async fn of_stack(id: &str, stack: AwsStack) -> Result<Found, CliError> {
    Ok(Found { run: stack.run(id).await?, home: Home::Aws(stack) })
}

/// The run of this job and file that came last on this machine.
async fn of_files(of: &args::OfRun, input: &Path, command: &str) -> Result<Found, CliError> {
    let not_yet = || {
        let (job, input) = (of.job.display(), input.display());
        CliError::new(format!(
            "this job and input have not been run on this machine yet: start with `throughline run {job} {input}`; `throughline try {job} {input} --line 1` sends one line alone"
        ))
    };
    if !of.state.is_dir() {
        return Err(not_yet());
    }
    let state = StateDir::open_objects(&of.state, command)?;
    let (job, file) = (job_name(&of.job)?, Input::open(input)?.name);
    let key = keys::latest(&job, &file);
    let latest = state.objects().find(&key).await?.ok_or_else(not_yet)?;
    let latest: Latest = serde_json::from_slice(&latest).map_err(|error| job::run::damaged(&key, error))?;
    Ok(Found { run: run(s3::BUCKET, &job, file, &latest.run), home: Home::Local(state) })
}

/// The run on this machine with this id.
fn of_id(of: &args::OfRun, id: &str, command: &str) -> Result<Found, CliError> {
    let parts = id.split_once('/').filter(|(job, id)| !job.is_empty() && !id.is_empty() && !id.contains('/'));
    let Some((job, id)) = parts.filter(|_| of.state.is_dir()) else {
        return Err(CliError::new(
            "give the job file and the input file of a run on this machine, or the id of a run, JOB/ID, as `throughline runs` prints it; for a run on AWS also the bucket of its stack (--bucket)",
        ));
    };
    let state = StateDir::open_objects(&of.state, command)?;
    Ok(Found { run: run(s3::BUCKET, job, String::new(), id), home: Home::Local(state) })
}

fn run(bucket: &str, job: &str, file: String, id: &str) -> RunRef {
    let (bucket, job, id) = (bucket.to_owned(), job.to_owned(), id.to_owned());
    RunRef { format: FORMAT, bucket, job, file, id, generation: 0 }
}
