//! What earlier calls wrote for a batch: the results of finished lines, and the intents of lines that may
//! have been sent.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};
use job::file::Step;
use job::run::damaged;
use job::run::keys::{BEGUN, ORIGINS};
use job::store::Entry;
use job::wire::{Begun, Intents, LineResult};
use job::{Invocation, LineId, Objects, SegmentKey, StepError, seal};

use super::origins::Origins;

/// Objects read ahead.
const AHEAD: usize = 4;
/// The codes of lines whose request was processed, or may have been.
const UNKNOWN: [&str; 2] = ["outcome_unknown", "bad_response"];

/// The results of earlier calls for a batch.
#[derive(Debug, Default)]
pub(crate) struct EarlierResults {
    keys: Arc<[String]>,
    /// The calls, oldest first.
    calls: Vec<Invocation>,
    /// By line: the first success, else the newest failure.
    results: HashMap<LineId, Known>,
    /// By line: the last call whose durable intents name it as possibly sent.
    named: HashMap<LineId, usize>,
    origins: Origins,
    /// By line: what was kept when its last step but one was answered, and the generation of the call.
    begun: HashMap<LineId, (u32, Arc<Begun>)>,
}

#[derive(Debug)]
struct Known {
    call: usize,
    /// The code of a line that failed.
    error: Option<Box<str>>,
}

/// The result of earlier calls for a line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Earlier<'a> {
    /// None: the line is to be sent.
    Nothing,
    Succeeded,
    /// It failed, and this call does not try again.
    Failed(&'a str),
    /// It may have been sent, and must not be sent twice.
    Unknown,
}

/// Rules for deciding whether an earlier result still counts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules<'a> {
    pub(crate) generation: u32,
    pub(crate) include_unknown: bool,
    /// The codes of the failures that are sent again; empty for all.
    pub(crate) only: &'a [String],
    pub(crate) repeatable: bool,
}

impl Rules<'_> {
    /// Whether a redrive leaves a line with this code as it is.
    fn is_left(self, code: &str) -> bool {
        !self.only.is_empty() && !self.only.iter().any(|only| only == code)
    }

    /// Whether a line with this code is sent again only with `include_unknown`.
    fn is_final(self, code: &str) -> bool {
        code == UNKNOWN[0] || code == UNKNOWN[1] && !self.repeatable
    }
}

impl EarlierResults {
    pub(crate) async fn read(objects: &Objects, prefix: &str) -> Result<Self, StepError> {
        let entries = objects.list(prefix).await?;
        let keys = entries.iter().map(|entry| entry.key.clone()).collect();
        let origins = match entries.iter().find(|entry| entry.key.ends_with(ORIGINS)) {
            Some(Entry { key, .. }) => Origins::read(objects, key).await?,
            None => Origins::default(),
        };
        let mut earlier = Self { keys, origins, ..Self::default() };
        for entry in entries.iter().filter(|entry| entry.key.ends_with(BEGUN)) {
            earlier.add_begun(&entry.key, &objects.get(&entry.key).await?)?;
        }
        let segments = entries
            .into_iter()
            .filter_map(|entry| SegmentKey::parse(&entry.key).map(|segment| (segment, entry.key)));
        let segments: Vec<_> = segments.collect();
        let calls: BTreeSet<_> = segments.iter().map(|(segment, _)| segment.invocation().clone()).collect();
        earlier.calls = calls.into_iter().collect();
        let mut bodies = stream::iter(segments)
            .map(|(segment, key)| async move { objects.get(&key).await.map(|body| (segment, key, body)) })
            .buffered(AHEAD);
        let mut named: BTreeMap<usize, BTreeSet<LineId>> = BTreeMap::new();
        while let Some((segment, key, body)) = bodies.try_next().await? {
            let call = earlier.calls.binary_search(segment.invocation()).expect("it was collected above");
            match segment {
                SegmentKey::Results { ok, failed, .. } => {
                    seal::check(&body).map_err(|error| damaged(&key, error))?;
                    let count = earlier.add_results(call, &body).map_err(|error| damaged(&key, error))?;
                    if count != ok + failed {
                        return Err(damaged(
                            &key,
                            format!("it has {count} results, and {} were written", ok + failed),
                        ));
                    }
                }
                SegmentKey::Intents { .. } => {
                    let intent: Intents =
                        serde_json::from_slice(&body).map_err(|error| damaged(&key, error))?;
                    let named = named.entry(call).or_default();
                    intent.unsent.iter().for_each(|n| _ = named.remove(n));
                    named.extend(intent.sending);
                }
            }
        }
        for (call, named) in named {
            earlier.named.extend(named.into_iter().map(|n| (n, call)));
        }
        Ok(earlier)
    }

    /// The keys of all objects that earlier calls had written when this one began, sorted.
    pub(crate) fn keys(&self) -> Arc<[String]> {
        self.keys.clone()
    }

    /// The runs that sent lines of the batch first.
    pub(crate) fn origins(&self) -> &Origins {
        &self.origins
    }

    /// The same, to be completed.
    pub(crate) fn origins_mut(&mut self) -> &mut Origins {
        &mut self.origins
    }

    /// The same, at the end.
    pub(crate) fn into_origins(self) -> Origins {
        self.origins
    }

    /// The result of earlier calls for line `n`.
    pub(crate) fn of(&self, n: LineId, rules: Rules<'_>) -> Earlier<'_> {
        let result = self.results.get(&n);
        if let Some(Known { error: None, .. }) = result {
            return Earlier::Succeeded;
        }
        let this = |call: usize| self.calls[call].generation() == rules.generation;
        if let Some(call) = self.named.get(&n)
            && !rules.repeatable
            && result.is_none_or(|result| result.call < *call)
            && (this(*call) || !rules.include_unknown)
        {
            return Earlier::Unknown;
        }
        match result {
            Some(Known { call, error: Some(error) })
                if this(*call)
                    || rules.is_left(error)
                    || (rules.is_final(error) && !rules.include_unknown) =>
            {
                Earlier::Failed(error)
            }
            _ => Earlier::Nothing,
        }
    }

    /// What was kept of a line whose first steps were answered, unless it must begin anew. `is_unknown`: its
    /// last request may have been sent.
    pub(crate) fn begun(
        &self,
        n: LineId,
        rules: Rules,
        steps: &[Step],
        is_unknown: bool,
    ) -> Option<Arc<Begun>> {
        let (generation, begun) = self.begun.get(&n)?;
        let next = steps.get(begun.step.checked_sub(1)?)?;
        // A redrive sends again what may be sent again, and what it is told to.
        let begins_anew = *generation != rules.generation && (rules.repeatable || rules.include_unknown);
        let goes_on = !begins_anew && (next.repeatable() || !is_unknown);
        goes_on.then(|| begun.clone())
    }

    fn add_begun(&mut self, key: &str, body: &[u8]) -> Result<(), StepError> {
        let name = key.rsplit('/').next().unwrap_or_default();
        let generation = name.get(..4).and_then(|digits| digits.parse().ok()).unwrap_or(0);
        for line in body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let begun: Begun = serde_json::from_slice(line).map_err(|error| damaged(key, error))?;
            self.begun.insert(begun.n, (generation, Arc::new(begun)));
        }
        Ok(())
    }

    /// Adds the results of one segment. Returns how many it has.
    fn add_results(&mut self, call: usize, body: &[u8]) -> Result<u64, serde_json::Error> {
        let mut count = 0;
        for line in body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let result = LineResult::parse(line)?;
            count += 1;
            let known = Known { call, error: result.error.as_deref().map(Into::into) };
            match self.results.get(&result.n) {
                Some(Known { error: None, .. }) => {}
                Some(other) if known.error.is_some() && other.call > call => {}
                _ => {
                    self.results.insert(result.n, known);
                }
            }
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GEN0: Rules<'_> = Rules { generation: 0, include_unknown: false, only: &[], repeatable: false };
    const GEN1: Rules<'_> = Rules { generation: 1, ..GEN0 };
    const ASKED: Rules<'_> = Rules { include_unknown: true, ..GEN1 };

    fn earlier(results: &[(u64, usize, Option<&str>)], named: &[(u64, usize)]) -> EarlierResults {
        let mut earlier = EarlierResults {
            calls: vec![Invocation::new(0, 1, 0), Invocation::new(0, 2, 0), Invocation::new(1, 3, 0)],
            ..EarlierResults::default()
        };
        for (n, call, error) in results {
            let error = error.map(|error| format!(r#","error":"{error}""#)).unwrap_or_default();
            earlier.add_results(*call, &format!("{{\"n\":{n}{error}}}\n").into_bytes()).expect("a result");
        }
        earlier.named = named.iter().map(|(n, call)| (LineId::nth(*n), *call)).collect();
        earlier
    }

    #[test]
    fn a_success_is_final() {
        let earlier = earlier(&[(1, 0, Some("http_500")), (1, 1, None), (1, 2, Some("timeout"))], &[(1, 2)]);
        assert_eq!(earlier.of(LineId::nth(1), GEN1), Earlier::Succeeded);
        assert_eq!(earlier.of(LineId::nth(2), GEN1), Earlier::Nothing);
    }

    #[test]
    fn failures_of_earlier_generations_are_sent_again() {
        let earlier = earlier(&[(1, 0, Some("http_500")), (2, 0, Some("outcome_unknown"))], &[]);
        assert_eq!(earlier.of(LineId::nth(1), GEN0), Earlier::Failed("http_500"));
        assert_eq!(earlier.of(LineId::nth(1), GEN1), Earlier::Nothing);
        assert_eq!(earlier.of(LineId::nth(2), GEN1), Earlier::Failed("outcome_unknown"));
        assert_eq!(earlier.of(LineId::nth(2), ASKED), Earlier::Nothing);
    }

    #[test]
    fn a_line_with_an_intent_and_no_later_result_is_unknown() {
        let earlier = earlier(
            &[(2, 0, Some("http_500")), (3, 1, Some("outcome_unknown"))],
            &[(1, 0), (2, 0), (3, 0), (4, 2)],
        );
        assert_eq!(earlier.of(LineId::nth(1), GEN0), Earlier::Unknown);
        assert_eq!(earlier.of(LineId::nth(1), Rules { repeatable: true, ..GEN0 }), Earlier::Nothing);
        assert_eq!(earlier.of(LineId::nth(2), GEN1), Earlier::Nothing, "it has its outcome");
        assert_eq!(earlier.of(LineId::nth(1), ASKED), Earlier::Nothing);
        assert_eq!(earlier.of(LineId::nth(3), ASKED), Earlier::Nothing);
        assert_eq!(earlier.of(LineId::nth(4), ASKED), Earlier::Unknown, "sent by this very redrive");
    }
}
