//! A credential that expires. It is fetched once for all requests, before it expires, and by one request at
//! a time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use job::{ErrorName, StepError};
use tokio::time::Instant;

/// A credential is renewed when less than this share of its lifetime is left, or this time.
const SHARE: u32 = 4;
const EARLY: Duration = Duration::from_secs(300);
/// It is not used when less than this share of its lifetime is left, or this time: a request takes a while to
/// arrive, and clocks differ.
const LAST_SHARE: u32 = 20;
const LAST: Duration = Duration::from_secs(5);
/// The shortest time between two fetches.
const APART: Duration = Duration::from_secs(1);
/// The longest time between two fetches that fail.
const LONGEST: Duration = Duration::from_secs(60);
/// While a credential is fetched, a call looks again after this time.
const SOON: Duration = Duration::from_millis(10);

/// Where a credential comes from.
#[async_trait]
pub(super) trait Source<T>: Send + Sync {
    async fn fetch(&self) -> Result<Fetched<T>, FetchError>;
}

/// A credential, and how long it is valid; `None`: until it is refused.
pub(super) struct Fetched<T> {
    pub(super) value: T,
    pub(super) lifetime: Option<Duration>,
}

/// Why there is no credential.
#[derive(Debug)]
pub(super) enum FetchError {
    /// The same request would fail the same way.
    Refused(String),
    /// Another request may succeed, not before this time.
    Unavailable(String, Duration),
}

/// Whether requests may be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ready {
    Now,
    /// Not before this instant.
    At(Instant),
    /// Never, for this reason.
    Never(String),
}

/// A credential and its source.
pub(crate) struct Renewal<T>(Arc<Inner<T>>);

struct Inner<T> {
    source: Box<dyn Source<T>>,
    /// How long the source may be unavailable.
    patience: Duration,
    state: Mutex<State<T>>,
}

struct State<T> {
    current: Option<Current<T>>,
    generation: u64,
    is_fetching: bool,
    /// The next fetch may begin.
    from: Instant,
    failures: u32,
    failing_since: Option<Instant>,
    refused: Option<String>,
    /// The current credential was refused.
    was_refused: bool,
}

struct Current<T> {
    value: Arc<T>,
    /// It is renewed from this instant on.
    renew: Option<Instant>,
    /// It is not used from this instant on.
    expires: Option<Instant>,
    /// It has replaced one that was refused, and nothing has been accepted with it yet.
    is_unproven: bool,
    /// A refusal is known to have another reason.
    is_kept: bool,
}

impl<T: Send + Sync + 'static> Renewal<T> {
    /// Fetches the first credential.
    pub(super) async fn new(source: Box<dyn Source<T>>, patience: Duration) -> Result<Self, StepError> {
        let state = State {
            current: None,
            generation: 0,
            is_fetching: true,
            from: Instant::now(),
            failures: 0,
            failing_since: None,
            refused: None,
            was_refused: false,
        };
        let renewal = Self(Arc::new(Inner { source, patience, state: Mutex::new(state) }));
        renewal.0.fetch().await;
        let refused = renewal.0.state().refused.take();
        match refused {
            Some(reason) => Err(StepError::new(ErrorName::JobInvalid, reason)),
            None => Ok(renewal),
        }
    }

    pub(super) fn ready(&self, now: Instant) -> Ready {
        let mut state = self.0.state();
        let current = state.current.as_ref();
        let is_due = current.is_none_or(|current| current.renew.is_some_and(|at| at <= now));
        let is_usable = current.is_some_and(|current| current.expires.is_none_or(|at| at > now));
        if let (false, Some(reason)) = (is_usable, &state.refused) {
            return Ready::Never(reason.clone());
        }
        if is_due && !state.is_fetching && state.refused.is_none() && state.from <= now {
            state.is_fetching = true;
            let inner = self.0.clone();
            tokio::spawn(async move { inner.fetch().await });
        }
        if is_usable { Ready::Now } else { Ready::At(state.from.max(now + SOON)) }
    }

    /// The credential and its generation.
    pub(super) fn current(&self) -> Option<(Arc<T>, u64)> {
        let state = self.0.state();
        state.current.as_ref().map(|current| (current.value.clone(), state.generation))
    }

    /// A credential was refused. Whether a request may be sent with another one.
    pub(super) fn discard(&self, generation: u64) -> bool {
        let mut state = self.0.state();
        if generation != state.generation {
            return true;
        }
        match &mut state.current {
            Some(current) if !current.is_kept && !current.is_unproven => {
                let now = Instant::now();
                (current.renew, current.expires) = (Some(now), Some(now));
                state.was_refused = true;
                true
            }
            _ => false,
        }
    }

    /// A credential was accepted.
    pub(super) fn accepted(&self, generation: u64) {
        let mut state = self.0.state();
        if generation == state.generation
            && let Some(current) = &mut state.current
        {
            current.is_unproven = false;
        }
    }

    /// A credential was refused although it is still valid.
    pub(super) fn keep(&self, generation: u64) {
        let mut state = self.0.state();
        if generation == state.generation
            && let Some(current) = &mut state.current
        {
            current.is_kept = true;
        }
    }
}

impl<T> Inner<T> {
    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn fetch(&self) {
        let fetched = self.source.fetch().await;
        let now = Instant::now();
        let mut state = self.state();
        state.is_fetching = false;
        state.from = now + APART;
        match fetched {
            Ok(Fetched { value, lifetime }) => {
                state.generation += 1;
                (state.failures, state.failing_since) = (0, None);
                let left = |share: u32, most: Duration| {
                    lifetime.map(|lifetime| now + lifetime - (lifetime / share).min(most))
                };
                let (renew, expires) = (left(SHARE, EARLY), left(LAST_SHARE, LAST));
                let is_unproven = std::mem::take(&mut state.was_refused);
                let value = Arc::new(value);
                state.current = Some(Current { value, renew, expires, is_unproven, is_kept: false });
            }
            Err(FetchError::Refused(reason)) => {
                tracing::warn!(reason, "the credential cannot be renewed");
                state.refused = Some(reason);
            }
            Err(FetchError::Unavailable(reason, wait)) => {
                tracing::warn!(reason, "the credential is fetched again later");
                let since = *state.failing_since.get_or_insert(now);
                let backoff = APART * 2_u32.pow(state.failures.min(6));
                state.failures += 1;
                state.from = now + wait.max(backoff.min(LONGEST));
                if state.from > since + self.patience {
                    state.refused = Some(reason);
                }
            }
        }
    }
}
