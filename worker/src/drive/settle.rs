//! What an attempt's outcome means for its line, its key, and the lane.

use std::time::Duration;

use job::Code;
use tokio::time::Instant;

use super::{Drive, Halt};
use crate::answer::Asked;
use crate::gate::Verdict;
use crate::outcome::{Figures, Nature, Outcome, Reply, failure};
use crate::pace::{Health, Now};
use crate::request::{self, Failure, Prepared};
use crate::retry::{again, backoff};
use crate::schedule::{Death, Line, Next};

/// A provider that is left alone for so long has its lines taken out of the durable intents.
const SOON: Duration = Duration::from_secs(1);

/// A failed attempt.
struct Failed {
    failure: Failure,
    nature: Nature,
    retry_after: Option<Asked>,
    prepared: Option<Box<Prepared>>,
    sent: Instant,
    millis: u32,
}

impl Drive<'_> {
    /// The next line whose turn it is. A line is rendered when it comes to the front; one that cannot be fails there,
    /// and takes no slot.
    pub(super) fn next(&mut self, now: Now) -> Next {
        let Self { run, items, lines, outbox, tally, context, lane, .. } = self;
        let mut ready = |line: Line| {
            let state = &mut lines[line as usize];
            if state.prepared.is_some() {
                return true;
            }
            let key = request::idempotency_key(&run.job, &run.id, state.n);
            let row = items.row(&run.columns, &state.fields);
            let rendered = row.and_then(|row| request::render(&run.job, &row, &run.secrets, key.as_deref()));
            let allowed = rendered.and_then(|prepared| match run.guard.check(&prepared.url) {
                Ok(()) => Ok(prepared),
                Err(denied) => Err(Failure::new(Code::AddressDenied, denied.to_string())),
            });
            match allowed {
                Ok(prepared) => {
                    state.prepared = Some(Box::new(prepared));
                    true
                }
                Err(why) => {
                    let figures = Figures { n: state.n, at: now.millis, ..Figures::default() };
                    outbox.push(state.n, failure(figures, why.code, &run.mask.text(&why.detail)), false);
                    tally.code(why.code);
                    context.observer.finished(lane, false);
                    false
                }
            }
        };
        self.schedule.next(now, self.gate.lets_in(), &mut ready)
    }

    pub(super) fn settle(&mut self, line: Line, outcome: Outcome) {
        let now = self.wall.now();
        let key = self.lines[line as usize].key;
        let Outcome { sent, on_wire, millis, reply } = outcome;
        if on_wire {
            self.outbox.sent();
        }
        self.context.observer.attempted(self.lane, millis);
        let answered = match &reply {
            Reply::Success(_) | Reply::Hop(_) => true,
            Reply::Failure { failure, nature, .. } => failure.status > 0 && *nature == Nature::Final,
        };
        if answered {
            self.schedule.change(key, now.instant, |key| key.took(millis));
        }
        match reply {
            Reply::Success(record) => {
                self.back(line, Health::Up, None, now);
                self.answered(false);
                self.outbox.push(self.lines[line as usize].n, record, true);
                self.tally.ok();
                self.context.observer.finished(self.lane, true);
            }
            Reply::Hop(next) => {
                self.back(line, Health::Up, None, now);
                let state = &mut self.lines[line as usize];
                state.prepared = Some(next);
                state.mid_redirect = true;
                match self.schedule.key(key).dead().cloned() {
                    Some(death) => self.give_up(line, &death, 0, now),
                    None => self.schedule.push_hop(key, line, now.instant),
                }
            }
            Reply::Failure { failure, nature, retry_after, prepared } => {
                // Whoever asks to slow down knows the key.
                self.answered(nature != Nature::Throttled && matches!(failure.code, Code::Http(401 | 403)));
                self.failed(line, Failed { failure, nature, retry_after, prepared, sent, millis }, now);
            }
        }
    }

    fn failed(&mut self, line: Line, failed: Failed, now: Now) {
        let Failed { failure, nature, retry_after, prepared, sent, millis } = failed;
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
        let repeatable = self.run.job.repeatable()
            || prepared.as_ref().is_some_and(|prepared| prepared.method == http::Method::GET);
        let health = Health::of(nature, code, news, past.unprocessed);
        self.back(line, health, Some((code, &failure.detail)), now);
        if nature == Nature::Throttled {
            self.throttled(key, retry_after.as_ref(), sent, now);
        }
        if self.schedule.key(key).is_down() && self.schedule.key(key).down_for(now) > max_wait {
            let death = self.schedule.key(key).illness();
            self.kill(key, death, now);
        }
        if let Some(Asked { wait, .. }) = retry_after {
            // The key itself is held back for those that slow it down.
            delay = if nature == Nature::Throttled { Duration::ZERO } else { delay.max(wait.min(max_wait)) };
        }
        let again = again(nature, past, repeatable, &self.run.job.retry);
        let death = self.schedule.key(key).dead().cloned();
        let state = &mut self.lines[line as usize];
        match (death, prepared) {
            (Some(death), _) if again || nature == Nature::Throttled => {
                state.last = Some(Box::new(failure));
                self.give_up(line, &death, millis, now);
            }
            (None, Some(prepared)) if again => {
                // What was refused or never arrived was not processed; a line in the middle of a redirect was.
                let processed = prepared.hops > 0;
                state.prepared = Some(prepared);
                state.last = Some(Box::new(failure));
                if let Some(intents) = self.intents.as_mut().filter(|_| !processed) {
                    intents.take_back([state.n]);
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

    fn throttled(&mut self, key: u32, retry_after: Option<&Asked>, sent: Instant, now: Now) {
        self.outbox.throttled();
        self.context.observer.throttled(self.lane);
        let name = self.schedule.key(key).name.clone();
        let wait = retry_after.map(|asked| asked.wait).unwrap_or_default();
        if let Some(Asked { said, .. }) = retry_after
            && wait > self.run.job.retry.max_wait
        {
            let most = self.run.job.retry.max_wait;
            let wait = Duration::from_secs(wait.as_secs() + u64::from(wait.subsec_nanos() > 0));
            let detail =
                format!("{name} asks to wait {wait:?} ({said}), longer than [retry] max_wait ({most:?})");
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
        self.outbox.push(state.n, failure(figures, why.code, &self.run.mask.text(&why.detail)), false);
        self.tally.code(why.code);
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
