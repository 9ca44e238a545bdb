//! Sends what is due: an attempt is a task, and its result comes back to the loop.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use tokio::time::Instant;

use super::Drive;
use crate::attempt::Attempt;
use crate::schedule::{Line, Next};

impl Drive<'_> {
    /// Sends everything that is due. Says when the next line is.
    pub(super) fn send_due(&mut self) -> Option<Instant> {
        while self.in_flight.len() < self.context.settings.in_flight.max(1) && self.results.may_send() {
            let now = self.wall.now();
            match self.next(now) {
                Next::Send(line) => self.send(line),
                Next::At(at) => return Some(at),
                Next::Idle => return None,
            }
        }
        None
    }

    fn send(&mut self, line: Line) {
        let state = &mut self.lines[line as usize];
        let prepared = state.prepared.take().expect("a line is prepared before its turn");
        if !std::mem::take(&mut state.mid_redirect) {
            state.tries += 1;
            if state.tries == 1 {
                self.gate.started();
            }
        }
        self.context.observer.sent(self.lane);
        let (sender, n, tries) = (self.sender.clone(), state.n, state.tries);
        let provider = self.schedule.key(state.key).name.clone();
        self.in_flight.spawn(async move {
            let sent = Instant::now();
            let attempt = AssertUnwindSafe(sender.attempt(prepared, provider, n, tries)).catch_unwind();
            (line, attempt.await.unwrap_or_else(|_| Attempt::bug(sent)))
        });
    }
}
