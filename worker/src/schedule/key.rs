//! One limit key: its lines, its pace, its health.

use std::collections::VecDeque;
use std::time::Duration;

use job::Code;
use job::job_file::Rate;
use tokio::time::Instant;

use super::queue::Queue;
use crate::pace::{Breaker, Health, Leave, Now, Pacer, Start};

/// Responses that the average latency is of, about.
const SAMPLES: f64 = 8.0;
/// Requests under way for each that the rate needs at the average latency.
const SPARE: f64 = 1.25;

/// Index of a line in its batch.
pub(crate) type Line = u32;

/// The limit of one key, and when it may begin.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeyLimit {
    pub(crate) rate: Rate,
    pub(crate) in_flight: u32,
    /// What `in_flight` may grow to when responses take long.
    pub(crate) most_in_flight: u32,
    /// Milliseconds that responses took in an earlier batch; 0 when nobody knows.
    pub(crate) latency: f64,
    pub(crate) factor: f64,
    pub(crate) start: Start,
    /// Nothing is sent before.
    pub(crate) hold: Option<Instant>,
    /// Milliseconds since 1970 when it was found down, or 0.
    pub(crate) down_since: u64,
    /// It was down when another batch ended.
    pub(crate) sick: bool,
}

/// All lines with one limit.
pub(crate) struct Key {
    pub(crate) name: String,
    /// When it stands in the schedule's heap.
    pub(super) due: Option<Instant>,
    pub(super) pacer: Pacer,
    breaker: Breaker,
    hold: Option<Instant>,
    in_flight: u32,
    most: u32,
    /// What `most` moves between, by the latency.
    bounds: (u32, u32),
    /// Milliseconds that a response takes, a moving average; 0 when nobody knows.
    latency: f64,
    hops: VecDeque<Line>,
    /// Lines that may be sent when their turn comes.
    pub(super) ready: Queue,
    /// Lines that need a durable intent first; `None` where requests may be repeated.
    pub(super) unnamed: Option<Queue>,
    /// Lines that the intent under way names.
    pub(super) naming: Queue,
    /// It stands in the schedule's list of keys that need an intent.
    pub(super) hungry: bool,
    dead: Option<Death>,
    /// The last failure that spoke of the provider's health.
    ill: Option<(Code, String)>,
}

/// Why no more is sent to a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Death {
    pub(crate) code: Code,
    pub(crate) detail: String,
}

/// A key's turn.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    Send(Line),
    Later(Instant),
    /// Not before something changes.
    Never,
}

enum Candidate {
    Hop,
    Retry,
    Fresh,
}

impl Key {
    pub(crate) fn new(name: String, limit: KeyLimit, intents: bool, now: Now) -> Self {
        let KeyLimit { rate, in_flight, most_in_flight, latency, factor, start, hold, down_since, sick } =
            limit;
        let breaker = match down_since {
            0 if sick => Breaker::heard(in_flight, now),
            0 => Breaker::new(in_flight),
            since => Breaker::down(in_flight, since, hold.unwrap_or(now.instant), now),
        };
        let mut key = Self {
            name,
            due: None,
            pacer: Pacer::new(rate, factor, start, in_flight, now.instant),
            breaker,
            hold,
            in_flight: 0,
            most: in_flight.max(1),
            bounds: (in_flight.max(1), most_in_flight.max(in_flight).max(1)),
            latency,
            hops: VecDeque::new(),
            ready: Queue::default(),
            unnamed: intents.then(Queue::default),
            naming: Queue::default(),
            hungry: false,
            dead: None,
            ill: None,
        };
        key.fit();
        key
    }

    /// Lines in its queues.
    pub(crate) fn waiting(&self) -> usize {
        self.hops.len() + self.ready.len() + self.naming.len() + self.unnamed.as_ref().map_or(0, Queue::len)
    }

    pub(super) fn push(&mut self, line: Line) {
        self.unnamed.as_mut().unwrap_or(&mut self.ready).fresh.push_back(line);
    }

    /// `named`: the durable intent of its last attempt still names the line.
    pub(super) fn push_retry(&mut self, line: Line, at: Instant, named: bool) {
        let unnamed = self.unnamed.as_mut().filter(|_| !named);
        unnamed.unwrap_or(&mut self.ready).push_retry(at, line);
    }

    pub(super) fn push_hop(&mut self, line: Line) {
        self.hops.push_back(line);
    }

    /// Takes the next line and its slot, if there are both.
    pub(super) fn turn(&mut self, now: Now, fresh: bool, ready: &mut dyn FnMut(Line) -> bool) -> Turn {
        if self.in_flight >= self.most {
            return Turn::Never;
        }
        let probe = match self.breaker.leave(now.instant) {
            Leave::Free => false,
            Leave::Probe => true,
            Leave::Later(at) => return Turn::Later(at),
            Leave::Probing => return Turn::Never,
        };
        if let Some(hold) = self.hold {
            if hold > now.instant {
                return Turn::Later(hold);
            }
            self.hold = None;
        }
        let candidate = loop {
            match self.candidate(now.instant, fresh, probe) {
                Ok(Candidate::Fresh) if !ready(self.ready.fresh[0]) => _ = self.ready.fresh.pop_front(),
                Ok(candidate) => break candidate,
                Err(turn) => return turn,
            }
        };
        if let Err(at) = self.pacer.take(now.instant) {
            return Turn::Later(at);
        }
        let line = match candidate {
            Candidate::Hop => self.hops.pop_front(),
            Candidate::Retry => self.ready.pop_retry(),
            Candidate::Fresh => self.ready.fresh.pop_front(),
        };
        let line = line.expect("it was seen above");
        self.in_flight += 1;
        self.breaker.sent(line);
        Turn::Send(line)
    }

    /// Lines in the middle first, then those that have waited, then new ones; a probe is rather a new line, since one
    /// that has failed may be to blame itself.
    fn candidate(&self, now: Instant, fresh: bool, probe: bool) -> Result<Candidate, Turn> {
        let has_fresh = fresh && !self.ready.fresh.is_empty();
        match self.ready.retry_at() {
            _ if !self.hops.is_empty() => Ok(Candidate::Hop),
            _ if probe && has_fresh => Ok(Candidate::Fresh),
            Some(at) if at <= now => Ok(Candidate::Retry),
            _ if has_fresh => Ok(Candidate::Fresh),
            Some(at) => Err(Turn::Later(at)),
            None => Err(Turn::Never),
        }
    }

    /// A response came after so many milliseconds.
    pub(crate) fn took(&mut self, millis: u32) {
        let millis = f64::from(millis);
        self.latency =
            if self.latency > 0.0 { self.latency + (millis - self.latency) / SAMPLES } else { millis };
        self.fit();
    }

    /// As many requests are under way as the rate needs at this latency (Little's law), and no more than the limit has.
    fn fit(&mut self) {
        let (least, most) = self.bounds;
        if least < most && self.latency > 0.0 {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count; saturates")]
            let needed = (self.pacer.rate() * self.latency / 1000.0 * SPARE).ceil() as u32;
            self.most = needed.clamp(least, most);
            self.breaker.expect(self.most);
        }
    }

    /// Milliseconds that a response takes; 0 when nobody knows.
    pub(crate) fn latency(&self) -> f64 {
        self.latency
    }

    /// A request is back.
    pub(crate) fn returned(&mut self) {
        self.in_flight -= 1;
    }

    #[cfg(test)]
    pub(super) fn most(&self) -> u32 {
        self.most
    }

    #[cfg(test)]
    pub(super) fn is_busy(&self) -> bool {
        self.in_flight > 0
    }

    /// What an attempt said about the provider. `Some`: it is down and left alone for so long.
    pub(crate) fn ended(
        &mut self,
        line: Line,
        health: Health,
        failure: Option<(Code, &str)>,
        now: Now,
    ) -> Option<Duration> {
        if let (Health::Ailing { .. }, Some((code, detail))) = (health, failure) {
            self.ill = Some((code, detail.to_owned()));
        }
        self.breaker.ended(line, health, now)
    }

    /// Whether the provider was found down and has not been seen up since.
    pub(crate) fn is_down(&self) -> bool {
        self.breaker.down_since() > 0
    }

    /// Whether nothing is sent now, whatever its rate: on the provider's wish, or because it is down.
    pub(super) fn is_held(&self, now: Instant) -> bool {
        self.hold.is_some_and(|hold| hold > now)
            || matches!(self.breaker.leave(now), Leave::Later(_) | Leave::Probing)
    }

    /// Whether one line is to find out how the provider is.
    pub(super) fn is_probed(&self, now: Instant) -> bool {
        self.breaker.leave(now) == Leave::Probe
    }

    /// How long it has been down.
    pub(crate) fn down_for(&self, now: Now) -> Duration {
        match self.breaker.down_since() {
            0 => Duration::ZERO,
            since => Duration::from_millis(now.millis.saturating_sub(since)),
        }
    }

    /// The failure that lines get which are given up because the provider stays down.
    pub(crate) fn illness(&self) -> Death {
        let (code, detail) = self.ill.clone().unwrap_or((Code::Connect, String::new()));
        Death { code, detail: format!("{detail} ({} stayed down)", self.name) }
    }

    /// The provider asked to slow down, in answer to a request sent at `sent`.
    pub(crate) fn slow(&mut self, sent: Instant, now: Instant) {
        self.pacer.slow(sent, now);
    }

    /// Nothing is sent before `until`.
    pub(crate) fn hold(&mut self, until: Instant) {
        self.hold = Some(self.hold.map_or(until, |hold| hold.max(until)));
    }

    /// Nothing is sent any more.
    pub(crate) fn die(&mut self, death: Death) {
        self.dead = Some(death);
    }

    pub(crate) fn dead(&self) -> Option<&Death> {
        self.dead.as_ref()
    }

    pub(crate) fn factor(&self) -> f64 {
        self.pacer.factor()
    }

    pub(crate) fn down_since(&self) -> u64 {
        self.breaker.down_since()
    }

    /// When it may send next; what it waits for now may lie before its next slot.
    pub(super) fn next_at(&self, now: Instant) -> Instant {
        let held = self.hold.unwrap_or(now).max(self.pacer.free_by());
        self.due.unwrap_or(now).max(held)
    }

    pub(super) fn take_out(&mut self, condition: impl Fn(Line) -> bool) -> Vec<Line> {
        let mut out = Vec::new();
        let mut stays = |line: Line| {
            let goes = condition(line);
            out.extend(goes.then_some(line));
            !goes
        };
        self.hops.retain(|line| stays(*line));
        self.ready.retain_retries(&mut stays);
        self.naming.retain_retries(&mut stays);
        if let Some(unnamed) = &mut self.unnamed {
            unnamed.retain_retries(&mut stays);
        }
        out
    }

    pub(super) fn drain(&mut self) -> Vec<Line> {
        let mut lines: Vec<_> = self.hops.drain(..).collect();
        for queue in [&mut self.ready, &mut self.naming].into_iter().chain(&mut self.unnamed) {
            lines.extend(queue.drain());
        }
        lines
    }
}
