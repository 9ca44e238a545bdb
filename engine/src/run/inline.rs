//! The inline Map, whose iterations belong to the execution.

use serde_json::{Value, json};

use super::branch::{BranchStart, Branches};
use super::frame::Running;
use crate::error::Halt;
use crate::failure::Failure;
use crate::machine::{MapState, State};

/// The most iterations that run at once (AWS developer guide, "Using Map state in Inline mode").
const ITERATIONS: usize = 40;

impl Running {
    pub(super) async fn run_inline_map(
        &mut self,
        state: &State,
        map: &MapState,
        input: &Value,
    ) -> Result<Value, Halt> {
        let items = self.items(state, map, input)?;
        let is_continued = self.at.begun.is_some();
        let limit = match self.whole_number(state, "MaxConcurrency", &map.max_concurrency, input)? {
            None | Some(0) => ITERATIONS,
            Some(limit) => usize::try_from(limit).unwrap_or(ITERATIONS).min(ITERATIONS),
        };
        self.record_map_started(items.len());
        self.save_if_moved().await?;
        let mut running = Branches::new(self, &state.name, items.len());
        let mut waiting = items.into_iter().enumerate();
        // An iteration's first event follows the start of the Map, or the end of the iteration whose place it
        // takes.
        let mut previous = self.at.previous;
        loop {
            while running.under_way.len() < limit {
                let Some((index, value)) = waiting.next() else { break };
                let item = json!({"Index": index, "Value": value});
                let (input, nondeterministic) = match self.select_item(state, map, input, &item) {
                    Ok(selected) => selected,
                    Err(failure) => {
                        running.abort().await;
                        return Err(failure.into());
                    }
                };
                // An iteration with an entry has started before a crash.
                let has_started = is_continued && running.has_entry(self, index)?;
                let previous = if has_started {
                    previous
                } else {
                    self.iteration_event(state, "Started", previous, index)
                };
                running.start(
                    self,
                    index,
                    &map.processor,
                    BranchStart { input, item: Some(item), previous, nondeterministic },
                );
            }
            match running.next(self).await? {
                None => break,
                Some(Ok(())) => {
                    previous = self.at.previous;
                    // A result of an earlier version has no event.
                    self.at.previous = running.succeeded.unwrap_or_else(|| {
                        self.iteration_event(state, "Succeeded", previous, running.latest)
                    });
                }
                Some(Err(failure)) => {
                    self.abort_iterations(state, &failure, &mut running).await;
                    return Err(failure.into());
                }
            }
        }
        self.event_after(self.at.previous, || "MapStateSucceeded".into(), || None);
        Ok(Value::Array(running.outputs))
    }

    async fn abort_iterations(&mut self, state: &State, failure: &Failure, running: &mut Branches) {
        let last = failure.trace.event;
        self.iteration_event(state, "Failed", last, running.latest);
        if failure.trace.state == "Task" {
            self.event_after(last, || "TaskStateAborted".into(), || None);
        }
        for index in &running.under_way {
            self.iteration_event(state, "Aborted", last, *index);
        }
        running.abort().await;
        self.at.previous = last;
    }

    /// Records an event of an iteration.
    fn iteration_event(&self, state: &State, what: &str, previous: u64, index: usize) -> u64 {
        let name = match what {
            "Started" => "mapIterationStartedEventDetails",
            "Succeeded" => "mapIterationSucceededEventDetails",
            "Failed" => "mapIterationFailedEventDetails",
            _ => "mapIterationAbortedEventDetails",
        };
        self.event_after(
            previous,
            || format!("MapIteration{what}"),
            || Some((name, json!({"index": index, "name": state.name}))),
        )
    }
}
