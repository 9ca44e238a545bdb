//! What an attempt's outcome means for its line, its key, and the lane.

use std::time::Duration;

use job::Code;
use tokio::time::Instant;

use super::{Drive, Halt};
use crate::answer::RetryAfter;
use crate::attempt::{Attempt, Success};
use crate::failure::{FailedAttempt, Failure, Nature};
use crate::gate::Verdict;
use crate::pace::{Health, Now};
use crate::record::{self, Figures};
use crate::retry::{again, backoff};
use crate::schedule::{Death, Line};

/// A provider that is left alone for so long has its lines taken out of the durable intents.
const SOON: Duration = Duration::from_secs(1);

impl Drive<'_> {
    /// Books an attempt that has ended.
    pub(super) fn ended(&mut self, line: Line, attempt: Attempt) {
        let now = self.wall.now();
        let key = self.lines[line as usize].key;
        let millis = attempt.millis;
        if attempt.on_wire() {
            self.results.sent();
        }
        self.context.observer.attempted(self.lane, millis);
        if attempt.has_latency() {
            self.schedule.change(key, now.instant, |key| key.took(millis));
        }
        match attempt.result {
            Ok(Success::Record(record)) => {
                self.back(line, Health::Up, None, now);
                self.answered(false);
                self.results.succeeded(self.lines[line as usize].n, record);
                self.context.observer.finished(self.lane, true);
            }
            Ok(Success::Redirect(next)) => {
                self.back(line, Health::Up, None, now);
                let state = &mut self.lines[line as usize];
                state.prepared = Some(next);
                state.mid_redirect = true;
                match self.schedule.key(key).dead().cloned() {
                    Some(death) => self.give_up(line, &death, 0, now),
                    None => self.schedule.push_hop(key, line, now.instant),
                }
            }
            Err(failed) => {
                // A server that asks to slow down knows the key.
                let denied = matches!(failed.failure.code, Code::Http(401 | 403));
                self.answered(denied && failed.nature != Nature::Throttled);
                self.lines[line as usize].prepared = attempt.prepared;
                self.failed(line, failed, attempt.sent, millis, now);
            }
        }
    }

    fn failed(&mut self, line: Line, failed: FailedAttempt, sent: Instant, millis: u32, now: Now) {
        let FailedAttempt { failure, nature, retry_after, .. } = failed;
        let state = &mut self.lines[line as usize];
        let key = state.key;
        let max_wait = self.run.job.retry.max_wait;
        let spared = nature == Nature::Unreached && self.schedule.key(key).is_down();
        let news = state.past.burnt == 0;
        state.past.book(nature, spared);
        let mut delay = backoff(state.past, &*self.context.dice);
        if nature == Nature::Throttled {
            state.past.waited += millis_of(retry_after.as_ref().map_or(delay, |asked| asked.wait));
        }
        let (past, code) = (state.past, failure.code);
        let (is_get, is_prepared, processed) = match &state.prepared {
            // What was refused or never arrived was not processed; a line in the middle of a redirect was.
            Some(prepared) => (prepared.method == http::Method::GET, true, prepared.hops > 0),
            None => (false, false, false),
        };
        let repeatable = self.run.job.repeatable() || is_get;
        let health = Health::of(nature, code, news, past.unprocessed);
        self.back(line, health, Some((code, &failure.detail)), now);
        if nature == Nature::Throttled {
            self.throttled(key, retry_after.as_ref(), sent, now);
        }
        if self.schedule.key(key).is_down() && self.schedule.key(key).down_for(now) > max_wait {
            let death = self.schedule.key(key).illness();
            self.kill(key, death, now);
        }
        if let Some(RetryAfter { wait, .. }) = retry_after {
            // The key itself is held back for those that slow it down.
            delay = if nature == Nature::Throttled { Duration::ZERO } else { delay.max(wait.min(max_wait)) };
        }
        let again = again(nature, past, repeatable, &self.run.job.retry);
        match self.schedule.key(key).dead().cloned() {
            Some(death) if again || nature == Nature::Throttled => {
                self.lines[line as usize].last = Some(Box::new(failure));
                self.give_up(line, &death, millis, now);
            }
            None if again && is_prepared => {
                let state = &mut self.lines[line as usize];
                state.last = Some(Box::new(failure));
                if !processed {
                    self.intents.take_back([state.n]);
                }
                self.schedule.push_retry(key, line, now.instant + delay, processed, now.instant);
            }
            _ => self.fail(line, failure, millis, now),
        }
    }

    /// A request is back; what it says about the provider.
    fn back(&mut self, line: Line, health: Health, failure: Option<(Code, &str)>, now: Now) {
        let index = self.lines[line as usize].key;
        let paused = self.schedule.change(index, now.instant, |key| {
            key.returned();
            let paused = key.ended(line, health, failure, now);
            if paused.is_some() {
                key.slow(now.instant, now.instant);
            }
            paused
        });
        if let Some(pause) = paused {
            let name = &self.schedule.key(index).name;
            self.context.observer.held(self.lane, name, pause);
            tracing::warn!(key = name, ?pause, "down; left alone for a while");
            self.take_back(index);
        }
    }

    fn throttled(&mut self, key: u32, retry_after: Option<&RetryAfter>, sent: Instant, now: Now) {
        self.results.throttled();
        self.context.observer.throttled(self.lane);
        let name = self.schedule.key(key).name.clone();
        let wait = retry_after.map(|asked| asked.wait).unwrap_or_default();
        if let Some(RetryAfter { header, .. }) = retry_after
            && wait > self.run.job.retry.max_wait
        {
            let most = self.run.job.retry.max_wait;
            let wait = Duration::from_secs(wait.as_secs() + u64::from(wait.subsec_nanos() > 0));
            let detail =
                format!("{name} asks to wait {wait:?} ({header}), longer than [retry] max_wait ({most:?})");
            self.kill(key, Death { code: Code::RateLimited, detail }, now);
            return;
        }
        if !wait.is_zero() {
            self.context.observer.held(self.lane, &name, wait);
        }
        self.schedule.change(key, now.instant, |key| {
            key.slow(sent, now.instant);
            key.hold(now.instant + wait);
        });
        if wait >= SOON {
            self.take_back(key);
        }
    }

    /// Fails all lines of a key that were not answered, without a request.
    fn kill(&mut self, key: u32, death: Death, now: Now) {
        if self.schedule.key(key).dead().is_some() {
            return;
        }
        tracing::warn!(key = self.schedule.key(key).name, code = %death.code, "given up: {}", self.run.mask.text(&death.detail));
        for line in self.schedule.drain(key) {
            self.give_up(line, &death, 0, now);
        }
        self.schedule.change(key, now.instant, |key| key.die(death));
    }

    /// Fails a line whose key was given up: with its own last failure, where it has one that says why.
    fn give_up(&mut self, line: Line, death: &Death, millis: u32, now: Now) {
        let failure = match self.lines[line as usize].last.take() {
            Some(last) if death.code != Code::RateLimited => *last,
            last => Failure {
                status: last.map_or(0, |last| last.status),
                ..Failure::new(death.code, &*death.detail)
            },
        };
        self.fail(line, failure, millis, now);
    }

    /// The line has failed for good.
    pub(super) fn fail(&mut self, line: Line, why: Failure, millis: u32, now: Now) {
        let state = &mut self.lines[line as usize];
        state.prepared = None;
        let figures = Figures { n: state.n, at: now.millis, millis, tries: state.tries, status: why.status };
        let record = record::failure(figures, why.code, &self.run.mask.text(&why.detail));
        self.results.failed(state.n, &why.code.to_string(), record);
        self.context.observer.finished(self.lane, false);
    }

    fn answered(&mut self, denied: bool) {
        match self.gate.answered(denied) {
            Verdict::Wait => {}
            Verdict::Opened => self.schedule.wake(Instant::now()),
            Verdict::Denied { answers, denied } => {
                self.halt.get_or_insert_with(|| Halt::Denied(denied_reason(answers, denied)));
            }
        }
    }
}

pub(super) fn denied_reason(answers: u32, denied: u32) -> String {
    format!("{denied} of the first {answers} answers were 401 or 403: the key or its rights are wrong")
}

fn millis_of(wait: Duration) -> u64 {
    u64::try_from(wait.as_millis()).unwrap_or(u64::MAX / 2)
}
