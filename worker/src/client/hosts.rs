//! The hosts of a run and their connections.
//!
//! HTTP/1 matches responses to requests by their order alone. If a server or proxy sends more than one
//! response to a request, the surplus is taken as the response to the next request on the connection, unless
//! it arrives before that request is sent. So a connection rests after its response, and is used again only
//! if it was quiet. A host that has sent surplus bytes gets a fresh connection for each request.
//!
//! A host has at most as many resting connections as requests under way, and [`SPARE`] more. That suffices
//! unless it responds in less than [`REST`]. A faster host's connections rest as long as this allows, once
//! [`TRIALS`] of them were quiet; until then it gets fresh ones.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use tokio::time::Instant;

use super::Client;

/// How long a connection rests after its response.
const REST: Duration = Duration::from_millis(50);
const SPARE: usize = 4;
const TRIALS: u8 = 3;
/// Hosts that are remembered in any case.
const FEW: usize = 1000;
/// Hosts that are remembered although they have no connection, for the time that they have shortened.
const MOST: usize = 10_000;

/// How long a host's connection may be idle before it is used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Idle {
    /// A connection is used once.
    Never,
    /// For about a second.
    Brief,
    /// As long as the job's requests allow.
    Long,
}

/// The hosts that requests go to, and those that have shortened their time.
pub(crate) struct Hosts {
    hosts: RwLock<HashMap<Box<str>, Arc<Host>>>,
    /// At this many hosts, those that are not needed are forgotten.
    full: AtomicUsize,
    /// The longest time for which a connection is idle.
    longest: Duration,
    /// The clients that requests share, by [`Idle`].
    shared: [Mutex<Option<Arc<Client>>>; 3],
}

/// A scheme, host and port.
#[derive(Default)]
pub(crate) struct Host(Mutex<State>);

struct State {
    idle: Idle,
    /// Its last connection speaks HTTP/2, which numbers its responses: one is enough for all requests.
    has_http2: bool,
    /// Connections that were quiet while they rested.
    quiet: u8,
    under_way: usize,
    /// Clients with one connection each that is resting or has rested, by the end of its response.
    free: VecDeque<(Instant, Arc<Client>)>,
}

impl Default for State {
    fn default() -> Self {
        Self { idle: Idle::Long, has_http2: false, quiet: 0, under_way: 0, free: VecDeque::new() }
    }
}

/// Which client a request gets.
pub(super) enum Turn {
    /// The one that requests share.
    Shared,
    /// The one whose connections are used once.
    Once,
    /// One that no other request uses meanwhile: this one, or a new one.
    Own(Option<Arc<Client>>),
}

impl Hosts {
    pub(super) fn new(longest: Duration) -> Self {
        Self { hosts: RwLock::default(), full: AtomicUsize::new(FEW), longest, shared: Default::default() }
    }

    /// A host by its scheme, name and port, as in a URL.
    pub(crate) fn get(&self, name: &str) -> Arc<Host> {
        let hosts = self.hosts.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(host) = hosts.get(name) {
            return host.clone();
        }
        drop(hosts);
        let mut hosts = self.hosts.write().unwrap_or_else(PoisonError::into_inner);
        if hosts.len() >= self.full.load(Ordering::Relaxed) {
            let mut short = 0;
            hosts.retain(|_, host| {
                let state = host.state();
                short += usize::from(state.idle < Idle::Long);
                let is_short = state.idle < Idle::Long && short <= MOST;
                let is_open = state.free.back().is_some_and(|(since, _)| since.elapsed() <= self.longest);
                is_short || is_open || state.under_way > 0
            });
            self.full.store(FEW.max(2 * hosts.len()), Ordering::Relaxed);
        }
        hosts.entry(name.into()).or_default().clone()
    }

    /// The client that requests share.
    pub(super) fn shared(&self, idle: Idle, make: impl FnOnce() -> Arc<Client>) -> Arc<Client> {
        let mut shared = self.shared[idle as usize].lock().unwrap_or_else(PoisonError::into_inner);
        shared.get_or_insert_with(make).clone()
    }

    /// Closes the connections that no request uses.
    pub(super) fn close_idle(&self) {
        // A request that is under way keeps its client, and with it the connection.
        for shared in &self.shared {
            shared.lock().unwrap_or_else(PoisonError::into_inner).take();
        }
        for host in self.hosts.read().unwrap_or_else(PoisonError::into_inner).values() {
            host.state().free.clear();
        }
    }
}

impl Host {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long connections may be idle.
    pub(crate) fn idle(&self) -> Idle {
        self.state().idle
    }

    /// Connections may be idle for this time at most.
    pub(crate) fn shorten(&self, idle: Idle) {
        let mut state = self.state();
        if idle < state.idle {
            state.idle = idle;
            state.free.clear();
        }
    }

    /// The host has sent bytes that belong to no request. From now on each of its connections is used once.
    pub(crate) fn distrust(&self) {
        self.shorten(Idle::Never);
    }

    /// A connection was made. Whether it may be used again: one that speaks HTTP/1 may not if its client was
    /// chosen for HTTP/2.
    pub(super) fn negotiated(&self, is_http2: bool) -> bool {
        let mut state = self.state();
        let had_http2 = std::mem::replace(&mut state.has_http2, is_http2);
        if is_http2 {
            state.free.clear();
        }
        is_http2 || !had_http2
    }

    /// Chooses the client of a request. After `Own` follows [`Host::give_back`].
    pub(super) fn take(&self, longest: Duration) -> Turn {
        let now = Instant::now();
        let mut state = self.state();
        if state.idle == Idle::Never {
            return Turn::Once;
        }
        if state.has_http2 {
            return Turn::Shared;
        }
        // Their connections have been closed by now.
        while state.free.front().is_some_and(|(since, _)| *since + longest < now) {
            state.free.pop_front();
        }
        let rested = state.free.partition_point(|(since, _)| *since + REST <= now);
        let free = if rested > 0 {
            state.quiet = state.quiet.saturating_add(1);
            // The one that was used last will not be closed by the server next.
            state.free.remove(rested - 1)
        } else if state.free.len() < state.under_way + SPARE {
            None
        } else if state.quiet >= TRIALS {
            state.free.pop_front()
        } else {
            return Turn::Once;
        };
        state.under_way += 1;
        Turn::Own(free.map(|(_, client)| client))
    }

    /// The response has ended, and the client's connection may rest.
    pub(super) fn give_back(&self, client: Arc<Client>, idle: Idle) {
        let mut state = self.state();
        state.under_way -= 1;
        if state.idle >= idle && !state.has_http2 {
            state.free.push_back((Instant::now(), client));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn hosts_without_connections_are_forgotten_and_distrusted_ones_kept() {
        let hosts = Hosts::new(Duration::ZERO);
        hosts.get("bad").distrust();
        hosts.get("busy").take(Duration::ZERO);
        for n in 0..10 * FEW {
            hosts.get(&n.to_string());
        }
        assert_eq!(hosts.get("bad").idle(), Idle::Never);
        assert_eq!(hosts.get("busy").state().under_way, 1);
        assert!(hosts.hosts.read().unwrap().len() <= FEW);
    }

    #[test]
    fn a_distrusted_host_gets_fresh_connections() {
        let host = Host::default();
        assert!(matches!(host.take(Duration::ZERO), Turn::Own(None)));
        host.distrust();
        assert!(matches!(host.take(Duration::ZERO), Turn::Once));
        assert_eq!(host.state().under_way, 1);
    }

    #[test]
    fn http2_is_shared_until_a_connection_speaks_http1() {
        let host = Host::default();
        assert!(host.negotiated(true));
        assert!(matches!(host.take(Duration::ZERO), Turn::Shared));
        assert!(!host.negotiated(false));
        assert!(matches!(host.take(Duration::ZERO), Turn::Own(None)));
        assert!(host.negotiated(false));
    }
}
