//! What is known of each line of one batch of the run before.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use job::run::damaged;
use job::store::Entry;
use job::wire::{Begun, Intents, Origins, ResultView, read_result, seal};
use job::{Code, Invocation, LineId, Objects, SegmentKey, StepError, keys};

use super::record::State;

/// Objects that are read at a time.
const AT_ONCE: usize = 4;
/// Bytes of segments that are kept in memory; segments of a larger batch are read once more.
const IN_MEMORY: u64 = 8 << 20;

/// Whether a failed line counts as possibly sent: the rules of workers for a redrive.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    /// The requests of the run before may be repeated.
    pub(super) was_repeatable: bool,
    /// The requests of the new run may be repeated.
    pub(super) is_repeatable: bool,
    pub(super) include_unknown: bool,
}

/// The objects of a batch.
pub(super) struct Folder {
    segments: Vec<Segment>,
    intents: Vec<(Invocation, String)>,
    origins: Option<String>,
    /// Objects with lines whose first requests have been answered.
    begun: Vec<String>,
    bodies: Option<Vec<Bytes>>,
}

/// A result segment.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) object: String,
    call: Invocation,
    bytes: u64,
    count: u64,
}

/// What is known of the lines of a batch.
#[derive(Debug, Default)]
pub(super) struct Outcomes {
    lines: HashMap<LineId, Outcome>,
    /// Lines that made no request.
    pub(super) skipped: u64,
    /// The line's origin, where an earlier run had sent it.
    pub(super) origins: HashMap<LineId, (String, LineId)>,
}

/// What is known of a line.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outcome {
    pub(super) state: State,
    /// The segment that has its result. `None`: it has no result, or its result does not count.
    pub(super) segment: Option<usize>,
    /// The result says which request it is the result of.
    pub(super) has_identity: bool,
}

/// A result that may count.
struct Candidate {
    segment: usize,
    error: Option<Code>,
    has_identity: bool,
}

impl Folder {
    /// Sorts the objects of a folder, and reads small ones.
    ///
    /// # Errors
    /// Errors of the store.
    pub(super) async fn read(objects: &Objects, entries: Vec<Entry>) -> Result<Self, StepError> {
        let mut folder = Self {
            segments: Vec::new(),
            intents: Vec::new(),
            origins: None,
            begun: Vec::new(),
            bodies: None,
        };
        for Entry { key, size, .. } in entries {
            match SegmentKey::parse(&key) {
                Some(SegmentKey::Results { invocation, ok, failed, .. }) if size > 0 || ok + failed > 0 => {
                    let (call, count) = (invocation, ok + failed);
                    folder.segments.push(Segment { object: key, call, bytes: size, count });
                }
                Some(SegmentKey::Intents { invocation, .. }) => folder.intents.push((invocation, key)),
                None if key.ends_with(keys::ORIGINS) => folder.origins = Some(key),
                None if key.ends_with(keys::BEGUN) => folder.begun.push(key),
                _ => {}
            }
        }
        if folder.segments.iter().map(|segment| segment.bytes).sum::<u64>() <= IN_MEMORY {
            let keys: Vec<String> = folder.segments.iter().map(|segment| segment.object.clone()).collect();
            folder.bodies = Some(read_all(objects, keys).await?);
        }
        Ok(folder)
    }

    pub(super) fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// The bytes of a segment.
    ///
    /// # Errors
    /// Errors of the store.
    pub(super) async fn body(&self, objects: &Objects, segment: usize) -> Result<Bytes, StepError> {
        match &self.bodies {
            Some(bodies) => Ok(bodies[segment].clone()),
            None => Ok(objects.get(&self.segments[segment].object).await?),
        }
    }

    /// Reads all results and intents once. Of several results of one line the first success counts, or else
    /// the last failure.
    ///
    /// # Errors
    /// `Run.Damaged`, and errors of the store.
    pub(super) async fn outcomes(&self, objects: &Objects, rules: Rules) -> Result<Outcomes, StepError> {
        let mut candidates: HashMap<LineId, Candidate> = HashMap::new();
        let mut skipped = BTreeSet::new();
        for (index, segment) in self.segments.iter().enumerate() {
            let body = self.body(objects, index).await?;
            seal::check(&body).map_err(|error| segment.damaged(error))?;
            let mut count = 0;
            for (_, view) in results(&body) {
                let view = view.map_err(|error| segment.damaged(error))?;
                count += 1;
                if view.error.is_none() && view.tries == 0 && view.id.is_none() {
                    skipped.insert(view.n);
                    continue;
                }
                let error = view.error.as_deref().map(|code| code.parse().unwrap_or(Code::NotProcessed));
                let newer = Candidate { segment: index, error, has_identity: view.id.is_some() };
                match candidates.get(&view.n) {
                    Some(Candidate { error: None, .. }) => {}
                    _ => _ = candidates.insert(view.n, newer),
                }
            }
            if count != segment.count {
                return Err(
                    segment.damaged(format!("it has {count} results, and {} were written", segment.count))
                );
            }
        }
        let named = if rules.was_repeatable { HashMap::new() } else { self.named(objects).await? };
        let begun = if rules.was_repeatable { HashSet::new() } else { self.begun(objects).await? };
        let (skipped, origins) = (skipped.len() as u64, self.origins(objects).await?);
        let mut outcomes = Outcomes { lines: HashMap::new(), skipped, origins };
        for (n, candidate) in &candidates {
            let Candidate { segment, error, has_identity } = *candidate;
            let sent_later = named.get(n).is_some_and(|call| self.segments[segment].call < *call);
            let outcome = match error {
                None => Outcome { state: State::Success, segment: Some(segment), has_identity },
                Some(_) if sent_later => {
                    Outcome { state: rules.unknown(), segment: None, has_identity: false }
                }
                Some(code) if rules.is_final(code) || begun.contains(n) => {
                    Outcome { state: rules.unknown(), segment: Some(segment), has_identity }
                }
                Some(_) => Outcome { state: State::SentAgain, segment: Some(segment), has_identity },
            };
            outcomes.lines.insert(*n, outcome);
        }
        for n in named.into_keys() {
            let unknown = Outcome { state: rules.unknown(), segment: None, has_identity: false };
            outcomes.lines.entry(n).or_insert(unknown);
        }
        Ok(outcomes)
    }

    /// The lines that were named as possibly sent, each with the last call that did so.
    async fn named(&self, objects: &Objects) -> Result<HashMap<LineId, Invocation>, StepError> {
        let bodies = read_all(objects, self.intents.iter().map(|(_, key)| key.clone()).collect()).await?;
        let mut named: BTreeMap<&Invocation, BTreeSet<LineId>> = BTreeMap::new();
        for ((call, key), body) in self.intents.iter().zip(bodies) {
            let intents: Intents = serde_json::from_slice(&body).map_err(|error| damaged(key, error))?;
            let named = named.entry(call).or_default();
            intents.unsent.iter().for_each(|n| _ = named.remove(n));
            named.extend(intents.sending);
        }
        let named =
            named.into_iter().flat_map(|(call, lines)| lines.into_iter().map(move |n| (n, call.clone())));
        Ok(named.collect())
    }

    /// The lines whose first steps were answered.
    async fn begun(&self, objects: &Objects) -> Result<HashSet<LineId>, StepError> {
        let mut begun = HashSet::new();
        for (key, body) in self.begun.iter().zip(read_all(objects, self.begun.clone()).await?) {
            for line in body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                let Begun { n, .. } = serde_json::from_slice(line).map_err(|error| damaged(key, error))?;
                begun.insert(n);
            }
        }
        Ok(begun)
    }

    async fn origins(&self, objects: &Objects) -> Result<HashMap<LineId, (String, LineId)>, StepError> {
        let Some(key) = &self.origins else { return Ok(HashMap::new()) };
        let origins: Origins =
            serde_json::from_slice(&objects.get(key).await?).map_err(|error| damaged(key, error))?;
        Ok(origins.lines.into_iter().map(|origin| (origin.n, (origin.run, origin.line))).collect())
    }
}

impl Segment {
    pub(super) fn damaged(&self, why: impl std::fmt::Display) -> StepError {
        let why = format!(
            "{why}. Without this object its lines are sent again; with --fresh every line is sent again"
        );
        damaged(&self.object, why)
    }
}

impl Outcomes {
    pub(super) fn of(&self, n: LineId) -> Option<Outcome> {
        self.lines.get(&n).copied()
    }

    pub(super) fn lines(&self) -> impl Iterator<Item = (LineId, Outcome)> {
        self.lines.iter().map(|(n, outcome)| (*n, *outcome))
    }
}

impl Rules {
    fn unknown(self) -> State {
        if self.include_unknown { State::SentAgain } else { State::Unknown }
    }

    /// Whether the request of a line that failed like this may have been processed, and must not be repeated.
    fn is_final(self, code: Code) -> bool {
        let repeatable = self.was_repeatable && self.is_repeatable;
        code == Code::OutcomeUnknown || code == Code::BadResponse && !repeatable
    }
}

async fn read_all(objects: &Objects, keys: Vec<String>) -> Result<Vec<Bytes>, StepError> {
    let bodies = stream::iter(keys).map(|key| async move { objects.get(&key).await });
    Ok(bodies.buffered(AT_ONCE).try_collect().await?)
}

/// The results of a segment: the offset of each, and what it says.
pub(super) fn results(
    body: &[u8],
) -> impl Iterator<Item = ((usize, &[u8]), Result<ResultView<'_>, serde_json::Error>)> {
    let mut at = 0;
    let lines = body.split(|byte| *byte == b'\n').map(move |line| {
        let offset = at;
        at += line.len() + 1;
        (offset, line)
    });
    lines.filter(|(_, line)| !line.is_empty()).map(|(offset, line)| ((offset, line), read_result(line)))
}
