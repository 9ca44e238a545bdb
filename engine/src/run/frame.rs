//! A frame runs states one after the other, and has a checkpoint.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use super::Runtime;
use super::context::Identity;
use super::events::{self, Details};
use crate::error::{Halt, Stop};
use crate::expr::{RecordedDraws, Variables};
use crate::failure::{Failure, QUERY, RUNTIME};
use crate::journal::{Checkpoint, Done, Key, micros, moment};
use crate::machine::{Kind, Next, Scope, State};

/// The identity and the surroundings of a run of states.
pub(super) struct Frame {
    pub(super) key: Key,
    pub(super) identity: Arc<Identity>,
    /// The iteration's `$$.Map.Item`.
    pub(super) item: Option<Value>,
    /// The variables that can be read but not set.
    pub(super) outer: Option<Arc<Variables>>,
    /// The history event that the frame's first one follows.
    pub(super) previous: u64,
    /// Whether its input is nondeterministic, and must be saved before anything is done with it.
    pub(super) nondeterministic: bool,
}

impl Frame {
    /// The outermost frame of an execution.
    pub(super) fn new(key: Key, identity: Arc<Identity>) -> Self {
        Self { key, identity, item: None, outer: None, previous: 0, nondeterministic: false }
    }
}

/// Runs the states of `scope` on `input`, or continues from the frame's checkpoint.
pub(super) fn run(
    runtime: Arc<Runtime>,
    scope: Arc<Scope>,
    frame: Frame,
    input: Value,
) -> BoxFuture<'static, Result<Done, Halt>> {
    async move {
        let _busy = runtime.idle.busy();
        let mut running = Running::load(runtime, &scope, frame, input)?;
        running.run_states(&scope).await
    }
    .boxed()
}

pub(super) struct Running {
    pub(super) runtime: Arc<Runtime>,
    pub(super) frame: Frame,
    pub(super) at: Checkpoint,
    pub(super) variables: Variables,
    pub(super) draws: RecordedDraws,
    /// The token of the task that is being prepared or awaited.
    pub(super) token: Option<String>,
    /// The step of the checkpoint that the frame was continued from.
    pub(super) loaded: Option<u64>,
    /// The attempt that has ended, whose outcome by token has no use after the next checkpoint.
    pub(super) settled: Option<Key>,
    /// Whether the checkpoint in the journal is older than `at`.
    pub(super) moved: bool,
    /// Whether something evaluated since the last checkpoint is nondeterministic and not saved yet.
    pub(super) nondeterministic: bool,
    /// Whether a task is running. If the frame is dropped now, the task is aborted.
    pub(super) in_task: bool,
}

/// Transitions between two yields to other frames, so that a loop of cheap states does not starve them.
const TRANSITIONS_PER_YIELD: u64 = 64;

impl Running {
    async fn run_states(&mut self, scope: &Scope) -> Result<Done, Halt> {
        loop {
            if self.runtime.cancel.is_cancelled() {
                return Err(Stop::Interrupted.into());
            }
            let state = &scope.states[self.at.state];
            let visited = self.run_state(state).await;
            let (output, next) = match visited {
                Ok(left) => left,
                Err(halt) => {
                    let halt = self.attribute_halt(state, halt);
                    self.keep_for_redrive(state, &halt).await?;
                    return Err(halt);
                }
            };
            match next {
                Next::End => {
                    return Ok(Done {
                        output,
                        previous: self.at.previous,
                        succeeded: None,
                        events: self.frame.identity.events.count(),
                    });
                }
                Next::State(next) => self.advance_to(next, output, state, scope).await?,
            }
            if self.at.step.is_multiple_of(TRANSITIONS_PER_YIELD) {
                tokio::task::yield_now().await;
            }
        }
    }

    /// Runs a state. Returns its output and the transition.
    pub(super) async fn run_state(&mut self, state: &State) -> Result<(Value, Next), Halt> {
        self.frame.identity.events.check()?;
        match &state.kind {
            Kind::Work(work) => self.recover(state, work).await,
            Kind::Choice { rules, default } => Ok(self.choose(state, rules, *default)?),
            Kind::Wait(until) => {
                self.wait(state, until).await?;
                let input = self.take_effective_input(state)?;
                Ok((self.complete_state(state, input, None)?, state.next))
            }
            Kind::Pass(result) => {
                let input = self.take_effective_input(state)?;
                let result = match (result, &state.io.arguments) {
                    (Some(result), _) => Some(result.clone()),
                    (None, Some(template)) => Some(self.evaluate(state, &input, |env| template.fill(env))?),
                    (None, None) => None,
                };
                self.runtime.inspector.record("afterParameters", result.as_ref().unwrap_or(&input));
                Ok((self.complete_state(state, input, result)?, state.next))
            }
            Kind::Succeed => {
                let input = self.take_effective_input(state)?;
                Ok((self.complete_state(state, input, None)?, Next::End))
            }
            Kind::Fail { error, cause } => {
                let error = self.text_or_path(state, error.as_ref(), "Error")?;
                let cause = self.text_or_path(state, cause.as_ref(), "Cause")?;
                Err(Failure::new(error, cause).into())
            }
        }
    }

    /// Moves to the next state. The result of a Task, Map or Parallel is saved first.
    async fn advance_to(
        &mut self,
        next: usize,
        input: Value,
        from: &State,
        scope: &Scope,
    ) -> Result<(), Halt> {
        let left = self.frame.key.visit(self.at.step);
        self.at.step += 1;
        self.at.state = next;
        self.at.input = input;
        self.at.entered = micros(self.runtime.host.now());
        self.at.tries.clear();
        self.at.wake = None;
        self.at.submitted = None;
        self.at.begun = None;
        self.at.draws.clear();
        self.draws = RecordedDraws::default();
        self.moved = true;
        self.record_entered(&scope.states[next]);
        if let Kind::Work(work) = &from.kind {
            self.save().await?;
            if work.has_inner_states() {
                self.runtime.journal.sweep(left)?;
            }
        } else if self.frame.identity.events.overflow() {
            self.save().await?;
        }
        Ok(())
    }

    pub(super) fn record_entered(&mut self, state: &State) {
        self.at.entered_previous = self.at.previous;
        let input = self.frame.identity.events.recording().then(|| self.at.input.clone());
        self.at.entered_event = self.event(
            || format!("{}StateEntered", state.kind.name()),
            || {
                Some((
                    "stateEnteredEventDetails",
                    events::data("input", &input.unwrap_or_default(), json!({"name": state.name})),
                ))
            },
        );
        self.token = None;
        self.in_task = state.kind.is_task();
    }

    /// Adds the event of the start of a Map, Map Run or Parallel. A state that is continued has it already.
    pub(super) fn begin(&mut self, kind: &str, details: impl FnOnce() -> Details) -> u64 {
        let begun = self.event(|| kind.into(), details);
        self.at.begun = Some(begun);
        // To be saved before entries are made below this frame.
        self.moved = true;
        begun
    }

    /// Adds an event that follows the frame's latest one, and becomes the latest.
    pub(super) fn event(&mut self, kind: impl FnOnce() -> String, details: impl FnOnce() -> Details) -> u64 {
        self.at.previous = self.event_after(self.at.previous, kind, details);
        self.at.previous
    }

    /// Adds an event that follows `previous`, and does not become the frame's latest.
    pub(super) fn event_after(
        &self,
        previous: u64,
        kind: impl FnOnce() -> String,
        details: impl FnOnce() -> Details,
    ) -> u64 {
        self.frame.identity.events.add(previous, || self.runtime.host.now(), kind, details)
    }

    /// Sleeps until a time in microseconds since 1970.
    pub(super) async fn sleep_until(&self, until: i64) -> Result<(), Halt> {
        let _waits = self.runtime.idle.waits(Some(until));
        tokio::select! {
            biased;
            () = self.runtime.cancel.cancelled() => Err(Stop::Interrupted.into()),
            () = self.runtime.host.sleep_until(moment(until)) => Ok(()),
        }
    }

    /// Adds the state's name to errors of its expressions, and its type to all errors.
    fn attribute_halt(&mut self, state: &State, halt: Halt) -> Halt {
        let in_task = std::mem::take(&mut self.in_task);
        match halt {
            Halt::Failed(failure) => {
                let mut failure = self.attribute_failure(state, failure);
                failure.trace.event = self.at.previous;
                failure.trace.state = if in_task { state.kind.name() } else { "" };
                Halt::Failed(failure)
            }
            stopped => stopped,
        }
    }

    pub(super) fn attribute_failure(&mut self, state: &State, mut failure: Failure) -> Failure {
        const PREFIX: &str = "An error occurred while executing the state";
        let of_expressions =
            [RUNTIME, QUERY, "States.ResultPathMatchFailure"].contains(&failure.error.as_str());
        if of_expressions
            && !failure.cause.starts_with(PREFIX)
            && !failure.cause.starts_with("The execution reached")
            && !matches!(state.kind, Kind::Fail { .. } if failure.error != RUNTIME && failure.error != QUERY)
        {
            failure.cause = format!(
                "{PREFIX} '{}' (entered at the event id #{}). {}",
                state.name, self.at.entered_event, failure.cause
            );
        }
        if let Some(location) = failure.trace.location.take() {
            // The failed expression was evaluated before the state began, so the event of its entry does not
            // come first.
            if failure.trace.evaluating && self.at.previous == self.at.entered_event {
                self.at.previous = self.at.entered_previous;
            }
            let mut more = json!({"state": state.name});
            if !location.is_empty() {
                more["location"] = location.into();
            }
            let details = events::failure(&failure, more);
            self.event(|| "EvaluationFailed".into(), || Some(("evaluationFailedEventDetails", details)));
        }
        failure
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.in_task {
            self.event(|| "TaskStateAborted".into(), || None);
        }
    }
}
