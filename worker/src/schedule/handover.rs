//! The pace of the keys that still have lines, which a call that pauses hands over to the next call.

use std::borrow::Cow;
use std::collections::BTreeMap;

use job::file::{Limit, Rate};
use job::run::KeyPace;
use tokio::time::Instant;

use super::{Key, Schedule};
use crate::pace::{Now, Start};
use crate::run::Known;

/// The name for all keys that are not listed. It cannot collide with a host name or a `limits.by` value.
const OTHERS: &str = "*";
/// Bytes of all keys in a message, which may have 256 KiB with everything else in it (Step Functions Developer
/// Guide, "Quotas").
const MAX_BYTES: usize = 150_000;
/// A key with more bytes has a hash in messages.
const MAX_NAME: usize = 64;

/// The limit of one key, and when it may begin.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeyLimit {
    pub(crate) rate: Rate,
    pub(crate) in_flight: u32,
    /// `in_flight` may grow to this when responses take long.
    pub(crate) most_in_flight: u32,
    /// Milliseconds that responses took in an earlier batch; 0 if unknown.
    pub(crate) latency: f64,
    pub(crate) factor: f64,
    pub(crate) start: Start,
    /// Nothing is sent before this instant.
    pub(crate) hold: Option<Instant>,
    /// Milliseconds since 1970 when the provider was found down, or 0.
    pub(crate) down_since: u64,
    /// Whether the provider was down when another batch ended.
    pub(crate) suspected: bool,
}

impl Schedule {
    /// The pace of all keys with lines, and the earliest instant at which one may send. If a message cannot
    /// hold all keys, the keys that are ready last share one entry with the latest of their times.
    pub(crate) fn pace(&self, now: Now) -> (BTreeMap<String, KeyPace>, Option<Instant>) {
        let mut paces: Vec<_> =
            self.keys.iter().filter(|key| key.waiting() > 0).map(|key| (pace(key, now), key)).collect();
        paces.sort_by_key(|(pace, _)| pace.not_before);
        let earliest = paces.first().map(|(pace, _)| now.instant_of(pace.not_before));
        let mut bytes = 0;
        let fit = paces.iter().take_while(|(pace, key)| {
            bytes += entry_bytes(&name_in_message(&key.name), pace);
            bytes <= MAX_BYTES
        });
        let rest = paces.split_off(fit.count());
        let mut keys: BTreeMap<_, _> =
            paces.into_iter().map(|(pace, key)| (name_in_message(&key.name).into_owned(), pace)).collect();
        if let Some((last, _)) = rest.last() {
            keys.insert(OTHERS.to_owned(), KeyPace { factor: 1.0, down_since: 0, ..last.clone() });
        }
        (keys, earliest)
    }
}

/// The name of a key in a message: a hash if it is long, since the key of `limits.by` may be any text.
fn name_in_message(name: &str) -> Cow<'_, str> {
    if name.len() <= MAX_NAME {
        return Cow::Borrowed(name);
    }
    Cow::Owned(format!("#{}", &blake3::hash(name.as_bytes()).to_hex()[..32]))
}

/// Bytes of a key and its pace as members of a JSON object.
fn entry_bytes(name: &str, pace: &KeyPace) -> usize {
    serde_json::to_vec(&(name, pace)).expect("a pace is plain JSON").len()
}

fn pace(key: &Key, now: Now) -> KeyPace {
    let at = key.next_at(now.instant);
    KeyPace { factor: key.factor(), not_before: now.millis_of(at), down_since: key.down_since() }
}

impl KeyLimit {
    /// A key's limit in a call that may continue with the pace of an earlier one.
    pub(crate) fn new(
        limit: &Limit,
        pace: &BTreeMap<String, KeyPace>,
        name: &str,
        known: Known,
        now: Now,
    ) -> Self {
        let Limit { rate, in_flight, most_in_flight } = *limit;
        let Known { down, latency } = known;
        let fresh = Self {
            rate,
            in_flight,
            most_in_flight,
            latency,
            factor: 1.0,
            start: Start::Empty,
            hold: None,
            down_since: 0,
            suspected: down,
        };
        let Some(pace) = pace.get(&*name_in_message(name)).or_else(|| pace.get(OTHERS)) else { return fresh };
        let hold = now.instant_of(pace.not_before);
        Self {
            factor: pace.factor,
            start: Start::Waited,
            hold: Some(hold),
            down_since: pace.down_since,
            suspected: false,
            ..fresh
        }
    }
}
