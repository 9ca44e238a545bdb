//! What earlier calls left of a batch: records of finished lines, and notes of lines that may have been sent.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};
use job::wire::Intents;
use job::{ErrorName, Invocation, LineId, LineResult, Objects, SegmentKey, StepError, seal};

/// Objects read ahead.
const AHEAD: usize = 4;
/// The request was, or may have been, processed.
const UNKNOWN: [&str; 2] = ["outcome_unknown", "bad_response"];

/// What earlier calls left of a batch.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    keys: Arc<[String]>,
    /// The calls, oldest first.
    calls: Vec<Invocation>,
    /// By line: the first success, else the newest record.
    records: HashMap<LineId, Known>,
    /// By line: the last call whose durable notes name it as possibly sent.
    noted: HashMap<LineId, usize>,
}

#[derive(Debug)]
struct Known {
    call: usize,
    /// The code of a line that failed.
    error: Option<Box<str>>,
}

/// What earlier calls left of a line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Before<'a> {
    /// It is to be sent.
    Nothing,
    Ok,
    /// It failed, and this call does not try again.
    Failed(&'a str),
    /// It may have been sent, and must not be sent twice.
    Unknown,
}

/// How a call looks at what earlier calls left.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View {
    pub(crate) generation: u32,
    pub(crate) include_unknown: bool,
    pub(crate) repeatable: bool,
}

impl View {
    /// Whether a line with this code is not sent again unless that is asked for.
    fn settles(self, code: &str) -> bool {
        code == UNKNOWN[0] || code == UNKNOWN[1] && !self.repeatable
    }
}

impl Seen {
    pub(crate) async fn read(objects: &Objects, prefix: &str) -> Result<Self, StepError> {
        let entries = objects.list(prefix).await?;
        let keys = entries.iter().map(|entry| entry.key.clone()).collect();
        let flushes = entries
            .into_iter()
            .filter_map(|entry| SegmentKey::parse(&entry.key).map(|flush| (flush, entry.key)));
        let flushes: Vec<_> = flushes.collect();
        let calls: BTreeSet<_> = flushes.iter().map(|(flush, _)| flush.invocation().clone()).collect();
        let mut seen = Self { keys, calls: calls.into_iter().collect(), ..Self::default() };
        let mut bodies = stream::iter(flushes)
            .map(|(flush, key)| async move { objects.get(&key).await.map(|body| (flush, key, body)) })
            .buffered(AHEAD);
        let mut named: BTreeMap<usize, BTreeSet<LineId>> = BTreeMap::new();
        while let Some((flush, key, body)) = bodies.try_next().await? {
            let call = seen.calls.binary_search(flush.invocation()).expect("it was collected above");
            match flush {
                SegmentKey::Results { ok, failed, .. } => {
                    seal::check(&body).map_err(|error| damaged(&key, &error))?;
                    let count = seen.add_records(call, &body).map_err(|error| damaged(&key, &error))?;
                    if count != ok + failed {
                        return Err(damaged(
                            &key,
                            &format!("it has {count} records, and {} were written", ok + failed),
                        ));
                    }
                }
                SegmentKey::Intents { .. } => {
                    let note: Intents =
                        serde_json::from_slice(&body).map_err(|error| damaged(&key, &error))?;
                    let named = named.entry(call).or_default();
                    note.unsent.iter().for_each(|n| _ = named.remove(n));
                    named.extend(note.sending);
                }
            }
        }
        for (call, named) in named {
            seen.noted.extend(named.into_iter().map(|n| (n, call)));
        }
        Ok(seen)
    }

    /// The keys of all objects that earlier calls had written when this one began, sorted.
    pub(crate) fn keys(&self) -> Arc<[String]> {
        self.keys.clone()
    }

    /// What earlier calls left of line `n`.
    pub(crate) fn before(&self, n: LineId, view: View) -> Before<'_> {
        let record = self.records.get(&n);
        if let Some(Known { error: None, .. }) = record {
            return Before::Ok;
        }
        let this = |call: usize| self.calls[call].generation() == view.generation;
        if let Some(call) = self.noted.get(&n)
            && !view.repeatable
            && record.is_none_or(|record| record.call < *call)
            && (this(*call) || !view.include_unknown)
        {
            return Before::Unknown;
        }
        match record {
            Some(Known { call, error: Some(error) })
                if this(*call) || (view.settles(error) && !view.include_unknown) =>
            {
                Before::Failed(error)
            }
            _ => Before::Nothing,
        }
    }

    /// How many there were.
    fn add_records(&mut self, call: usize, body: &[u8]) -> Result<u64, serde_json::Error> {
        let mut count = 0;
        for line in body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let record = LineResult::parse(line)?;
            count += 1;
            let known = Known { call, error: record.error.as_deref().map(Into::into) };
            match self.records.get(&record.n) {
                Some(Known { error: None, .. }) => {}
                Some(other) if known.error.is_some() && other.call > call => {}
                _ => {
                    self.records.insert(record.n, known);
                }
            }
        }
        Ok(count)
    }
}

fn damaged(key: &str, error: &dyn std::fmt::Display) -> StepError {
    StepError::new(ErrorName::RunDamaged, format!("{key} is damaged: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GEN0: View = View { generation: 0, include_unknown: false, repeatable: false };
    const GEN1: View = View { generation: 1, ..GEN0 };
    const ASKED: View = View { include_unknown: true, ..GEN1 };

    fn seen(records: &[(u64, usize, Option<&str>)], noted: &[(u64, usize)]) -> Seen {
        let mut seen = Seen {
            calls: vec![Invocation::new(0, 1, 0), Invocation::new(0, 2, 0), Invocation::new(1, 3, 0)],
            ..Seen::default()
        };
        for (n, call, error) in records {
            let error = error.map(|error| format!(r#","error":"{error}""#)).unwrap_or_default();
            seen.add_records(*call, &format!("{{\"n\":{n}{error}}}\n").into_bytes()).expect("a record");
        }
        seen.noted = noted.iter().map(|(n, call)| (LineId::nth(*n), *call)).collect();
        seen
    }

    #[test]
    fn a_success_is_final() {
        let seen = seen(&[(1, 0, Some("http_500")), (1, 1, None), (1, 2, Some("timeout"))], &[(1, 2)]);
        assert_eq!(seen.before(LineId::nth(1), GEN1), Before::Ok);
        assert_eq!(seen.before(LineId::nth(2), GEN1), Before::Nothing);
    }

    #[test]
    fn failures_of_earlier_generations_are_absent() {
        let seen = seen(&[(1, 0, Some("http_500")), (2, 0, Some("outcome_unknown"))], &[]);
        assert_eq!(seen.before(LineId::nth(1), GEN0), Before::Failed("http_500"));
        assert_eq!(seen.before(LineId::nth(1), GEN1), Before::Nothing);
        assert_eq!(seen.before(LineId::nth(2), GEN1), Before::Failed("outcome_unknown"));
        assert_eq!(seen.before(LineId::nth(2), ASKED), Before::Nothing);
    }

    #[test]
    fn a_noted_line_without_a_later_record_is_unknown() {
        let seen = seen(
            &[(2, 0, Some("http_500")), (3, 1, Some("outcome_unknown"))],
            &[(1, 0), (2, 0), (3, 0), (4, 2)],
        );
        assert_eq!(seen.before(LineId::nth(1), GEN0), Before::Unknown);
        assert_eq!(seen.before(LineId::nth(1), View { repeatable: true, ..GEN0 }), Before::Nothing);
        assert_eq!(seen.before(LineId::nth(2), GEN1), Before::Nothing, "it has its outcome");
        assert_eq!(seen.before(LineId::nth(1), ASKED), Before::Nothing);
        assert_eq!(seen.before(LineId::nth(3), ASKED), Before::Nothing);
        assert_eq!(seen.before(LineId::nth(4), ASKED), Before::Unknown, "sent by this very redrive");
    }
}
