//! One limit key: its parcels, its pace, its health.

use std::collections::VecDeque;

use job::Code;
use job::file::Rate;
use tokio::time::Instant;

use super::handover::KeyLimit;
use super::health::Abandoned;
use super::queue::Queue;
use crate::pace::{Breaker, Now, Pacer, Permit};
use crate::parcel::ParcelId;
use crate::providers::Share;

/// The average latency is that of about this many responses.
const SAMPLES: f64 = 8.0;
/// How many times the requests may be under way that the rate needs at the average latency.
const SPARE: f64 = 1.25;

/// All parcels with one limit.
pub(crate) struct Key {
    pub(crate) name: String,
    /// Its place in the schedule's heap.
    pub(super) due: Option<Instant>,
    pub(super) pacer: Pacer,
    pub(super) breaker: Breaker,
    pub(super) hold: Option<Instant>,
    /// Its part in what all runs of the process share of the provider.
    share: Option<Share>,
    in_flight: u32,
    max_in_flight: u32,
    /// `max_in_flight` moves between these, by the latency.
    bounds: (u32, u32),
    /// Milliseconds that a response takes, a moving average; 0 if unknown.
    latency: f64,
    /// Parcels in the middle of a redirect.
    redirects: VecDeque<ParcelId>,
    /// Parcels that may be sent when their turn comes.
    pub(super) ready: Queue,
    /// Parcels that need a durable intent first; `None` where requests may be repeated.
    pub(super) needs_intent: Option<Queue>,
    /// Parcels that the intent under way names.
    pub(super) intent_pending: Queue,
    /// The schedule's list of keys that need an intent has it.
    pub(super) wants_intent: bool,
    pub(super) abandoned: Option<Abandoned>,
    /// The last failure that showed the provider to be unhealthy.
    pub(super) last_failure: Option<(Code, String)>,
}

/// A key's turn.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    Send(ParcelId),
    Later(Instant),
    /// Not before something changes.
    Never,
}

enum Candidate {
    Redirect,
    Retry,
    Fresh,
}

impl Key {
    pub(crate) fn new(name: String, limit: KeyLimit, intents: bool, now: Now) -> Self {
        let KeyLimit { rate, in_flight, most_in_flight, latency, factor, start, hold, down_since, suspected } =
            limit;
        let breaker = match down_since {
            0 if suspected => Breaker::suspected(in_flight, now),
            0 => Breaker::new(in_flight),
            since => Breaker::down(in_flight, since, hold.unwrap_or(now.instant), now),
        };
        let mut key = Self {
            name,
            due: None,
            pacer: Pacer::new(rate, factor, start, in_flight, now.instant),
            breaker,
            hold,
            share: None,
            in_flight: 0,
            max_in_flight: in_flight.max(1),
            bounds: (in_flight.max(1), most_in_flight.max(in_flight).max(1)),
            latency,
            redirects: VecDeque::new(),
            ready: Queue::default(),
            needs_intent: intents.then(Queue::default),
            intent_pending: Queue::default(),
            wants_intent: false,
            abandoned: None,
            last_failure: None,
        };
        key.fit();
        key
    }

    /// The same key of a provider that other runs of the process may use too.
    pub(crate) fn shared(self, share: Option<Share>) -> Self {
        Self { share, ..self }
    }

    /// Parcels in its queues.
    pub(crate) fn waiting(&self) -> usize {
        self.redirects.len()
            + self.ready.len()
            + self.intent_pending.len()
            + self.needs_intent.as_ref().map_or(0, Queue::len)
    }

    pub(super) fn push(&mut self, parcel: ParcelId) {
        self.needs_intent.as_mut().unwrap_or(&mut self.ready).fresh.push_back(parcel);
    }

    /// `named`: the durable intent of its last attempt still names the parcel.
    pub(super) fn push_retry(&mut self, parcel: ParcelId, at: Instant, named: bool) {
        let queue = self.needs_intent.as_mut().filter(|_| !named);
        queue.unwrap_or(&mut self.ready).push_retry(at, parcel);
    }

    pub(super) fn push_redirect(&mut self, parcel: ParcelId) {
        self.redirects.push_back(parcel);
    }

    /// Takes the next parcel and its slot, if there are both.
    pub(super) fn turn(&mut self, now: Now, fresh: bool, prepare: &mut dyn FnMut(ParcelId) -> bool) -> Turn {
        let candidate = match self.choose(now, fresh, prepare) {
            Ok(candidate) => candidate,
            Err(turn) => {
                if let Some(share) = &mut self.share {
                    share.leave();
                }
                return turn;
            }
        };
        let mut own = || self.pacer.take(now.instant);
        let taken = match &mut self.share {
            Some(share) => share.take(now.instant, own),
            None => own(),
        };
        if let Err(at) = taken {
            return Turn::Later(at);
        }
        let parcel = match candidate {
            Candidate::Redirect => self.redirects.pop_front(),
            Candidate::Retry => self.ready.pop_retry(),
            Candidate::Fresh => self.ready.fresh.pop_front(),
        };
        let parcel = parcel.expect("a candidate is in its queue");
        self.in_flight += 1;
        self.breaker.sent(parcel);
        Turn::Send(parcel)
    }

    /// The parcel that is sent if there is a slot.
    fn choose(
        &mut self,
        now: Now,
        fresh: bool,
        prepare: &mut dyn FnMut(ParcelId) -> bool,
    ) -> Result<Candidate, Turn> {
        if self.in_flight >= self.max_in_flight {
            return Err(Turn::Never);
        }
        let probe = match self.breaker.permit(now.instant) {
            Permit::Granted => false,
            Permit::Probe => true,
            Permit::Later(at) => return Err(Turn::Later(at)),
            Permit::ProbeUnderWay => return Err(Turn::Never),
        };
        if let Some(hold) = self.hold {
            if hold > now.instant {
                return Err(Turn::Later(hold));
            }
            self.hold = None;
        }
        loop {
            match self.candidate(now.instant, fresh, probe) {
                Ok(Candidate::Fresh) if !prepare(self.ready.fresh[0]) => _ = self.ready.fresh.pop_front(),
                chosen => return chosen,
            }
        }
    }

    /// Parcels in the middle of a redirect go first, then those that are sent again, then new ones. A new one
    /// is preferred as a probe, since one that has failed may itself be the cause.
    fn candidate(&self, now: Instant, fresh: bool, probe: bool) -> Result<Candidate, Turn> {
        let has_fresh = fresh && !self.ready.fresh.is_empty();
        match self.ready.retry_at() {
            _ if !self.redirects.is_empty() => Ok(Candidate::Redirect),
            _ if probe && has_fresh => Ok(Candidate::Fresh),
            Some(at) if at <= now => Ok(Candidate::Retry),
            _ if has_fresh => Ok(Candidate::Fresh),
            Some(at) => Err(Turn::Later(at)),
            None => Err(Turn::Never),
        }
    }

    /// A response came after this many milliseconds.
    pub(crate) fn record_latency(&mut self, millis: u32) {
        let millis = f64::from(millis);
        self.latency =
            if self.latency > 0.0 { self.latency + (millis - self.latency) / SAMPLES } else { millis };
        self.fit();
    }

    /// Lets as many requests be under way as the rate needs at this latency (Little's law), within the limit.
    fn fit(&mut self) {
        let (least, most) = self.bounds;
        if least < most && self.latency > 0.0 {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count; saturates")]
            let needed = (self.pacer.rate() * self.latency / 1000.0 * SPARE).ceil() as u32;
            self.max_in_flight = needed.clamp(least, most);
            self.breaker.set_in_flight(self.max_in_flight);
        }
    }

    /// Milliseconds that a response takes; 0 if unknown.
    pub(crate) fn latency(&self) -> f64 {
        self.latency
    }

    /// A request is back.
    pub(crate) fn returned(&mut self) {
        self.in_flight -= 1;
        if let Some(share) = &mut self.share {
            share.returned();
        }
    }

    #[cfg(test)]
    pub(super) fn max_in_flight(&self) -> u32 {
        self.max_in_flight
    }

    #[cfg(test)]
    pub(super) fn is_busy(&self) -> bool {
        self.in_flight > 0
    }

    /// The provider asked to slow down in its response to a request sent at `sent`.
    pub(crate) fn slow_down(&mut self, sent: Instant, now: Instant) {
        self.pacer.slow_down(sent, now);
    }

    /// Nothing is sent before `until`.
    pub(crate) fn hold_until(&mut self, until: Instant) {
        self.hold = Some(self.hold.map_or(until, |hold| hold.max(until)));
    }

    /// No run of the process sends anything to the provider before `until`.
    pub(crate) fn hold_provider(&self, until: Instant) {
        self.share.iter().for_each(|share| share.provider().hold_until(until));
    }

    /// Until when no run sends anything to the provider, if that is in the future.
    pub(crate) fn provider_held(&self, now: Instant) -> Option<Instant> {
        self.share.as_ref()?.provider().held(now)
    }

    /// Its rate is another one from now on.
    pub(crate) fn set_rate(&mut self, rate: Rate, now: Instant) {
        self.pacer.set_rate(rate, self.max_in_flight, now);
        self.fit();
    }

    /// The requests a second that it may send; infinity without a limit.
    pub(crate) fn rate(&self) -> f64 {
        let rate = self.pacer.rate();
        if rate > 0.0 { rate } else { f64::INFINITY }
    }

    /// A request was sent that counts as `cost`: the next one waits for as many slots.
    pub(crate) fn charge(&mut self, cost: f64, now: Instant) {
        self.hold_until(now + self.pacer.interval_of(cost));
    }

    pub(crate) fn factor(&self) -> f64 {
        self.pacer.factor()
    }

    /// When it may send next. It may have to be looked at before its next slot is free.
    pub(super) fn next_at(&self, now: Instant) -> Instant {
        let held = self.hold.unwrap_or(now).max(self.pacer.free_by());
        self.due.unwrap_or(now).max(held)
    }

    pub(super) fn take_out(&mut self, condition: impl Fn(ParcelId) -> bool) -> Vec<ParcelId> {
        let mut out = Vec::new();
        let mut stays = |parcel: ParcelId| {
            let goes = condition(parcel);
            out.extend(goes.then_some(parcel));
            !goes
        };
        self.redirects.retain(|parcel| stays(*parcel));
        self.ready.retain_retries(&mut stays);
        self.intent_pending.retain_retries(&mut stays);
        if let Some(unnamed) = &mut self.needs_intent {
            unnamed.retain_retries(&mut stays);
        }
        out
    }

    pub(super) fn drain(&mut self) -> Vec<ParcelId> {
        let mut parcels: Vec<_> = self.redirects.drain(..).collect();
        for queue in [&mut self.ready, &mut self.intent_pending].into_iter().chain(&mut self.needs_intent) {
            parcels.extend(queue.drain());
        }
        parcels
    }
}
