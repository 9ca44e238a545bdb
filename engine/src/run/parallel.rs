//! The Parallel state, whose branches belong to the execution.

use std::sync::Arc;

use serde_json::Value;

use super::branch::{BranchStart, Branches};
use super::frame::Running;
use crate::error::Halt;
use crate::machine::{Scope, State};

impl Running {
    pub(super) async fn run_parallel(
        &mut self,
        state: &State,
        branches: &[Arc<Scope>],
    ) -> Result<Value, Halt> {
        let input = self.effective_input(state)?;
        let arguments = match &state.io.arguments {
            Some(template) => self.evaluate(state, &input, |env| template.fill(env))?,
            None => input.clone(),
        };
        let started = match self.at.begun {
            Some(started) => started,
            None => self.begin("ParallelStateStarted", || None),
        };
        self.save_if_moved().await?;
        let mut running = Branches::new(self, &state.name, branches.len());
        for (index, branch) in branches.iter().enumerate() {
            running.start(
                self,
                index,
                branch,
                BranchStart {
                    input: arguments.clone(),
                    item: None,
                    previous: started,
                    nondeterministic: false,
                },
            );
        }
        while let Some(ended) = running.next(self).await? {
            if let Err(failure) = ended {
                running.abort().await;
                self.at.previous = failure.trace.event;
                if failure.trace.state == "Task" {
                    self.event_after(failure.trace.event, || "TaskStateAborted".into(), || None);
                }
                return Err(failure.into());
            }
        }
        let result = Value::Array(running.outputs);
        self.event_after(self.at.previous, || "ParallelStateSucceeded".into(), || None);
        Ok(self.complete_state(state, input, Some(result))?)
    }
}
