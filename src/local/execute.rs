//! Runs one execution of the definition, or continues it from its journal.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use engine::{Fault, Journal, JournalError, Outcome, Start, Stop};
use job::run::Event;
use states::services::Functions;
use states::{DiskFull, Host};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::lane_locks::LaneLocks;
use super::steps::{Steps, bind};
use super::{LocalSecrets, StateDir, Target, now};
use crate::exit::CliError;
use crate::progress::Progress;
use s3::file::make_folder;

pub(super) const DEFINITION: &str = include_str!("../../definition.asl.json");
/// The time between two flushes of a worker's results.
pub(super) const FLUSH_EVERY: Duration = Duration::from_secs(1);
/// Waits between the attempts to read or write an object for the engine, after the client's own retries. They
/// are long because a lane ends when its batches cannot be read.
const RETRY_WAITS: [Duration; 4] =
    [Duration::from_secs(1), Duration::from_secs(4), Duration::from_secs(16), Duration::from_secs(60)];

/// How an execution ended.
#[derive(Debug)]
pub enum ExecutionEnd {
    /// It ran to its end. The report says whether it succeeded.
    Finished,
    /// It failed without a report.
    Failed {
        /// The stable name of its error.
        error: String,
        /// The message of its error.
        message: String,
    },
    /// The disk is full. The execution can be continued when there is room.
    DiskFull {
        /// The message of the store.
        message: String,
    },
    /// It was interrupted and can be continued.
    Interrupted,
}

/// Runs a target's execution, or continues it. The steps run in this process, or as `functions` in other
/// processes.
///
/// # Errors
/// When the journal cannot be used.
pub async fn execute(
    state: &StateDir,
    target: &Target,
    functions: Option<Functions>,
    progress: &Arc<Progress>,
    stop: CancellationToken,
) -> Result<ExecutionEnd, CliError> {
    let machine = engine::compile(&bind(DEFINITION))
        .map_err(|problems| CliError::new(format!("the definition is wrong:\n{problems}")))?;
    let run = &target.run;
    let path = state.journal(&run.id, run.generation);
    job::run::check_run(&state.objects(), run).await?;
    check_job_copy(state, target).await?;
    let (event, journal) = match begin(state, &path, target) {
        Ok(begun) => begun,
        Err((path, JournalError::Full(error))) => {
            return Ok(ExecutionEnd::DiskFull { message: cannot_write(&path, &error) });
        }
        Err((path, error)) => return Err(CliError::at(&path, error)),
    };
    let name =
        if run.generation == 0 { run.id.clone() } else { format!("{}-redrive-{}", run.id, run.generation) };
    let mut start = Start::new(
        format!("arn:aws:states:local:000000000000:execution:throughline:{name}"),
        serde_json::to_value(event).expect("an event is always JSON"),
    );
    // On this machine a run asks for the lease every second, for as long as it takes.
    start.max_events = None;
    let disk_full = DiskFull::default();
    let steps = Arc::new(steps(state, target, functions.clone(), progress, &stop, &disk_full));
    steps.resume(run).await?;
    let working = steps.working.clone();
    let host = Host::new(state.s3.clone(), vec![steps])
        .with_clock(state.clock.clone())
        .with_store_retries(&RETRY_WAITS, disk_full.clone());
    // The next thing that happens is the call of `Steps` for the definition's first task, "preprocess".
    let outcome = tokio::select! {
        outcome = engine::run(Arc::new(machine), start, Arc::new(host), journal, stop.clone()) => match outcome {
            Err(Stop::Fault(Fault::Journal(JournalError::Full(error)))) => Err(cannot_write(&path, &error)),
            outcome => Ok(outcome),
        },
        message = disk_full.reported() => Err(message),
    };
    let outcome = match outcome {
        Ok(Ok(outcome)) => outcome,
        // Another version began the run. Its claim, its plan and its results are there, and a new execution of
        // the same name continues from them.
        Ok(Err(Stop::Fault(Fault::Journal(JournalError::Foreign("definition"))))) => {
            remove_journal(&path)?;
            return Box::pin(execute(state, target, functions, progress, stop)).await;
        }
        Ok(Err(Stop::Interrupted | Stop::Parked { .. })) => return Ok(ExecutionEnd::Interrupted),
        Ok(Err(Stop::Fault(fault))) => return Err(CliError::at(&path, fault)),
        Err(message) => {
            // The workers may still find room for the results that they hold.
            stop.cancel();
            working.close();
            working.wait().await;
            return Ok(ExecutionEnd::DiskFull { message });
        }
    };
    remove_journal(&path)?;
    remove_continued_journals(state, target).await?;
    Ok(match outcome {
        Outcome::Succeeded(_) => ExecutionEnd::Finished,
        Outcome::Failed { error, .. } if error == job::ErrorName::RunFailed.as_str() => {
            ExecutionEnd::Finished
        }
        Outcome::Failed { error, cause } => ExecutionEnd::Failed { message: message_of(&cause), error },
        // Nothing aborts a run of a job: it is interrupted, and can be continued.
        Outcome::Aborted { error, cause } => ExecutionEnd::Failed { message: cause, error },
        Outcome::TimedOut => ExecutionEnd::Failed {
            error: "States.Timeout".to_owned(),
            message: "the run took longer than the year that an execution may take".to_owned(),
        },
    })
}

fn cannot_write(path: &Path, error: &str) -> String {
    format!("cannot write {}: {error}", path.display())
}

fn steps(
    state: &StateDir,
    target: &Target,
    functions: Option<Functions>,
    progress: &Arc<Progress>,
    stop: &CancellationToken,
    disk_full: &DiskFull,
) -> Steps {
    let s3 = state.s3.clone();
    let (splitting, merging) = (progress.clone(), progress.clone());
    Steps {
        run: target.run.clone(),
        job_text: target.text.clone(),
        preprocess: preprocess::Context {
            s3: s3.clone(),
            executions: Arc::new(NoOtherExecutions),
            progress: Arc::new(move |lines, bytes| splitting.split(lines, bytes)),
            now: Arc::new(now),
            lease_wait: Duration::from_secs(1),
            environment: job::Environment::Local,
            interactive: true,
            check: None,
            held: preprocess::HeldSplits::default(),
            stop: stop.clone(),
            pause: CancellationToken::new(),
        },
        worker: Arc::new(worker::Context::new(
            s3.clone(),
            Arc::new(LocalSecrets),
            progress.clone(),
            worker::Settings {
                flush_every: FLUSH_EVERY,
                intents: worker::Intents::Alone,
                ..worker::Settings::default()
            },
            stop.clone(),
        )),
        lanes: LaneLocks::new(state.folder.clone(), state.holder.clone()),
        working: TaskTracker::new(),
        postprocess: postprocess::Context {
            s3: s3.clone(),
            settings: postprocess::Settings::default(),
            stop: stop.clone(),
            pause: CancellationToken::new(),
            progress: Some(Arc::new(move |lines| merging.merged(lines))),
            now: Arc::new(now),
        },
        functions,
        disk_full: disk_full.clone(),
        counting: Mutex::default(),
        progress: progress.clone(),
        objects: state.objects(),
    }
}

/// The journal, and the event that the execution started with. That event stays its input, even if the file's
/// tag has changed since then. An error comes with the path of its file.
fn begin(
    state: &StateDir,
    journal: &Path,
    target: &Target,
) -> Result<(Event, Journal), (PathBuf, JournalError)> {
    let path = event_file(journal);
    for path in [&path, journal] {
        if fs::symlink_metadata(path).is_ok_and(|meta| !meta.is_file()) {
            return Err((
                path.to_owned(),
                io::Error::other("it is a link or not a regular file: remove it").into(),
            ));
        }
    }
    let event = starting_event(state, journal, &path, target).map_err(|error| (path, error.into()))?;
    let journal = Journal::open(journal).map_err(|error| (journal.to_owned(), error))?;
    Ok((event, journal))
}

fn starting_event(state: &StateDir, journal: &Path, path: &Path, target: &Target) -> io::Result<Event> {
    if journal.exists() && path.exists() {
        let event: Event = serde_json::from_slice(&fs::read(path)?)?;
        return match event.run(target.text.as_bytes()) {
            // The user may say now what was asked.
            Ok(run) if run == target.run => Ok(Event { again: target.event.again.or(event.again), ..event }),
            _ => Err(io::Error::other(
                "it belongs to another run, so somebody has changed it: start over with --fresh",
            )),
        };
    }
    make_folder(journal.parent().expect("the journal is inside the state folder"))?;
    state.service.write_file(path, &serde_json::to_vec(&target.event).expect("an event is always JSON"))?;
    Ok(target.event.clone())
}

/// Checks the run's copy of the job file, which the steps read and which says where secrets are sent. It must
/// be the file that the run's id is a hash of.
async fn check_job_copy(state: &StateDir, target: &Target) -> Result<(), CliError> {
    let key = target.run.keys().job_file();
    match state.objects().find(&key).await? {
        Some(copy) if copy != target.text.as_bytes() => Err(CliError::new(format!(
            "{} is not the job file that this run started with, so somebody has changed it: start over with --fresh",
            state.folder.join(key).display()
        ))),
        _ => Ok(()),
    }
}

fn remove_journal(path: &Path) -> Result<(), CliError> {
    remove_if_there(path)?;
    remove_if_there(&event_file(path))
}

/// Removes the journals of the run that this one continues, which can no longer go on.
async fn remove_continued_journals(state: &StateDir, target: &Target) -> Result<(), CliError> {
    let key = target.run.keys().plan();
    let Some(plan) = state.objects().find(&key).await? else { return Ok(()) };
    if let Some(continues) = job::run::parse_plan(&plan, &key)?.continues {
        let folder = state.folder.join(".journal");
        for entry in fs::read_dir(&folder).map_err(|error| CliError::at(&folder, error))?.flatten() {
            if entry.file_name().to_string_lossy().starts_with(&format!("{}-", continues.run)) {
                remove_if_there(&entry.path())?;
            }
        }
    }
    Ok(())
}

fn remove_if_there(path: &Path) -> Result<(), CliError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(CliError::at(path, error)),
        _ => Ok(()),
    }
}

fn event_file(journal: &Path) -> PathBuf {
    journal.with_extension("event.json")
}

/// The `errorMessage` of a function's error, or the cause itself.
pub fn message_of(cause: &str) -> String {
    let parsed: Option<serde_json::Value> = serde_json::from_str(cause).ok();
    parsed.as_ref().and_then(|value| value["errorMessage"].as_str()).unwrap_or(cause).to_owned()
}

/// Reports every other execution of the job as ended, because this process holds the job's lock. The step asks
/// about no other job's: the lease that it wants is this job's.
pub(super) struct NoOtherExecutions;

#[async_trait::async_trait]
impl preprocess::Executions for NoOtherExecutions {
    async fn ended(&self, _execution: &str) -> Result<bool, job::StepError> {
        Ok(true)
    }
}
