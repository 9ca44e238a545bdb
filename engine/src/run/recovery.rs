//! `Retry` and `Catch`.

use super::evaluate::Inputs;
use super::frame::Running;
use crate::error::Halt;
use crate::failure::{Failure, RUNTIME};
use crate::journal::micros;
use crate::machine::{Next, Recovery, State, Work};
use crate::retry::Retrier;

impl Running {
    /// Attempts a Task, Map or Parallel until it has an output or an error that no retrier retries.
    pub(super) async fn recover(
        &mut self,
        state: &State,
        work: &Work,
    ) -> Result<(serde_json::Value, Next), Halt> {
        loop {
            if let Some(wake) = self.at.wake {
                self.sleep_until(wake).await?;
            }
            self.draws.used = 0;
            let attempt = match work {
                Work::Task(task) => self.run_task(state, task).await,
                Work::Map(map) => self.run_map(state, map).await,
                Work::Parallel(branches) => self.run_parallel(state, branches).await,
            };
            let failure = match attempt {
                Ok(output) => return Ok((output, state.next)),
                Err(Halt::Failed(failure)) => self.attribute_failure(state, failure),
                Err(stopped) => return Err(stopped),
            };
            match self.next_attempt(&failure, &state.recovery.retry) {
                Some(wake) => self.schedule_retry(work, wake).await?,
                None => {
                    if work.has_inner_states() && failure.error != RUNTIME {
                        self.event(|| format!("{}StateFailed", work.name()), || None);
                    }
                    return Ok(self.catch(state, failure, &state.recovery)?);
                }
            }
        }
    }

    /// Counts the next attempt, if there is one, and returns the time at which it begins.
    fn next_attempt(&mut self, failure: &Failure, retriers: &[Retrier]) -> Option<i64> {
        let which = retriers.iter().position(|retrier| failure.matches_any(&retrier.errors))?;
        self.at.tries.resize(retriers.len().max(self.at.tries.len()), 0);
        let tries = self.at.tries[which];
        if tries >= retriers[which].max_attempts {
            return None;
        }
        self.at.tries[which] += 1;
        let mut seconds = retriers[which].delay_seconds(tries);
        if retriers[which].full_jitter {
            seconds *= self.runtime.host.random();
        }
        Some(micros(self.runtime.host.now()) + (seconds * 1e6) as i64)
    }

    async fn schedule_retry(&mut self, work: &Work, wake: i64) -> Result<(), Halt> {
        self.frame.identity.events.check()?;
        let left = self.frame.key.visit(self.at.step);
        self.at.wake = Some(wake);
        self.at.submitted = None;
        self.at.begun = None;
        self.at.step += 1;
        self.draws = Default::default();
        self.save().await?;
        if work.has_inner_states() {
            self.runtime.journal.sweep(left)?;
        }
        Ok(())
    }

    pub(super) fn catch(
        &mut self,
        state: &State,
        failure: Failure,
        recovery: &Recovery,
    ) -> Result<(serde_json::Value, Next), Failure> {
        let catcher = recovery.catch.iter().find(|catcher| failure.matches_any(&catcher.errors));
        let Some(catcher) = catcher else { return Err(failure) };
        let caught = failure.output();
        let (output, assigned) = self.with_raw_input(|running, raw| {
            let inputs = Inputs { error: Some(&caught), ..Inputs::input(raw) };
            let assigned = running.evaluate_assign(state, inputs, &catcher.on_exit)?;
            let output = match &catcher.on_exit.output {
                Some(template) => Some(running.evaluate_with(state, inputs, |env| template.fill(env))?),
                None => None,
            };
            Ok((output, assigned))
        })?;
        let output = match output {
            Some(output) => output,
            None => self.apply_result_path(&catcher.result_path, caught)?,
        };
        Ok((self.exit_state(state, output, assigned)?, Next::State(catcher.next)))
    }
}
