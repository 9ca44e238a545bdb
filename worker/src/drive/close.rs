//! The end of a call: writes all results, and takes lines that were not sent out of the intents.

use std::time::Duration;

use job::run::{Pace, StopMarker};
use job::{Code, StepError};
use tokio::time::Instant;

use super::outcome::denied_reason;
use super::{Drive, End, Halt};
use crate::canary::Verdict;
use crate::failure::Failure;
use crate::parcel::ParcelId;
use crate::results::Tally;

/// A message of the state machine holds 256 KiB. Lines beyond this number count their attempts from zero
/// again.
const MAX_TRIES: usize = 4000;
/// The longest wait between two calls of a lane that can be changed while it goes.
const CONTROLLED_WAIT: Duration = Duration::from_secs(1);

impl Drive<'_> {
    pub(super) async fn close(mut self) -> Result<(End, Tally), StepError> {
        self.context.observer.paced(self.lane, self.batch, None);
        if self.intents.is_writing() {
            let alone = self.intents.written().await?;
            self.intent_durable(alone);
        }
        self.fail_mid_redirect();
        self.intents.close(&self.schedule, &self.parcels).await?;
        if self.results.is_writing() {
            let written = self.results.written().await?;
            self.segment_durable(written);
        }
        self.results.close().await?;
        self.quotas.close().await?;
        self.run.known_keys.learn(self.schedule.keys());
        let end = self.end().await?;
        Ok((end, self.results.into_tally()))
    }

    async fn end(&mut self) -> Result<End, StepError> {
        let left = self.schedule.waiting() > 0;
        match (self.halt.take(), self.canary.at_end()) {
            (Some(Halt::Denied(reason)), _) => self.stop_lane(reason).await,
            (Some(Halt::Interrupt { .. }), _) => Ok(End::Interrupted),
            (Some(Halt::Stop(reason)), _) if left => Ok(End::Stopped { reason }),
            (Some(Halt::Pause { at_least }), _) if left => Ok(self.pause(at_least)),
            (_, Verdict::Denied { responses, denied }) => {
                self.stop_lane(denied_reason(responses, denied)).await
            }
            _ => Ok(End::Done),
        }
    }

    async fn stop_lane(&self, reason: String) -> Result<End, StepError> {
        StopMarker::place(
            &self.run.objects,
            &self.run.keys.stop_lane(self.run.generation, self.lane),
            &reason,
        )
        .await?;
        Ok(End::Stopped { reason })
    }

    fn pause(&mut self, at_least: Duration) -> End {
        let now = self.wall.now();
        let (keys, earliest) = self.schedule.pace(now);
        let wait = earliest.map(|at| at.saturating_duration_since(now.instant)).unwrap_or_default();
        let mut wait = wait.max(at_least);
        if self.controlled.is_some() {
            // The next call waits for what is left, because it sees when the lane is changed.
            wait = wait.min(CONTROLLED_WAIT);
        }
        let wait_seconds = u64::try_from(wait.as_nanos().div_ceil(1_000_000_000)).unwrap_or(u64::MAX).max(1);
        let left = self.schedule.drain_all();
        let failed = left.into_iter().filter(|parcel| self.parcels[*parcel].retry.attempts > 0);
        let tries = failed.flat_map(|parcel| {
            let attempts = self.parcels[parcel].retry.attempts;
            self.parcels.numbers(parcel).map(move |n| (n, attempts))
        });
        let tries = tries.take(MAX_TRIES).collect();
        End::Paused { wait_seconds, pace: Pace { keys, tries, pauses: self.pauses + 1 } }
    }

    /// A parcel in the middle of a redirect was processed in part. Where it must not be sent twice, it cannot
    /// begin anew.
    fn fail_mid_redirect(&mut self) {
        if self.run.job.repeatable() {
            return;
        }
        let now = self.wall.at(Instant::now());
        let parcels = &self.parcels;
        // What was kept of a line says where it goes on.
        let ends = |parcel: ParcelId| parcels[parcel].is_processed() && parcels[parcel].step() == 0;
        for parcel in self.schedule.take_out(ends) {
            let detail = "the call ended in the middle of a redirect, and the request must not be sent twice";
            let last = self.parcels[parcel].last_failure.take();
            let failure = last.map_or_else(|| Failure::new(Code::OutcomeUnknown, detail), |last| *last);
            self.fail(parcel, &failure, 0, now);
        }
    }
}
