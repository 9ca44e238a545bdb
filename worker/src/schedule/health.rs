//! The health of a limit key: what is known of its provider, and whether the key is abandoned.

use std::time::Duration;

use job::Code;
use tokio::time::Instant;

use super::key::Key;
use crate::pace::{Health, Now, Permit};
use crate::parcel::ParcelId;

/// Why a key is abandoned: its parcels fail without a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Abandoned {
    pub(crate) code: Code,
    pub(crate) detail: String,
}

impl Key {
    /// Records what an attempt says about the provider. `Some`: it is down, and nothing is sent for this
    /// long.
    pub(crate) fn record_health(
        &mut self,
        parcel: ParcelId,
        health: Health,
        failure: Option<(Code, &str)>,
        now: Now,
    ) -> Option<Duration> {
        if let (Health::Unhealthy { .. }, Some((code, detail))) = (health, failure) {
            self.last_failure = Some((code, detail.to_owned()));
        }
        self.breaker.record(parcel, health, now)
    }

    /// Whether the provider is down, as far as is known.
    pub(crate) fn is_down(&self) -> bool {
        self.breaker.down_since() > 0
    }

    /// Whether nothing is sent now, whatever its rate: because the provider asked for it, or is down.
    pub(super) fn is_held(&self, now: Instant) -> bool {
        self.hold.is_some_and(|hold| hold > now)
            || matches!(self.breaker.permit(now), Permit::Later(_) | Permit::ProbeUnderWay)
    }

    /// Whether the next request is a probe.
    pub(super) fn wants_probe(&self, now: Instant) -> bool {
        self.breaker.permit(now) == Permit::Probe
    }

    /// How long the provider has been down.
    pub(crate) fn down_for(&self, now: Now) -> Duration {
        match self.breaker.down_since() {
            0 => Duration::ZERO,
            since => Duration::from_millis(now.millis.saturating_sub(since)),
        }
    }

    /// The reason to abandon a key whose provider stays down.
    pub(crate) fn stayed_down(&self) -> Abandoned {
        let (code, detail) = self.last_failure.clone().unwrap_or((Code::Connect, String::new()));
        Abandoned { code, detail: format!("{detail} ({} stayed down)", self.name) }
    }

    /// Nothing is sent from now on.
    pub(crate) fn abandon(&mut self, abandoned: Abandoned) {
        self.abandoned = Some(abandoned);
    }

    pub(crate) fn abandoned(&self) -> Option<&Abandoned> {
        self.abandoned.as_ref()
    }

    pub(crate) fn down_since(&self) -> u64 {
        self.breaker.down_since()
    }
}
