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
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};
use std::time::Duration;

use tokio::time::Instant;

use super::handshake::{Http1, Http2};

/// How long a connection rests after its response.
const REST: Duration = Duration::from_millis(50);
const SPARE: usize = 4;
const TRIALS: u8 = 3;
/// Hosts that are remembered in any case.
const FEW: usize = 1000;
/// Hosts that are remembered although they have no connection, for the time that they have shortened.
const MOST: usize = 10_000;
/// Idle connections are looked for at most this often.
const SWEEP_EVERY: Duration = Duration::from_millis(100);

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
}

/// A scheme, host and port.
#[derive(Default)]
pub(crate) struct Host {
    state: Mutex<State>,
    /// Held while the connection is made that all requests will share.
    pub(super) opening: tokio::sync::Mutex<()>,
}

struct State {
    idle: Idle,
    /// Its last connection speaks HTTP/2, which numbers its responses: one is enough for all requests.
    has_http2: bool,
    /// The connection that requests share, and when the last one began.
    shared: Option<(Instant, Http2)>,
    /// Connections that were quiet while they rested.
    quiet: u8,
    under_way: usize,
    /// Connections that are resting or have rested, by the end of their response.
    free: VecDeque<(Instant, Http1)>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            idle: Idle::Long,
            has_http2: false,
            shared: None,
            quiet: 0,
            under_way: 0,
            free: VecDeque::new(),
        }
    }
}

impl State {
    fn close_idle(&mut self) {
        self.free.clear();
        // Requests that are under way keep the connection.
        self.shared = None;
    }

    /// Closes the connections that have been idle for more than this time.
    fn close_idle_for(&mut self, time: Duration, now: Instant) {
        while self.free.front().is_some_and(|(since, _)| *since + time < now) {
            self.free.pop_front();
        }
        if self.shared.as_ref().is_some_and(|(since, _)| *since + time < now) {
            self.shared = None;
        }
    }
}

/// Which connection a request gets.
pub(super) enum Turn {
    /// The one that requests share.
    Shared(Http2),
    /// A new one, which requests will share. One request at a time makes it.
    Open,
    /// A new one, which is used once.
    Once,
    /// One that no other request uses meanwhile: this one, or a new one.
    Own(Option<Http1>),
}

impl Hosts {
    pub(super) fn new(longest: Duration) -> Self {
        Self { hosts: RwLock::default(), full: AtomicUsize::new(FEW), longest }
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
                let mut state = host.state();
                state.close_idle_for(self.longest, Instant::now());
                short += usize::from(state.idle < Idle::Long);
                let is_short = state.idle < Idle::Long && short <= MOST;
                let is_open = state.shared.is_some() || !state.free.is_empty();
                is_short || is_open || state.under_way > 0
            });
            self.full.store(FEW.max(2 * hosts.len()), Ordering::Relaxed);
        }
        hosts.entry(name.into()).or_default().clone()
    }

    /// Closes the connections that no request uses.
    pub(super) fn close_idle(&self) {
        for host in self.hosts.read().unwrap_or_else(PoisonError::into_inner).values() {
            host.state().close_idle();
        }
    }

    /// Closes connections that have been idle for the longest time, until the hosts are dropped.
    pub(super) async fn sweep(hosts: Weak<Self>, longest: Duration) {
        loop {
            tokio::time::sleep(longest.max(SWEEP_EVERY)).await;
            let Some(hosts) = hosts.upgrade() else { return };
            for host in hosts.hosts.read().unwrap_or_else(PoisonError::into_inner).values() {
                host.state().close_idle_for(longest, Instant::now());
            }
        }
    }
}

impl Host {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
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
            state.close_idle();
        }
    }

    /// The host has sent bytes that belong to no request. From now on each of its connections is used once.
    pub(crate) fn distrust(&self) {
        self.shorten(Idle::Never);
    }

    /// A connection speaks HTTP/2, and the next requests share it, unless they share another one.
    pub(super) fn share(&self, connection: &Http2) {
        let mut state = self.state();
        state.has_http2 = true;
        state.free.clear();
        if state.idle > Idle::Never && state.shared.as_ref().is_none_or(|(_, shared)| shared.is_closed()) {
            state.shared = Some((Instant::now(), connection.clone()));
        }
    }

    /// A connection speaks HTTP/1, or none could be made: the next requests do not wait for one to share.
    pub(super) fn share_nothing(&self) {
        let mut state = self.state();
        state.has_http2 = false;
        state.shared = None;
    }

    /// Drops the shared connection if it has ended. What was queued for it and not sent is given back to its
    /// senders when the last handle of the connection is dropped.
    pub(super) fn drop_ended(&self) {
        let mut state = self.state();
        if state.shared.as_ref().is_some_and(|(_, shared)| shared.is_closed()) {
            state.shared = None;
        }
    }

    /// Chooses the connection of a request. After `Own` follows [`Host::give_back`] or [`Host::give_up`].
    pub(super) fn take(&self, longest: Duration) -> Turn {
        let now = Instant::now();
        let mut state = self.state();
        if state.idle == Idle::Never {
            return Turn::Once;
        }
        state.close_idle_for(longest, now);
        if state.has_http2 {
            return match &mut state.shared {
                Some((since, shared)) if !shared.is_closed() => {
                    *since = now;
                    Turn::Shared(shared.clone())
                }
                _ => Turn::Open,
            };
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
        Turn::Own(free.map(|(_, connection)| connection))
    }

    /// The response has ended, and its connection may rest.
    pub(super) fn give_back(&self, connection: Http1, idle: Idle) {
        let mut state = self.state();
        state.under_way -= 1;
        if state.idle >= idle && !state.has_http2 && !connection.is_closed() {
            state.free.push_back((Instant::now(), connection));
        }
    }

    /// The connection cannot be used again, or there is none.
    pub(super) fn give_up(&self) {
        self.state().under_way -= 1;
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
}
