//! What a run has learnt about hosts: how long their connections may be idle, and whether they send bytes
//! that belong to no request.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};

/// Connections of a host that must have been quiet after a response before its connections are used again.
const TRIALS: u8 = 3;
/// Connections of a host that are watched at once.
const MOST_WATCHED: u8 = 8;
/// Hosts remembered.
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

#[derive(Default)]
pub(crate) struct Hosts {
    hosts: RwLock<HashMap<Box<str>, Host>>,
    /// Whether a host's connections may be idle for a shorter time than others.
    has_short: AtomicBool,
}

struct Host {
    idle: Idle,
    /// Connections that were quiet after their response.
    quiet: u8,
    /// Connections that are watched now.
    watched: u8,
}

impl Hosts {
    /// How long connections of this host may be idle.
    pub(crate) fn idle(&self, host: &str) -> Idle {
        if !self.has_short.load(Ordering::Relaxed) {
            return Idle::Long;
        }
        let hosts = self.hosts.read().unwrap_or_else(PoisonError::into_inner);
        hosts.get(host).map_or(Idle::Long, |host| host.idle)
    }

    /// Connections of this host may be idle for this time at most.
    pub(crate) fn shorten(&self, host: &str, idle: Idle) {
        if idle < self.idle(host) {
            self.update(host, |host| host.idle = host.idle.min(idle));
            self.has_short.store(true, Ordering::Relaxed);
        }
    }

    /// A host has sent bytes that belong to no request. From now on each of its connections is used once.
    pub(crate) fn distrust(&self, host: &str) {
        self.shorten(host, Idle::Never);
    }

    /// Whether enough connections of this host were quiet after their response.
    pub(super) fn is_trusted(&self, host: &str) -> bool {
        let hosts = self.hosts.read().unwrap_or_else(PoisonError::into_inner);
        hosts.get(host).is_some_and(|host| host.quiet >= TRIALS)
    }

    /// Whether one more connection of this host is to be watched. If so, [`Hosts::watched`] follows.
    pub(super) fn watch(&self, host: &str) -> bool {
        self.update(host, |host| {
            // Connections that are used once anyway need no watch.
            let is_needed = host.idle > Idle::Never && host.quiet < TRIALS && host.watched < MOST_WATCHED;
            host.watched += u8::from(is_needed);
            is_needed
        })
    }

    /// A connection was watched to its end, which was quiet or not.
    pub(super) fn watched(&self, host: &str, was_quiet: bool) {
        self.update(host, |host| {
            host.watched = host.watched.saturating_sub(1);
            host.quiet = host.quiet.saturating_add(u8::from(was_quiet));
        });
    }

    fn update<T>(&self, host: &str, change: impl FnOnce(&mut Host) -> T) -> T {
        let mut hosts = self.hosts.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(host) = hosts.get_mut(host) {
            return change(host);
        }
        if hosts.len() >= MOST {
            // A host that is forgotten is tried again.
            hosts.retain(|_, host| host.idle < Idle::Long);
        }
        let mut new = Host { idle: Idle::Long, quiet: 0, watched: 0 };
        let changed = change(&mut new);
        if hosts.len() < MOST {
            hosts.insert(host.into(), new);
        }
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_trusted_after_quiet_connections() {
        let hosts = Hosts::default();
        for quiet in [true, false, true] {
            assert!(hosts.watch("a"));
            hosts.watched("a", quiet);
            assert!(!hosts.is_trusted("a"));
        }
        assert!(hosts.watch("a"));
        hosts.watched("a", true);
        assert!(hosts.is_trusted("a") && !hosts.is_trusted("b"));
        assert!(!hosts.watch("a"), "a trusted host is not watched");
        hosts.distrust("a");
        assert_eq!((hosts.idle("a"), hosts.idle("b")), (Idle::Never, Idle::Long));
    }

    #[test]
    fn few_connections_are_watched_at_once() {
        let hosts = Hosts::default();
        assert!((0..MOST_WATCHED).all(|_| hosts.watch("a")));
        assert!(!hosts.watch("a"));
        hosts.watched("a", false);
        assert!(hosts.watch("a"));
        hosts.distrust("b");
        assert!(!hosts.watch("b"), "its connections are used once anyway");
    }

    #[test]
    fn hosts_with_short_idle_times_are_remembered() {
        let hosts = Hosts::default();
        hosts.distrust("bad");
        for n in 0..2 * MOST {
            hosts.watched(&n.to_string(), true);
        }
        assert_eq!(hosts.idle("bad"), Idle::Never);
        assert!(hosts.hosts.read().unwrap().len() <= MOST);
    }
}
