//! What a worker is given from outside: store, secrets, clock settings, rng, and who watches.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_s3::Client;
use job::secrets::{Secret, SecretRef};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::budget::Budget;
use crate::guard::{LookUp, SystemLookUp};
use crate::run::RunCache;

/// Built once per process and shared by all calls: runs, connections and the budget of response bytes live here.
#[derive(Clone)]
pub struct Context {
    /// The store.
    pub s3: Client,
    /// Where the values of secrets come from.
    pub secrets: Arc<dyn SecretSource>,
    /// Told of everything a progress bar or a metric counts.
    pub observer: Arc<dyn Observer>,
    /// Times and sizes.
    pub settings: Settings,
    /// Cancelled by Ctrl-C or SIGTERM.
    pub stop: CancellationToken,
    /// Chance, for jitter and names.
    pub rng: Arc<dyn Rng>,
    /// The addresses of names.
    pub look_up: Arc<dyn LookUp>,
    /// When this call is over, whatever [`Settings::deadline`] says.
    pub(crate) ends: Option<Instant>,
    pub(crate) budget: Arc<Budget>,
    pub(crate) runs: Arc<RunCache>,
}

impl Context {
    /// A context of this process's own, with chance from the system.
    pub fn new(
        s3: Client,
        secrets: Arc<dyn SecretSource>,
        observer: Arc<dyn Observer>,
        settings: Settings,
        stop: CancellationToken,
    ) -> Self {
        let budget = Arc::new(Budget::new(settings.response_budget));
        let (rng, look_up) = (Arc::new(SystemRng), Arc::new(SystemLookUp));
        Self { s3, secrets, observer, settings, stop, rng, look_up, ends: None, budget, runs: Arc::default() }
    }

    /// The same, for one call that has so much time from now.
    #[must_use]
    pub fn with_deadline(&self, left: Duration) -> Self {
        Self { ends: Some(Instant::now() + left), ..self.clone() }
    }
}

/// Times and sizes of a worker.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How often finished lines are written: one second on one machine, ten on AWS.
    pub flush_every: Duration,
    /// The time one call has; it returns `paused` before it is over. `None`: as long as it takes.
    pub deadline: Option<Duration>,
    /// A wait longer than this is handed to the state machine.
    pub pause_after: Duration,
    /// Bytes of responses held at once, over all calls of the process.
    pub response_budget: usize,
    /// Requests under way at once in one call, over all its hosts.
    pub in_flight: usize,
    /// How long requests under way may take to end after `stop`.
    pub grace: Duration,
    /// How intents of sending are written, where requests must not be repeated.
    pub intents: Intents,
}

/// Who may work on a batch beside a call, which says how its intents are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intents {
    /// Nobody: one process at a time has the store. A call has one object of intents, which it replaces.
    Alone,
    /// Another call may have been started for the same batch: objects of intents accumulate, and after each the call looks
    /// for another one's.
    Shared,
}

impl Intents {
    /// The lines of this time are named by one intent. They are what a crash leaves unknown though they were not sent.
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
            grace: Duration::from_secs(3),
            intents: Intents::Shared,
        }
    }
}

/// Resolves references to secrets.
#[async_trait]
pub trait SecretSource: Send + Sync {
    /// The value of one of a job's secrets.
    ///
    /// # Errors
    /// Why there is none; never the value.
    async fn resolve(&self, job: &str, name: &str, reference: &SecretRef) -> Result<Secret, Unresolved>;
}

/// Why a secret has no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unresolved {
    /// In words.
    pub reason: String,
    /// Another try may find one.
    pub passing: bool,
}

impl From<String> for Unresolved {
    /// There is none, and there will be none.
    fn from(reason: String) -> Self {
        Self { reason, passing: false }
    }
}

/// Told of what happens, at once and often: implementations only count.
pub trait Observer: Send + Sync {
    /// Lines of a batch that earlier calls had finished.
    fn found(&self, _lane: &str, _ok: u64, _failed: u64) {}
    /// A request goes out.
    fn sent(&self, _lane: &str) {}
    /// An answer asked to slow down.
    fn throttled(&self, _lane: &str) {}
    /// An attempt is over, after so many milliseconds.
    fn attempted(&self, _lane: &str, _millis: u32) {}
    /// A line has its outcome.
    fn finished(&self, _lane: &str, _ok: bool) {}
    /// A limit key is held back: by the provider's wish, or because it is down.
    fn held(&self, _lane: &str, _key: &str, _wait: Duration) {}
}

/// Watches nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Observer for Silent {}

/// Chance, passed in so that a test can fix it.
pub trait Rng: Send + Sync {
    /// 64 random bits.
    fn next_u64(&self) -> u64;
}

/// The system's own chance.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRng;

impl Rng for SystemRng {
    fn next_u64(&self) -> u64 {
        rand::random()
    }
}
