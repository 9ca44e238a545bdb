//! What a note says: the same for webhooks and commands.

use serde_json::{Value, json};

use crate::catalog::Moment;
use crate::executions::{Execution, Status, rfc3339};
use crate::inbox::Waiting;
use crate::jobs::MACHINE;
use crate::triggers::place_of_event;

/// Something that somebody should know.
pub(crate) struct Note {
    event: &'static str,
    /// One sentence.
    text: String,
    /// The page of the console.
    path: String,
    at: Moment,
    more: Value,
}

impl Note {
    /// The note of an execution that has ended: of every run of a job, and of others that have failed.
    pub(crate) fn of_end(execution: &Execution) -> Option<Self> {
        let end = execution.end.as_ref()?;
        let failed = end.status != Status::Succeeded;
        let run = place_of_event(&execution.input).filter(|_| execution.machine == MACHINE);
        let error = end.error.as_deref().unwrap_or(end.status.name());
        let cause = end.cause.as_deref().map(message_of).filter(|cause| !cause.is_empty());
        let why = cause.as_ref().map_or_else(|| error.to_owned(), |cause| format!("{cause} ({error})"));
        let (event, text, more) = match run {
            Some((job, file)) => {
                let output: Value = end
                    .output
                    .as_deref()
                    .and_then(|output| serde_json::from_str(output).ok())
                    .unwrap_or_default();
                let lines = output["failed"].as_u64();
                let (event, text) = match lines {
                    _ if failed => {
                        ("run.failed", format!("The run of {file} by the job {job} has failed. {why}."))
                    }
                    Some(0) | None => {
                        ("run.succeeded", format!("The run of {file} by the job {job} has succeeded."))
                    }
                    Some(lines) => {
                        let text = format!(
                            "The run of {file} by the job {job} has ended, and {lines} of its lines have failed."
                        );
                        ("run.some_failed", text)
                    }
                };
                (event, text, json!({ "job": job, "file": file, "run": execution.name, "failed": lines }))
            }
            None if failed && execution.express.is_none() => {
                let text =
                    format!("The execution {} of {} has failed. {why}.", execution.name, execution.machine);
                (
                    "execution.failed",
                    text,
                    json!({ "machine": execution.machine, "execution": execution.name }),
                )
            }
            None => return None,
        };
        let mut more = more;
        if failed {
            more["error"] = error.into();
            more["cause"] = json!(cause);
        }
        let path = format!("/executions/{}/{}", execution.machine, execution.name);
        Some(Self { event, text, path, at: end.stopped, more })
    }

    /// The note of a task that waits for an approval.
    pub(crate) fn of_waiting(waiting: &Waiting) -> Option<Self> {
        let title = waiting.input.get("approval")?["title"].as_str().unwrap_or(&waiting.state);
        Some(Self {
            event: "approval.waiting",
            text: format!("{title}: an approval is waited for."),
            path: format!("/inbox/{}", waiting.id()),
            at: waiting.since,
            more: json!({ "execution": waiting.execution, "state": waiting.state }),
        })
    }

    pub(super) fn to_json(&self, console: &str) -> Value {
        let mut note = json!({
            "event": self.event,
            "text": format!("{} {console}{}", self.text, self.path),
            "link": format!("{console}{}", self.path),
            "at": rfc3339(self.at),
            "at_micros": self.at.0,
        });
        if let (Some(note), Value::Object(more)) = (note.as_object_mut(), self.more.clone()) {
            note.extend(more);
        }
        note
    }
}

/// The message of a function's error, or the cause itself, without a full stop at its end.
fn message_of(cause: &str) -> String {
    let parsed: Option<Value> = serde_json::from_str(cause).ok();
    let message = parsed.as_ref().and_then(|value| value["errorMessage"].as_str()).unwrap_or(cause);
    message.trim_end_matches('.').to_owned()
}
