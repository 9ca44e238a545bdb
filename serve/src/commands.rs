//! Functions that are commands of this machine: the payload is JSON on standard input, and the result JSON on standard
//! output. Errors have the names and causes that Lambda gives them (AWS Lambda Developer Guide, "Error handling").

use std::io;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;

use engine::TaskError;
use serde_json::{Value, json};
use states::task_error;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::settings::Command as Settings;

/// The largest result, in bytes: the largest data of a state.
const LARGEST: u64 = 256 * 1024;
/// The bytes of standard error that a cause quotes.
const QUOTED: usize = 1_024;

/// A function that is a command.
pub(crate) struct CommandFunction {
    settings: Settings,
    slots: Semaphore,
}

impl CommandFunction {
    pub(crate) fn new(settings: Settings) -> Arc<Self> {
        let slots = Semaphore::new(settings.at_a_time);
        Arc::new(Self { settings, slots })
    }

    /// Calls it. A call that is cancelled, or takes too long, is killed with all processes that it has started.
    ///
    /// # Errors
    /// The error that the state gets.
    pub(crate) async fn call(&self, payload: &Value, cancel: &CancellationToken) -> Result<Value, TaskError> {
        let Ended { status, output, errors } = self.end(payload, cancel).await?;
        let result: Result<Value, _> = engine::json::from_slice(&output);
        if !status.success() {
            if let Ok(own) = &result
                && let Some(name) = own["errorType"].as_str()
            {
                return Err(task_error(name, &own.to_string()));
            }
            return Err(exited(status, &errors));
        }
        if output.len() as u64 > LARGEST {
            let message = format!(
                "the result has more than {LARGEST} bytes: write it to the store, and return its key"
            );
            return Err(task_error("States.DataLimitExceeded", &message));
        }
        result.map_err(|error| {
            let message = format!("standard output is not JSON: {error}{}", quoted(&errors));
            failed("Runtime.MarshalError", &message)
        })
    }

    /// Gives it the payload. What it writes to standard output means nothing.
    ///
    /// # Errors
    /// When it cannot be started, takes too long or fails.
    pub(crate) async fn tell(&self, payload: &Value, cancel: &CancellationToken) -> Result<(), TaskError> {
        let Ended { status, errors, .. } = self.end(payload, cancel).await?;
        if status.success() { Ok(()) } else { Err(exited(status, &errors)) }
    }

    /// Runs it to its end.
    async fn end(&self, payload: &Value, cancel: &CancellationToken) -> Result<Ended, TaskError> {
        let _slot = tokio::select! {
            slot = self.slots.acquire() => slot,
            () = cancel.cancelled() => return Err(TaskError::Interrupted),
        };
        let mut group = self.start().map_err(|error| {
            let program = &self.settings.command[0];
            failed("Runtime.InvalidEntrypoint", &format!("{program} cannot be started: {error}"))
        })?;
        let ended = tokio::select! {
            ended = run(&mut group.0, payload) => ended,
            () = tokio::time::sleep(self.settings.timeout) => {
                let seconds = self.settings.timeout.as_secs_f64();
                return Err(failed("Sandbox.Timedout", &format!("Task timed out after {seconds:.2} seconds")));
            }
            () = cancel.cancelled() => return Err(TaskError::Interrupted),
        };
        ended.map_err(|error| failed("Runtime.ExitError", &format!("the command failed: {error}")))
    }

    fn start(&self) -> io::Result<Group> {
        let (program, arguments) = self.settings.command.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.process_group(0).kill_on_drop(true).spawn().map(Group)
    }
}

/// A command with the processes that it has started, which are killed when this is dropped.
struct Group(Child);

impl Drop for Group {
    fn drop(&mut self) {
        let id = self.0.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw);
        if let Some(id) = id {
            // It may have ended by itself.
            let _ = rustix::process::kill_process_group(id, rustix::process::Signal::KILL);
        }
    }
}

struct Ended {
    status: ExitStatus,
    output: Vec<u8>,
    errors: Vec<u8>,
}

async fn run(child: &mut Child, payload: &Value) -> io::Result<Ended> {
    let (input, output, errors) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let payload = payload.to_string();
    let write = async {
        let Some(mut input) = input else { return };
        // A command need not read its input.
        let _ = input.write_all(payload.as_bytes()).await;
    };
    let ((), output, errors, status) = tokio::join!(write, read(output), read(errors), child.wait());
    Ok(Ended { status: status?, output: output?, errors: errors? })
}

/// Reads to the end, and keeps one byte more than the largest result.
async fn read(stream: Option<impl AsyncRead + Unpin>) -> io::Result<Vec<u8>> {
    let mut kept = Vec::new();
    let Some(mut stream) = stream else { return Ok(kept) };
    (&mut stream).take(LARGEST + 1).read_to_end(&mut kept).await?;
    tokio::io::copy(&mut stream, &mut tokio::io::sink()).await?;
    Ok(kept)
}

/// The end of what a command has written to standard error.
fn quoted(errors: &[u8]) -> String {
    let text = String::from_utf8_lossy(&errors[errors.len().saturating_sub(QUOTED)..]);
    let text = text.trim();
    if text.is_empty() { String::new() } else { format!(": {text}") }
}

fn exited(status: ExitStatus, errors: &[u8]) -> TaskError {
    failed("Runtime.ExitError", &format!("Runtime exited with error: {status}{}", quoted(errors)))
}

fn failed(name: &str, message: &str) -> TaskError {
    task_error(name, &json!({ "errorType": name, "errorMessage": message }).to_string())
}
