//! Sends what is due: an attempt is a task, and its result comes back to the loop.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::Instant;

use super::Drive;
use crate::attempt::{Attempt, Outgoing};
use crate::parcel::ParcelId;
use crate::schedule::Next;
use crate::sockets::Socket;

/// When the process has as many requests under way as it can have, a call looks again after this time.
const OTHERS: Duration = Duration::from_millis(10);

impl Drive<'_> {
    /// Sends everything that is due. Returns when the next parcel is due.
    pub(super) async fn send_due(&mut self) -> Option<Instant> {
        let stop = self.stop.clone();
        while self.in_flight.len() < self.context.settings.in_flight.max(1) && self.results.may_send() {
            // Before a turn is taken: a request that waits for a descriptor never makes a burst.
            let Some(socket) = self.context.sockets.request() else { return Some(Instant::now() + OTHERS) };
            let next = tokio::select! {
                biased;
                next = self.next() => next,
                () = stop.cancelled() => return None,
            };
            match next {
                Next::Send(parcel) => self.send(parcel, socket),
                Next::At(at) => return Some(at),
                Next::Idle => return None,
            }
        }
        None
    }

    fn send(&mut self, parcel: ParcelId, socket: Socket) {
        let lines = self.parcels.numbers(parcel).collect();
        let state = &mut self.parcels[parcel];
        let prepared = state.prepared.take().expect("a parcel is prepared before its turn");
        if !std::mem::take(&mut state.mid_redirect) {
            state.tries += 1;
            if state.tries == 1 {
                self.canary.started();
            }
        }
        let (key, cost) = (state.key, prepared.cost);
        self.quotas.spend(cost.unwrap_or(1.0));
        if let Some(cost) = cost {
            let now = Instant::now();
            self.schedule.change(key, now, |key| key.charge(cost, now));
        }
        self.context.observer.sent(self.lane);
        let state = &self.parcels[parcel];
        let provider = self.schedule.key(key).name.clone();
        let earlier = state.earlier.clone();
        let outgoing = Outgoing { prepared, lines, provider, tries: state.tries, earlier };
        let sender = self.sender.clone();
        self.in_flight.spawn(async move {
            let sent = Instant::now();
            let attempt = AssertUnwindSafe(sender.attempt(outgoing)).catch_unwind();
            let attempt = attempt.await.unwrap_or_else(|_| Attempt::bug(sent));
            drop(socket);
            (parcel, attempt)
        });
    }
}
