//! Failures of a store. An HTTP client between the SDK and the store makes each call fail as a plan says.

mod connector;
mod operation;

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};

use aws_sdk_s3::config::http::HttpRequest;
use aws_sdk_s3::config::retry::RetryConfig;
use bytes::Bytes;
use tokio::sync::Notify;

use connector::FaultyHttpClient;
pub use operation::{Fault, Operation};

/// The number of objects that are missing from a stale listing.
const UNLISTED: usize = 6;

/// A call of the store.
#[derive(Debug)]
pub struct Call {
    /// From 1.
    pub number: u64,
    /// What it does.
    pub operation: Operation,
    /// Of the object; empty for a listing.
    pub key: String,
}

/// What happens to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Nothing.
    Proceed,
    /// The call fails, or seems to.
    Fail(Fault),
    /// The process dies before the call.
    DieBefore,
    /// The process dies when the call is done.
    DieAfter,
    /// The disk is full: nothing more is written.
    DiskFull,
}

/// A plan of what happens to the calls of one client, and what has happened. Clones share it.
#[derive(Clone)]
pub struct Faults(Arc<Shared>);

type Plan = Box<dyn FnMut(&Call) -> Action + Send>;
type Observer = Box<dyn Fn(&str, Option<&[u8]>) + Send>;

struct Shared {
    state: Mutex<State>,
    died: Notify,
}

struct State {
    plan: Plan,
    observer: Observer,
    calls: u64,
    dead: bool,
    injected: BTreeMap<Fault, usize>,
    /// Uploads that the store has forgotten, by the URL of their completion.
    forgotten: HashSet<String>,
    /// Keys written last.
    newest: VecDeque<String>,
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Faults after {} calls", self.calls())
    }
}

impl Faults {
    /// The plan is asked before each call.
    pub fn new(plan: impl FnMut(&Call) -> Action + Send + 'static) -> Self {
        Self::observed(plan, |_, _| ())
    }

    /// The observer is told the key of each object that was stored, and its content if it came in one piece.
    pub fn observed(
        plan: impl FnMut(&Call) -> Action + Send + 'static,
        observer: impl Fn(&str, Option<&[u8]>) + Send + 'static,
    ) -> Self {
        let state = State {
            plan: Box::new(plan),
            observer: Box::new(observer),
            calls: 0,
            dead: false,
            injected: BTreeMap::new(),
            forgotten: HashSet::new(),
            newest: VecDeque::new(),
        };
        Self(Arc::new(Shared { state: Mutex::new(state), died: Notify::new() }))
    }

    /// A client with this configuration, whose calls meet these faults.
    pub fn client(&self, config: &aws_sdk_s3::Config, retries: RetryConfig) -> aws_sdk_s3::Client {
        let faulty = FaultyHttpClient { inner: config.http_client().unwrap(), faults: self.clone() };
        let config = config.to_builder().http_client(faulty).retry_config(retries);
        aws_sdk_s3::Client::from_conf(config.build())
    }

    /// Calls so far.
    pub fn calls(&self) -> u64 {
        self.state().calls
    }

    /// How often each fault has happened.
    pub fn injected(&self) -> BTreeMap<Fault, usize> {
        self.state().injected.clone()
    }

    /// Returns when the plan has let the process die.
    pub async fn died(&self) {
        self.0.died.notified().await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap()
    }

    fn decide(&self, operation: Operation, request: &HttpRequest) -> Action {
        let mut state = self.state();
        if state.dead {
            return Action::DieBefore;
        }
        state.calls += 1;
        let call = Call { number: state.calls, operation, key: key(request) };
        let action = (state.plan)(&call);
        if let Action::Fail(fault) = action {
            *state.injected.entry(fault).or_default() += 1;
        }
        action
    }

    fn die(&self) {
        self.state().dead = true;
        self.0.died.notify_one();
    }

    fn stored(&self, key: String, body: Option<Bytes>) {
        let mut state = self.state();
        (state.observer)(&key, body.as_deref());
        state.newest.push_back(key);
        if state.newest.len() > UNLISTED {
            state.newest.pop_front();
        }
    }
}

/// The key in a URL of the form `http://host/bucket/key?query`.
pub(crate) fn key(request: &HttpRequest) -> String {
    let path = request.uri().split('?').next().unwrap_or_default();
    path.splitn(5, '/').nth(4).unwrap_or_default().to_owned()
}
