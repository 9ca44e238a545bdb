//! What a call may send of the quotas of its limit, and of the budget of its run.

use std::sync::Arc;
use std::time::Duration;

use job::StepError;
use job::run::keys;
use tokio::time::Instant;

use crate::context::Context;
use crate::pace::Now;
use crate::quota::{Ledger, Taken};
use crate::run::{LaneLimit, Run};

/// Requests that are counted in advance: those of a second, up to this many.
const MOST_AHEAD: u64 = 100;
/// If the counts cannot be written, a call tries again after this time.
const AGAIN: Duration = Duration::from_secs(1);

/// All counts that the requests of a call are in.
#[derive(Default)]
pub(super) struct Quotas {
    counts: Vec<Count>,
    /// Requests that are counted in advance.
    ahead: u64,
}

struct Count {
    ledger: Arc<Ledger>,
    most: u64,
    /// Taken and not used. Negative after a request that cost more than was taken.
    held: i64,
}

/// Whether the next request may be sent.
pub(super) enum Allowed {
    Yes,
    Until(Instant),
    /// The budget is used up.
    Never(String),
}

impl Quotas {
    pub(super) fn new(context: &Context, run: &Run, limit: &LaneLimit<'_>) -> Self {
        let mut counts = Vec::new();
        if let Some(provider) = limit.provider {
            counts.extend(limit.rules.quotas.iter().map(|quota| {
                let key = keys::quota(provider, quota.window);
                let ledger = context.ledgers.get(&run.objects, key, Some(quota.window));
                Count { ledger, most: quota.most, held: 0 }
            }));
        }
        counts.extend(run.job.limits.max_requests.map(|most| {
            let key = run.keys.budget(run.generation);
            Count { ledger: context.ledgers.get(&run.objects, key, None), most, held: 0 }
        }));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count; saturates")]
        let ahead = limit.limit.rate.per_second().map_or(MOST_AHEAD, |rate| rate as u64);
        Self { counts, ahead: ahead.clamp(1, MOST_AHEAD) }
    }

    /// Whether nothing is counted.
    pub(super) fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// Takes what the next request needs of every count.
    pub(super) async fn allow(&mut self, now: Now) -> Allowed {
        for count in &mut self.counts {
            if count.held > 0 {
                continue;
            }
            let wanted = (1 - count.held).unsigned_abs();
            match count.ledger.take(wanted, count.most, self.ahead, now.millis).await {
                Ok(Taken::Yes) => count.held = 1,
                Ok(Taken::Until(Some(at))) => return Allowed::Until(now.instant_of(at)),
                Ok(Taken::Until(None)) => {
                    let most = count.most;
                    return Allowed::Never(format!(
                        "the budget of {most} requests is used up ([limits] max_requests)"
                    ));
                }
                Err(error) => {
                    tracing::warn!(%error, "requests cannot be counted, and none is sent");
                    return Allowed::Until(now.instant + AGAIN);
                }
            }
        }
        Allowed::Yes
    }

    /// A request was sent. It counts as `cost` in quotas, and as one in a budget.
    pub(super) fn spend(&mut self, cost: f64) {
        #[expect(clippy::cast_possible_truncation, reason = "a count; saturates")]
        let cost = cost.ceil() as i64;
        for count in &mut self.counts {
            count.held -= if count.ledger.is_budget() { 1 } else { cost };
        }
    }

    /// Gives back what was not used.
    pub(super) async fn close(&mut self) -> Result<(), StepError> {
        for count in &mut self.counts {
            count.ledger.give_back(count.held.max(0).unsigned_abs()).await;
            count.held = 0;
            count.ledger.settle().await?;
        }
        Ok(())
    }
}
