//! Retry and Catch.

use super::evaluate::Seen;
use super::frame::Running;
use crate::error::{Failure, Halt, RUNTIME};
use crate::journal::micros;
use crate::machine::{Kind, Next, Recovery, Retrier, State};

impl Running {
    /// Attempts a Task, Map or Parallel until it has an output or an error that nobody wants to retry.
    pub(super) async fn recover(&mut self, state: &State) -> Result<(serde_json::Value, Next), Halt> {
        loop {
            if let Some(wake) = self.at.wake {
                self.sleep(wake).await?;
            }
            self.draws.used = 0;
            let attempt = match &state.kind {
                Kind::Task(task) => self.task(state, task).await,
                Kind::Map(map) => self.map(state, map).await,
                Kind::Parallel(branches) => self.parallel(state, branches).await,
                _ => Ok(self.at.input.clone()),
            };
            let failure = match attempt {
                Ok(output) => return Ok((output, state.next)),
                Err(Halt::Failed(failure)) => self.place_failure(state, failure),
                Err(stopped) => return Err(stopped),
            };
            match self.next_attempt(&failure, &state.recovery.retry) {
                Some(wake) => self.retry(state, wake).await?,
                None => {
                    if matches!(state.kind, Kind::Map(_) | Kind::Parallel(_)) && failure.error != RUNTIME {
                        self.event(|| format!("{}StateFailed", state.kind.name()), || None);
                    }
                    return Ok(self.catch(state, failure, &state.recovery)?);
                }
            }
        }
    }

    /// When the next attempt begins, if there is one; counts it.
    fn next_attempt(&mut self, failure: &Failure, retriers: &[Retrier]) -> Option<i64> {
        let matching = |retrier: &Retrier| retrier.errors.iter().any(|pattern| failure.matches(pattern));
        let which = retriers.iter().position(matching)?;
        self.at.tries.resize(retriers.len().max(self.at.tries.len()), 0);
        let tries = self.at.tries[which];
        if tries >= retriers[which].max_attempts {
            return None;
        }
        self.at.tries[which] += 1;
        let mut seconds = delay_seconds(&retriers[which], tries);
        if retriers[which].full_jitter {
            seconds *= self.world.host.random();
        }
        Some(micros(self.world.host.now()) + (seconds * 1e6) as i64)
    }

    async fn retry(&mut self, state: &State, wake: i64) -> Result<(), Halt> {
        self.frame.identity.events.check()?;
        let left = self.frame.key.visit(self.at.step);
        self.at.wake = Some(wake);
        self.at.submitted = None;
        self.at.step += 1;
        self.draws = Default::default();
        self.save().await?;
        if !matches!(state.kind, Kind::Task(_)) {
            self.world.journal.sweep(left)?;
        }
        Ok(())
    }

    pub(super) fn catch(&mut self, state: &State, failure: Failure, recovery: &Recovery) -> Result<(serde_json::Value, Next), Failure> {
        let catcher = recovery.catch.iter().find(|catcher| catcher.errors.iter().any(|pattern| failure.matches(pattern)));
        let Some(catcher) = catcher else { return Err(failure) };
        let caught = failure.output();
        let (output, assigned) = self.with_raw_input(|running, raw| {
            let seen = Seen { error: Some(&caught), ..Seen::input(raw) };
            let assigned = running.assigned(state, seen, &catcher.leaving)?;
            let output = match &catcher.leaving.output {
                Some(template) => Some(running.evaluate_seen(state, seen, |env| template.fill(env))?),
                None => None,
            };
            Ok((output, assigned))
        })?;
        let output = match output {
            Some(output) => output,
            None => self.place_result(&catcher.result_path, caught)?,
        };
        Ok((self.exited(state, output, assigned)?, Next::State(catcher.next)))
    }
}

/// The delay before the retry after `tries` earlier ones, without jitter.
pub(super) fn delay_seconds(retrier: &Retrier, tries: u32) -> f64 {
    /// AWS's longest delay, about a year.
    const LONGEST: u32 = 31_622_400;
    let longest = retrier.max_delay_seconds.unwrap_or(LONGEST);
    let exponent = i32::try_from(tries).unwrap_or(i32::MAX);
    (f64::from(retrier.interval_seconds) * retrier.backoff_rate.powi(exponent)).min(longest.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_up_to_the_longest() {
        let retrier = Retrier {
            errors: Vec::new(),
            interval_seconds: 2,
            max_attempts: 9,
            backoff_rate: 3.0,
            max_delay_seconds: Some(50),
            full_jitter: false,
        };
        let delays: Vec<f64> = (0..5).map(|tries| delay_seconds(&retrier, tries)).collect();
        assert_eq!(delays, [2.0, 6.0, 18.0, 50.0, 50.0]);
        assert_eq!(delay_seconds(&retrier, 100_000), 50.0);
    }
}
