//! A worker's dependencies: the store, secrets, settings, random numbers, and an observer.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_s3::Client;
use job::LineId;
use job::file::secrets::{Secret, SecretRef};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::budget::Budget;
use crate::lane_control::LaneControl;
use crate::limit::SharedLimits;
use crate::providers::Providers;
use crate::quota::Ledgers;
use crate::run::RunCache;
use crate::sockets::{self, Sockets};
use net::guard::{LookUp, SystemLookUp};

/// A worker's dependencies, built once per process and shared by all calls. It also holds the runs, their
/// connections, and the budget of response bytes.
#[derive(Clone)]
pub struct Context {
    /// The store.
    pub s3: Client,
    /// The source of the values of secrets.
    pub secrets: Arc<dyn SecretSource>,
    /// Called on every event that a progress bar or a metric counts.
    pub observer: Arc<dyn Observer>,
    /// Times and sizes.
    pub settings: Settings,
    /// Cancelled by Ctrl-C or SIGTERM.
    pub stop: CancellationToken,
    /// Random numbers, for jitter and names.
    pub rng: Arc<dyn Rng>,
    /// Finds the addresses of names.
    pub look_up: Arc<dyn LookUp>,
    /// What the runs of this process share of providers.
    pub providers: Option<Arc<Providers>>,
    /// The lanes of the run, if they can be changed while it goes.
    pub lanes: Option<LaneControl>,
    /// Where lanes of other jobs may use the same limits.
    pub(crate) shared_limits: Option<SharedLimits>,
    /// The end of this call; it overrides [`Settings::deadline`].
    pub(crate) ends: Option<Instant>,
    pub(crate) sockets: Arc<Sockets>,
    pub(crate) budget: Arc<Budget>,
    pub(crate) runs: Arc<RunCache>,
    pub(crate) ledgers: Arc<Ledgers>,
}

impl Context {
    /// A context with the system's random numbers and name look-ups.
    pub fn new(
        s3: Client,
        secrets: Arc<dyn SecretSource>,
        observer: Arc<dyn Observer>,
        settings: Settings,
        stop: CancellationToken,
    ) -> Self {
        let budget = Arc::new(Budget::new(settings.response_budget));
        let sockets = Arc::new(Sockets::new(settings.descriptors.unwrap_or_else(sockets::descriptors)));
        let (rng, look_up) = (Arc::new(SystemRng), Arc::new(SystemLookUp));
        Self {
            s3,
            secrets,
            observer,
            settings,
            stop,
            rng,
            look_up,
            providers: None,
            lanes: None,
            shared_limits: None,
            ends: None,
            sockets,
            budget,
            runs: Arc::default(),
            ledgers: Arc::default(),
        }
    }

    /// The same context, for workers whose limits may be those of other jobs too.
    #[must_use]
    pub fn with_shared_limits(self, shared: SharedLimits) -> Self {
        Self { shared_limits: Some(shared), ..self }
    }

    /// The same context, for one call that must end within `left`.
    #[must_use]
    pub fn with_deadline(&self, left: Duration) -> Self {
        Self { ends: Some(Instant::now() + left), ..self.clone() }
    }
}

/// Times and sizes of a worker.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How often the worker writes results: every second on one machine, every ten on AWS.
    pub flush_every: Duration,
    /// The time that one call has; it returns `paused` before the time is over. `None`: no limit.
    pub deadline: Option<Duration>,
    /// The state machine does the waits that are longer than this, and for a batch that has paused often those
    /// that are longer than [`job::run::pause_after`].
    pub pause_after: Duration,
    /// Bytes of responses held at once, over all calls of the process.
    pub response_budget: usize,
    /// The most requests under way in one call, over all its hosts.
    pub in_flight: usize,
    /// File descriptors that the process may have; `None`: as many as the system says when it starts.
    pub descriptors: Option<u64>,
    /// How long requests under way may take to end after `stop`.
    pub grace: Duration,
    /// How often secrets are read again while responses are 401.
    pub read_secrets_every: Duration,
    /// How intents are written, where requests must not be repeated.
    pub intents: Intents,
    /// The most runs whose jobs, secrets and connections are kept in memory. The oldest is dropped first.
    pub runs: usize,
}

/// How intents are written: it depends on whether another call may work on the same batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intents {
    /// No other call can, because only one process at a time has the store. A call has one object of intents,
    /// which it replaces.
    Alone,
    /// Another call may. Objects of intents accumulate, and after writing one the call looks for objects of
    /// another call.
    Shared,
}

impl Intents {
    /// The time whose lines one intent names. After a crash their outcome is unknown even if they were not
    /// sent.
    pub(crate) fn window(self) -> Duration {
        match self {
            Self::Alone => Duration::from_millis(30),
            Self::Shared => Duration::from_millis(500),
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            flush_every: Duration::from_secs(1),
            deadline: None,
            pause_after: Duration::from_secs(20),
            response_budget: 64 << 20,
            in_flight: 256,
            descriptors: None,
            grace: Duration::from_secs(3),
            read_secrets_every: Duration::from_secs(60),
            intents: Intents::Shared,
            runs: 8,
        }
    }
}

/// Resolves references to secrets.
#[async_trait]
pub trait SecretSource: Send + Sync {
    /// The value of one of a job's secrets.
    ///
    /// # Errors
    /// Why the secret has no value; the error never contains the value.
    async fn resolve(&self, job: &str, name: &str, reference: &SecretRef) -> Result<Secret, Unresolved>;
}

/// Why a secret has no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unresolved {
    /// The reason in words.
    pub reason: String,
    /// Whether another attempt may find a value.
    pub transient: bool,
}

impl From<String> for Unresolved {
    /// The error of a secret that has no value, and for which another attempt would not find one.
    fn from(reason: String) -> Self {
        Self { reason, transient: false }
    }
}

/// Called synchronously on every event; implementations must be cheap.
pub trait Observer: Send + Sync {
    /// Lines of a batch that earlier calls had finished.
    fn found(&self, _lane: &str, _ok: u64, _failed: u64) {}
    /// A request goes out.
    fn sent(&self, _lane: &str) {}
    /// A response asked to slow down.
    fn throttled(&self, _lane: &str) {}
    /// An attempt ended after this many milliseconds.
    fn attempted(&self, _lane: &str, _millis: u32) {}
    /// A line has its result.
    fn finished(&self, _lane: &str, _ok: bool) {}
    /// The results so far are written, which happens every [`Settings::flush_every`].
    fn written(&self, _lane: &str) {}
    /// A line has failed for good, with this code and for this reason. It is counted as finished too.
    fn failed(&self, _lane: &str, _line: LineId, _code: &str, _detail: &str) {}
    /// A limit key is held back for this long: the provider asked for it, or is down.
    fn held(&self, _lane: &str, _key: &str, _wait: Duration) {}
    /// The requests a second that the call for the batch with this first line may send now: infinity without a
    /// limit. `None`: the call has ended.
    fn paced(&self, _lane: &str, _batch: u64, _rate: Option<f64>) {}
}

/// An observer that does nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Observer for Silent {}

/// Random numbers, passed in so that a test can fix them.
pub trait Rng: Send + Sync {
    /// 64 random bits.
    fn next_u64(&self) -> u64;
}

/// The system's random numbers.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRng;

impl Rng for SystemRng {
    fn next_u64(&self) -> u64 {
        rand::random()
    }
}
