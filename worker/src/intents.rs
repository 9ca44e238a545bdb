//! Intents of sending, for requests that must not be repeated: a line is sent only after a durable intent names it, so
//! that after a crash it is known which lines may have arrived.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use job::{Invocation, LineId, Objects, SegmentKey, StepError, wire};
use tokio::time::Instant;

use crate::context::Intents;
use crate::flush;
use crate::line::LineState;
use crate::schedule::{Ahead, Line, Schedule};

/// The shortest lead: the timers of tokio are no finer than a few milliseconds.
const LEAST_LEAD: Duration = Duration::from_millis(10);
const LONGEST_LEAD: Duration = Duration::from_secs(1);

/// The intents of one call.
pub(crate) struct IntentLog {
    invocation: Invocation,
    mode: Mode,
    k: u32,
    /// Lines named so far that were not sent after all, and whose name the next intent takes back.
    taken_back: BTreeSet<LineId>,
    /// Keys whose lines the intent under way names.
    keys: Vec<u32>,
    began: Instant,
    /// How long it takes to write one, smoothed.
    takes: Duration,
    window: Duration,
}

enum Mode {
    /// One object, replaced: it holds every line that is named and has no durable record.
    Replaced { open: BTreeSet<LineId> },
    /// One object after the other, each with what has changed, for another call may read them at any time.
    Appended {
        /// The keys of what earlier calls had written when this one began, sorted.
        before: Arc<[String]>,
    },
}

impl IntentLog {
    pub(crate) fn new(invocation: Invocation, before: Arc<[String]>, intents: Intents) -> Self {
        let mode = match intents {
            Intents::Alone => Mode::Replaced { open: BTreeSet::new() },
            Intents::Shared => Mode::Appended { before },
        };
        Self {
            invocation,
            mode,
            k: 0,
            taken_back: BTreeSet::new(),
            keys: Vec::new(),
            began: Instant::now(),
            takes: Duration::ZERO,
            window: intents.window(),
        }
    }

    /// The next intent, if lines need one.
    pub(crate) fn next(
        &mut self,
        schedule: &mut Schedule,
        lines: &[LineState],
        fresh: bool,
    ) -> Option<(String, Vec<u8>)> {
        let now = Instant::now();
        let mut sending = Vec::new();
        for key in schedule.take_hungry() {
            let named = schedule.name_lines(key, now, fresh);
            if !named.is_empty() {
                self.keys.push(key);
                sending.extend(named.iter().map(|line| lines[*line as usize].n));
            }
        }
        if sending.is_empty() && self.taken_back.is_empty() {
            return None;
        }
        self.began = now;
        Some(self.object(sending))
    }

    /// Whether an object of the batch is this call's own, or was there when it began. `None`: there can be no other call.
    pub(crate) fn known(&self) -> Option<impl Fn(&str) -> bool + Send + 'static> {
        let Mode::Appended { before } = &self.mode else { return None };
        let (own, before) = (self.invocation.clone(), before.clone());
        Some(move |key: &str| {
            before.binary_search_by(|before| before.as_str().cmp(key)).is_ok()
                || SegmentKey::parse(key).is_none_or(|flush| *flush.invocation() == own)
        })
    }

    /// The intent under way is durable: the lines that it names may be sent.
    pub(crate) fn written(&mut self, schedule: &mut Schedule) {
        let now = Instant::now();
        self.takes = (self.takes * 3 + now.saturating_duration_since(self.began)) / 4;
        schedule.set_ahead(self.ahead());
        for key in self.keys.drain(..) {
            schedule.change(key, now, |key| key.named());
        }
    }

    /// How far ahead lines are named.
    pub(crate) fn ahead(&self) -> Ahead {
        let lead = (LEAST_LEAD / 2 + self.takes * 3 / 2).clamp(LEAST_LEAD, LONGEST_LEAD);
        Ahead { lead, window: self.window.max(self.takes * 2) }
    }

    /// Lines that were named, and are known not to have been processed.
    pub(crate) fn take_back(&mut self, lines: impl IntoIterator<Item = LineId>) {
        self.taken_back.extend(lines);
    }

    /// The records of these lines are durable.
    pub(crate) fn recorded(&mut self, lines: &[LineId]) {
        if let Mode::Replaced { open } = &mut self.mode {
            for line in lines {
                open.remove(line);
            }
        }
    }

    /// The intent that takes back what was named and not sent, at the end of a call.
    pub(crate) fn last(&mut self, schedule: &Schedule, lines: &[LineState]) -> Option<(String, Vec<u8>)> {
        let number = |line: Line| lines[line as usize].n;
        self.taken_back.extend(schedule.keys().iter().flat_map(|key| key.named_unsent()).map(number));
        (!self.taken_back.is_empty()).then(|| self.object(Vec::new()))
    }

    fn object(&mut self, sending: Vec<LineId>) -> (String, Vec<u8>) {
        let mut back = std::mem::take(&mut self.taken_back);
        let name = SegmentKey::Intents { invocation: self.invocation.clone(), k: self.k }.name();
        let intent = match &mut self.mode {
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

/// Writes an intent; then whether this call is alone with its batch. Of two calls that work on the same batch, the later to
/// look finds the other's intent: what either has named and not sent, it leaves.
pub(crate) async fn put(
    objects: &Objects,
    folder: &str,
    name: &str,
    body: Vec<u8>,
    stuck: &AtomicBool,
    known: Option<impl Fn(&str) -> bool>,
) -> Result<bool, StepError> {
    flush::put(objects, &format!("{folder}{name}"), body.into(), stuck).await?;
    let Some(known) = known else { return Ok(true) };
    let written = objects.list(folder).await?;
    Ok(written.iter().all(|entry| known(&entry.key)))
}
