//! Notes of lines that may be sent, for requests that must not be repeated: a line is only sent after a durable note
//! names it, so that after a crash it is known which lines may have arrived.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use job::job_file::{Limit, Rate};
use job::record::Notes;
use job::{FlushKey, Invocation, Objects, StepError};

use crate::flush;
use crate::line::LineState;
use crate::schedule::{Line, Schedule};

/// Keys looked at after every event; more only when one waits.
const FEW_KEYS: usize = 64;

/// The notes of one call.
pub(crate) struct NoteBook {
    invocation: Invocation,
    /// The keys of what earlier calls had written when this one began, sorted.
    before: Arc<[String]>,
    /// Lines to note ahead, for each key.
    ahead: usize,
    k: u32,
    /// Keys whose lines the note under way names.
    keys: Vec<u32>,
}

impl NoteBook {
    pub(crate) fn new(invocation: Invocation, before: Arc<[String]>, limit: &Limit, flush_every: Duration) -> Self {
        let in_flight = limit.in_flight as usize;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a line count; saturates")]
        let ahead = match limit.rate {
            Rate::PerSecond(rate) => (2.0 * rate * flush_every.as_secs_f64()).ceil() as usize,
            Rate::Unlimited => 20 * in_flight,
        };
        Self { invocation, before, ahead: ahead.clamp(2 * in_flight, 50_000), k: 0, keys: Vec::new() }
    }

    /// The next note, if lines are to be noted.
    pub(crate) fn next(&mut self, schedule: &mut Schedule, lines: &[LineState]) -> Option<(String, Vec<u8>)> {
        if !schedule.was_hungry() && schedule.keys().len() > FEW_KEYS {
            return None;
        }
        let mut sending = Vec::new();
        for index in 0..schedule.keys().len() {
            let index = u32::try_from(index).expect("as added");
            let noted = schedule.key_mut(index).name_ahead(self.ahead);
            if !noted.is_empty() {
                self.keys.push(index);
                sending.extend(noted.iter().map(|line| lines[*line as usize].n));
            }
        }
        (!sending.is_empty()).then(|| self.object(&Notes { sending, unsent: Vec::new() }))
    }

    /// Whether an object of the batch is this call's own, or was there when it began.
    pub(crate) fn known(&self) -> impl Fn(&str) -> bool + Send + 'static {
        let (own, before) = (self.invocation.clone(), self.before.clone());
        move |key| {
            before.binary_search_by(|before| before.as_str().cmp(key)).is_ok()
                || FlushKey::parse(key).is_none_or(|flush| *flush.invocation() == own)
        }
    }

    /// The note under way is durable: its lines may be sent.
    pub(crate) fn written(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.keys)
    }

    /// The note that takes back what was noted and not sent.
    pub(crate) fn unsent(&mut self, schedule: &Schedule, lines: &[LineState]) -> Option<(String, Vec<u8>)> {
        let number = |line: Line| lines[line as usize].n;
        let keys = schedule.keys().iter();
        let mut unsent: Vec<_> = keys.flat_map(|key| key.noted_unsent().chain(key.waiting_again())).map(number).collect();
        unsent.sort_unstable();
        (!unsent.is_empty()).then(|| self.object(&Notes { sending: Vec::new(), unsent }))
    }

    fn object(&mut self, notes: &Notes) -> (String, Vec<u8>) {
        let name = FlushKey::Notes { invocation: self.invocation.clone(), k: self.k }.name();
        self.k += 1;
        (name, serde_json::to_vec(notes).expect("notes are plain JSON"))
    }
}

/// Writes a note; then whether this call is alone with its batch. Of two calls that work on the same batch, the later to look
/// finds the other's note: what either has noted and not sent, it leaves.
pub(crate) async fn put(
    objects: &Objects,
    folder: &str,
    name: &str,
    body: Vec<u8>,
    stuck: &AtomicBool,
    known: impl Fn(&str) -> bool,
) -> Result<bool, StepError> {
    flush::put(objects, &format!("{folder}{name}"), body.into(), stuck).await?;
    let written = objects.list(folder).await?;
    Ok(written.iter().all(|entry| known(&entry.key)))
}
