//! What the result of an attempt means for its parcel, its key, and the lane.

use std::time::Duration;

use job::Code;
use job::wire::{Begun, Tried};
use tokio::time::Instant;

use super::{Drive, Halt};
use crate::attempt::{Attempt, Ended, Success};
use crate::canary::Verdict;
use crate::failure::{FailedAttempt, Failure, Nature};
use crate::follow::Following;
use crate::pace::{Health, Now};
use crate::parcel::{MOST_TRIED, ParcelId};
use crate::response::{Left, RetryAfter};
use crate::result_line::{self, Figures};
use crate::retry::{RetryState, backoff, may_retry};
use crate::schedule::Abandoned;

/// The lines of a provider that gets no request for this long are taken out of the durable intents.
const TAKE_BACK_FROM: Duration = Duration::from_secs(1);

/// The wait of a request for which the process had no descriptor.
const NO_DESCRIPTOR: Duration = Duration::from_secs(1);

impl Drive<'_> {
    /// Records the result of an attempt.
    pub(super) fn finish_attempt(&mut self, parcel: ParcelId, attempt: Attempt) {
        let now = self.wall.now();
        let key = self.parcels[parcel].key;
        let millis = attempt.millis;
        if attempt.on_wire() {
            self.results.sent();
        }
        self.context.observer.attempted(self.lane, millis);
        if attempt.has_latency() {
            self.schedule.change(key, now.instant, |key| key.record_latency(millis));
        }
        if let (Some(left), Some(workers)) = (attempt.left, self.learns) {
            self.stretch(key, left, workers, now);
        }
        match attempt.result {
            Ok(Success::Results(results)) => {
                self.update_health(parcel, Health::Up, None, now);
                self.update_canary(false);
                for Ended { n, result, error } in results {
                    match error {
                        None => self.results.succeeded(n, result),
                        Some(code) => self.results.failed(n, &code.as_str(), result),
                    }
                    self.context.observer.finished(self.lane, error.is_none());
                }
            }
            Ok(Success::Next(next)) => {
                self.update_health(parcel, Health::Up, None, now);
                self.update_canary(false);
                self.go_on(parcel, *next, now);
            }
            Ok(Success::Again(next)) => {
                self.update_health(parcel, Health::Up, None, now);
                let state = &mut self.parcels[parcel];
                state.prepared = Some(next);
                state.mid_redirect = true;
                match self.schedule.key(key).abandoned().cloned() {
                    Some(abandoned) => self.abandon(parcel, &abandoned, 0, now),
                    None => self.schedule.push_redirect(key, parcel, now.instant),
                }
            }
            Err(failed) => {
                // A server that asks to slow down has accepted the key.
                let denied = matches!(failed.failure.code, Code::Http(401 | 403));
                if failed.failure.code == Code::Http(401) {
                    self.run.tokens.refused();
                }
                self.update_canary(denied && failed.nature != Nature::Throttled);
                self.parcels[parcel].prepared = attempt.prepared;
                self.retry_or_fail(parcel, failed, attempt.sent, millis, now);
            }
        }
    }

    /// A line has another request, which was not refused by anybody so far.
    fn go_on(&mut self, parcel: ParcelId, next: Following, now: Now) {
        let Following { prepared, wait, begun } = next;
        let key = self.parcels[parcel].key;
        let n = self.parcels.lines(parcel)[0].n;
        if let Some(begun) = begun {
            self.results.begun(&Begun { n, ..begun });
        }
        let state = &mut self.parcels[parcel];
        state.retry = RetryState::default();
        state.prepared = Some(prepared);
        state.mid_redirect = true;
        match self.schedule.key(key).abandoned().cloned() {
            Some(abandoned) => self.abandon(parcel, &abandoned, 0, now),
            None if wait.is_zero() => self.schedule.push_redirect(key, parcel, now.instant),
            None => self.schedule.push_retry(key, parcel, now.instant + wait, true, now.instant),
        }
    }

    fn retry_or_fail(
        &mut self,
        parcel: ParcelId,
        failed: FailedAttempt,
        sent: Instant,
        millis: u32,
        now: Now,
    ) {
        let FailedAttempt { failure, nature, retry_after, .. } = failed;
        let state = &mut self.parcels[parcel];
        let key = state.key;
        let max_wait = self.run.job.retry.max_wait;
        // While the provider is down, the line is not the cause of a connection that fails.
        let counted = nature != Nature::Unreached || !self.schedule.key(key).is_down();
        let first_failure = state.retry.attempts == 0;
        state.retry.record_failure(nature, counted);
        let mut delay = match nature {
            Nature::Local => NO_DESCRIPTOR,
            _ => backoff(state.retry, &*self.context.rng),
        };
        if nature == Nature::Throttled {
            state.retry.waited += millis_of(retry_after.as_ref().map_or(delay, |asked| asked.wait));
        }
        let (retry, code) = (state.retry, failure.code);
        let is_get = state.prepared.as_ref().is_some_and(|prepared| prepared.method == http::Method::GET);
        let repeatable = self.may_repeat(parcel) || is_get;
        let health = Health::of(nature, code, first_failure, retry.unprocessed);
        self.update_health(parcel, health, Some((code, &failure.detail)), now);
        if nature == Nature::Throttled {
            self.throttled(key, retry_after.as_ref(), sent, now);
        }
        if self.schedule.key(key).is_down() && self.schedule.key(key).down_for(now) > max_wait {
            let abandoned = self.schedule.key(key).stayed_down();
            self.abandon_key(key, abandoned, now);
        }
        if let Some(RetryAfter { wait, .. }) = retry_after {
            // A throttle holds the key itself back.
            delay = if nature == Nature::Throttled { Duration::ZERO } else { delay.max(wait.min(max_wait)) };
        }
        let again = may_retry(nature, retry, repeatable, &self.run.job.retry);
        let abandoned = self.schedule.key(key).abandoned().cloned();
        let state = &mut self.parcels[parcel];
        match abandoned {
            Some(abandoned) if again || nature == Nature::Throttled => {
                state.last_failure = Some(Box::new(failure));
                self.abandon(parcel, &abandoned, millis, now);
            }
            None if again && state.prepared.is_some() => {
                self.remember(parcel, &failure, millis, now);
                let state = &mut self.parcels[parcel];
                // The next response has values of its own.
                state.last_failure = Some(Box::new(Failure { values: None, ..failure }));
                let processed = state.is_processed();
                if !processed {
                    self.intents.take_back(self.parcels.numbers(parcel));
                }
                self.schedule.push_retry(key, parcel, now.instant + delay, processed, now.instant);
            }
            _ if self.splits(parcel, &failure, nature) => {
                self.remember(parcel, &failure, millis, now);
                self.halve(parcel, now);
            }
            _ => self.fail(parcel, &failure, millis, now),
        }
    }

    /// Whether the request of a parcel may be sent again although an earlier one may have arrived.
    fn may_repeat(&self, parcel: ParcelId) -> bool {
        match self.parcels[parcel].step() {
            0 => self.run.job.request.repeatable(),
            step => self.run.job.steps()[step - 1].repeatable(),
        }
    }

    /// Whether the lines of a parcel are sent in halves after a refusal, because one of them may be the cause.
    fn splits(&self, parcel: ParcelId, failure: &Failure, nature: Nature) -> bool {
        let Some(packing) = &self.run.job.packing else { return false };
        let refused = match failure.code {
            Code::TooLarge => self.run.job.repeatable(),
            Code::Http(status) => {
                packing.halve.contain(status) && (nature == Nature::Final || self.run.job.repeatable())
            }
            _ => false,
        };
        refused && self.parcels.lines(parcel).len() > 1
    }

    /// Keeps a failed attempt that another one follows.
    fn remember(&mut self, parcel: ParcelId, failure: &Failure, millis: u32, now: Now) {
        let earlier = &mut self.parcels[parcel].earlier;
        if earlier.len() < MOST_TRIED {
            let (status, error, detail) = (failure.status, failure.code.to_string(), failure.detail.clone());
            earlier.push(Tried { t: now.millis, ms: millis, status, error, detail });
        }
    }

    /// A request is back: frees its slot, and tells the circuit breaker what it says about the provider.
    fn update_health(&mut self, parcel: ParcelId, health: Health, failure: Option<(Code, &str)>, now: Now) {
        let index = self.parcels[parcel].key;
        let paused = self.schedule.change(index, now.instant, |key| {
            key.returned();
            let paused = key.record_health(parcel, health, failure, now);
            if paused.is_some() {
                key.slow_down(now.instant, now.instant);
            }
            paused
        });
        if let Some(pause) = paused {
            let name = &self.schedule.key(index).name;
            self.context.observer.held(self.lane, name, pause);
            tracing::warn!(key = name, ?pause, "the provider is down and gets no requests for a while");
            self.take_back(index);
        }
    }

    /// Spreads the requests that are left over the time until there are more, if more lines wait than that.
    fn stretch(&mut self, key: u32, left: Left, workers: u32, now: Now) {
        let share = left.requests / u64::from(workers);
        if self.schedule.key(key).waiting() as u64 <= share {
            return;
        }
        #[expect(clippy::cast_precision_loss, reason = "a count of requests")]
        let wait = left.until.div_f64(share.max(1) as f64).min(self.run.job.retry.max_wait);
        if share == 0 && wait >= TAKE_BACK_FROM {
            let name = self.schedule.key(key).name.clone();
            self.context.observer.held(self.lane, &name, wait);
        }
        self.schedule.change(key, now.instant, |key| key.hold_until(now.instant + wait));
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
            self.abandon_key(key, Abandoned { code: Code::RateLimited, detail }, now);
            return;
        }
        if !wait.is_zero() {
            self.context.observer.held(self.lane, &name, wait);
        }
        self.schedule.change(key, now.instant, |key| {
            key.slow_down(sent, now.instant);
            key.hold_until(now.instant + wait);
            key.hold_provider(now.instant + wait);
        });
        if wait >= TAKE_BACK_FROM {
            self.take_back(key);
        }
    }

    /// Takes the lines of a key out of the intents, because none of them will be sent soon.
    fn take_back(&mut self, key: u32) {
        let parcels = &self.parcels;
        let back = self.schedule.take_back(key, |parcel| !parcels[parcel].is_processed());
        self.intents.take_back(back.into_iter().flat_map(|parcel| parcels.numbers(parcel)));
    }

    /// Fails all parcels of a key that wait, without a request.
    fn abandon_key(&mut self, key: u32, abandoned: Abandoned, now: Now) {
        if self.schedule.key(key).abandoned().is_some() {
            return;
        }
        let detail = self.run.mask.text(&abandoned.detail);
        tracing::warn!(key = self.schedule.key(key).name, code = %abandoned.code, "abandoned: {detail}");
        for parcel in self.schedule.drain(key) {
            self.abandon(parcel, &abandoned, 0, now);
        }
        self.schedule.change(key, now.instant, |key| key.abandon(abandoned));
    }

    /// Fails a parcel whose key was abandoned: with its own last failure, where it has one that gives a
    /// reason.
    fn abandon(&mut self, parcel: ParcelId, abandoned: &Abandoned, millis: u32, now: Now) {
        let failure = match self.parcels[parcel].last_failure.take() {
            Some(last) if abandoned.code != Code::RateLimited => *last,
            last => Failure {
                status: last.map_or(0, |last| last.status),
                ..Failure::new(abandoned.code, &*abandoned.detail)
            },
        };
        self.fail(parcel, &failure, millis, now);
    }

    /// All lines of a parcel have failed for good.
    pub(super) fn fail(&mut self, parcel: ParcelId, why: &Failure, millis: u32, now: Now) {
        self.parcels[parcel].prepared = None;
        let earlier = std::mem::take(&mut self.parcels[parcel].earlier);
        let state = &self.parcels[parcel];
        let tries = state.tries;
        let (status, code) = (why.status, why.code.to_string());
        let detail = self.run.mask.text(&why.detail);
        for (line, n) in self.parcels.numbers(parcel).enumerate() {
            let id = state.identity_of(line);
            let figures = Figures { n, at: now.millis, millis, tries, status, id };
            self.results.failed(
                n,
                &code,
                result_line::failure(figures, &earlier, why.code, &detail, why.values.as_deref()),
            );
            self.context.observer.failed(self.lane, n, &code, &detail);
            self.context.observer.finished(self.lane, false);
        }
    }

    fn update_canary(&mut self, denied: bool) {
        match self.canary.record(denied) {
            Verdict::Pending => {}
            Verdict::Passed => self.schedule.wake(Instant::now()),
            Verdict::Denied { responses, denied } => {
                self.halt.get_or_insert_with(|| Halt::Denied(denied_reason(responses, denied)));
            }
        }
    }
}

pub(super) fn denied_reason(responses: u32, denied: u32) -> String {
    format!("{denied} of the first {responses} responses were 401 or 403: the key or its rights are wrong")
}

fn millis_of(wait: Duration) -> u64 {
    u64::try_from(wait.as_millis()).unwrap_or(u64::MAX / 2)
}
