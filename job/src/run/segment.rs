//! The names of the objects that a worker writes, which carry their counts.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Names one call of a worker for one batch. Ordered by generation, then by time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Invocation(String);

impl Invocation {
    /// A name from the run's generation, the milliseconds since 1970, and a random number that tells two
    /// calls apart.
    pub fn new(generation: u32, millis: u64, random: u32) -> Self {
        Self(format!("{generation:04}{millis:013}{random:08x}"))
    }

    /// The name under which pre-process writes the results that a run keeps of the run before it. It comes
    /// before that of any call of a worker.
    pub fn kept() -> Self {
        Self::new(0, 0, 0)
    }

    /// Whether it is [`Self::kept`].
    pub fn is_kept(&self) -> bool {
        *self == Self::kept()
    }

    /// The generation of the run that the call belongs to.
    pub fn generation(&self) -> u32 {
        self.0.get(..4).and_then(|digits| digits.parse().ok()).unwrap_or(0)
    }
}

impl fmt::Display for Invocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of an object that a worker wrote. It carries the object's counts, so that a listing is enough to
/// watch a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SegmentKey {
    /// A result segment: the results of finished lines.
    Results {
        /// The call that wrote it.
        invocation: Invocation,
        /// Number of the segment within the call.
        k: u32,
        /// Lines that succeeded.
        ok: u64,
        /// Lines that failed.
        failed: u64,
        /// Responses since the last segment that asked to slow down.
        throttled: u64,
        /// Requests that were sent since the last segment.
        sent: u64,
    },
    /// Intents: see [`crate::wire::Intents`].
    Intents {
        /// The call that wrote it.
        invocation: Invocation,
        /// Number of the object within the call.
        k: u32,
    },
}

impl SegmentKey {
    /// The last part of the key, after the batch's folder.
    pub fn name(&self) -> String {
        match self {
            Self::Results { invocation, k, ok, failed, throttled, sent } => {
                format!("{invocation}-{k:06}-{ok}-{failed}-{throttled}-{sent}.jsonl")
            }
            Self::Intents { invocation, k } => format!("{invocation}-{k:06}.notes.json"),
        }
    }

    /// Parses a key's last part. `None` for a name that no worker writes.
    pub fn parse(key: &str) -> Option<Self> {
        let name = key.rsplit('/').next()?;
        if let Some(stem) = name.strip_suffix(".notes.json") {
            let (invocation, k) = stem.split_once('-')?;
            return Some(Self::Intents { invocation: Invocation(invocation.to_owned()), k: k.parse().ok()? });
        }
        let mut parts = name.strip_suffix(".jsonl")?.split('-');
        let invocation = Invocation(parts.next()?.to_owned());
        let numbers: Vec<u64> = parts.map(|part| part.parse().ok()).collect::<Option<_>>()?;
        let (k, ok, failed, throttled, sent) = match numbers[..] {
            [k, ok, failed, throttled, sent] => (k, ok, failed, throttled, sent),
            // Written before requests were counted: each outcome took at least one.
            [k, ok, failed, throttled] => (k, ok, failed, throttled, ok + failed + throttled),
            _ => return None,
        };
        Some(Self::Results { invocation, k: u32::try_from(k).ok()?, ok, failed, throttled, sent })
    }

    /// The call that wrote the object.
    pub fn invocation(&self) -> &Invocation {
        match self {
            Self::Results { invocation, .. } | Self::Intents { invocation, .. } => invocation,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segment_names_are_read_as_they_were_written() {
        let invocation = Invocation::new(3, 1_763_700_000_000, 0xabc);
        let results = SegmentKey::Results {
            invocation: invocation.clone(),
            k: 7,
            ok: 10,
            failed: 2,
            throttled: 1,
            sent: 15,
        };
        let intents = SegmentKey::Intents { invocation, k: 7 };
        assert_eq!(SegmentKey::parse(&format!("x/{}", results.name())), Some(results.clone()));
        assert_eq!(SegmentKey::parse(&intents.name()), Some(intents));
        let uncounted = results.name().replace("-15.jsonl", ".jsonl");
        assert!(
            matches!(SegmentKey::parse(&uncounted), Some(SegmentKey::Results { ok: 10, sent: 13, .. })),
            "{uncounted}"
        );
        assert_eq!(results.invocation().generation(), 3);
        assert_eq!(SegmentKey::parse("readme.jsonl"), None);
    }

    #[test]
    fn invocations_order_by_generation_then_time() {
        assert!(Invocation::new(0, 2, 0) < Invocation::new(1, 1, 0));
        assert!(Invocation::new(1, 1, 9) < Invocation::new(1, 2, 0));
        assert!(Invocation::kept() < Invocation::new(0, 1, 0) && Invocation::kept().is_kept());
    }
}
