//! The write-ahead log of intents, for requests that must not be repeated. A line is sent only after a
//! durable intent names it, so that after a crash it is known which lines may have reached the server.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use job::wire;
use job::{LineId, SegmentKey, StepError};
use tokio::time::Instant;

use crate::background::Background;
use crate::context::Intents;
use crate::parcel::Parcels;
use crate::results::BatchFolder;
use crate::schedule::{Lookahead, Schedule};

/// The shortest lead: tokio's timers have a resolution of a few milliseconds.
const MIN_LEAD: Duration = Duration::from_millis(10);
const LONGEST_LEAD: Duration = Duration::from_secs(1);

/// The intents of one call.
pub(crate) struct IntentLog {
    folder: Arc<BatchFolder>,
    mode: Mode,
    /// Objects written before this one.
    k: u32,
    /// Lines that were named and not sent: the next intent takes them back.
    taken_back: BTreeSet<LineId>,
    /// Keys whose lines the intent under way names.
    keys: Vec<u32>,
    began: Instant,
    /// How long it takes to write one, a moving average.
    write_time: Duration,
    window: Duration,
    /// The intent under way. Its result says whether this call is the only one that works on its batch.
    writing: Background<bool>,
}

enum Mode {
    /// Requests may be repeated and need no intents.
    Off,
    /// One object, which is replaced. It holds every line that is named and has no durable result.
    Replaced { open: BTreeSet<LineId> },
    /// One object after the other, each with the changes, since another call may read them at any time.
    Appended {
        /// The keys that were in the folder when this call began, sorted.
        before: Arc<[String]>,
    },
}

impl IntentLog {
    /// For requests that may be repeated.
    pub(crate) fn off(folder: Arc<BatchFolder>) -> Self {
        Self {
            folder,
            mode: Mode::Off,
            k: 0,
            taken_back: BTreeSet::new(),
            keys: Vec::new(),
            began: Instant::now(),
            write_time: Duration::ZERO,
            window: Duration::ZERO,
            writing: Background::idle(),
        }
    }

    /// For requests that must not be repeated; `before` has the keys in the folder when this call began,
    /// sorted.
    pub(crate) fn new(folder: Arc<BatchFolder>, before: Arc<[String]>, intents: Intents) -> Self {
        let mode = match intents {
            Intents::Alone => Mode::Replaced { open: BTreeSet::new() },
            Intents::Shared => Mode::Appended { before },
        };
        Self { mode, window: intents.window(), ..Self::off(folder) }
    }

    pub(crate) fn is_on(&self) -> bool {
        !matches!(self.mode, Mode::Off)
    }

    pub(crate) fn is_writing(&self) -> bool {
        !self.writing.is_idle()
    }

    /// Starts to write the next intent, if lines need one and none is under way.
    pub(crate) fn write_due(&mut self, schedule: &mut Schedule, parcels: &Parcels, fresh: bool) {
        if self.is_writing() || !self.is_on() {
            return;
        }
        let now = Instant::now();
        let mut sending = Vec::new();
        for key in schedule.take_keys_wanting_intents() {
            let named = schedule.name_upcoming(key, now, fresh);
            if !named.is_empty() {
                self.keys.push(key);
                sending.extend(named.into_iter().flat_map(|parcel| parcels.numbers(parcel)));
            }
        }
        if sending.is_empty() && self.taken_back.is_empty() {
            return;
        }
        self.began = now;
        let (name, body) = self.object(sending);
        let (folder, known) = (self.folder.clone(), self.known());
        self.writing.start(async move {
            folder.put(&name, body.into()).await?;
            // If two calls work on the same batch, the later one to list finds the other's intent and sends
            // none of the lines that it has named.
            let Some(known) = known else { return Ok(true) };
            Ok(folder.keys().await?.all(|key| known(&key)))
        });
    }

    /// Waits until the intent under way is durable; forever if there is none. Returns whether this call is
    /// the only one that works on its batch.
    pub(crate) async fn written(&mut self) -> Result<bool, StepError> {
        self.writing.result().await
    }

    /// Tells whether an object of the batch is this call's own or was there when it began. `None`: no other
    /// call is possible.
    fn known(&self) -> Option<impl Fn(&str) -> bool + Send + 'static> {
        let Mode::Appended { before } = &self.mode else { return None };
        let (own, before) = (self.folder.invocation().clone(), before.clone());
        Some(move |key: &str| {
            before.binary_search_by(|before| before.as_str().cmp(key)).is_ok()
                || SegmentKey::parse(key).is_none_or(|segment| *segment.invocation() == own)
        })
    }

    /// The intent under way is durable: the lines that it names may be sent.
    pub(crate) fn durable(&mut self, schedule: &mut Schedule) {
        let now = Instant::now();
        self.write_time = (self.write_time * 3 + now.saturating_duration_since(self.began)) / 4;
        schedule.set_lookahead(self.lookahead());
        for key in self.keys.drain(..) {
            schedule.change(key, now, |key| key.intent_durable());
        }
    }

    /// How far ahead intents name lines.
    pub(crate) fn lookahead(&self) -> Lookahead {
        let lead = (MIN_LEAD / 2 + self.write_time * 3 / 2).clamp(MIN_LEAD, LONGEST_LEAD);
        Lookahead { lead, window: self.window.max(self.write_time * 2) }
    }

    /// Takes back lines that were named and are known not to have been processed.
    pub(crate) fn take_back(&mut self, lines: impl IntoIterator<Item = LineId>) {
        if self.is_on() {
            self.taken_back.extend(lines);
        }
    }

    /// The results of these lines are durable.
    pub(crate) fn recorded(&mut self, lines: &[LineId]) {
        if let Mode::Replaced { open } = &mut self.mode {
            for line in lines {
                open.remove(line);
            }
        }
    }

    /// Takes back all lines that were named and not sent, at the end of a call.
    pub(crate) async fn close(&mut self, schedule: &Schedule, parcels: &Parcels) -> Result<(), StepError> {
        let unsent = schedule.keys().iter().flat_map(|key| key.named_unsent());
        self.taken_back.extend(unsent.flat_map(|parcel| parcels.numbers(parcel)));
        if self.taken_back.is_empty() {
            return Ok(());
        }
        let (name, body) = self.object(Vec::new());
        self.folder.put(&name, body.into()).await
    }

    fn object(&mut self, sending: Vec<LineId>) -> (String, Vec<u8>) {
        let mut back = std::mem::take(&mut self.taken_back);
        let name = SegmentKey::Intents { invocation: self.folder.invocation().clone(), k: self.k }.name();
        let intent = match &mut self.mode {
            Mode::Off => wire::Intents::default(),
            Mode::Replaced { open } => {
                open.retain(|line| !back.contains(line));
                open.extend(sending);
                wire::Intents { sending: open.iter().copied().collect(), unsent: Vec::new() }
            }
            Mode::Appended { .. } => {
                self.k += 1;
                for line in &sending {
                    back.remove(line);
                }
                wire::Intents { sending, unsent: back.into_iter().collect() }
            }
        };
        (name, serde_json::to_vec(&intent).expect("an intent is plain JSON"))
    }
}
