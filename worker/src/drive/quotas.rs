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
/// Costs are counted in millionths, since they may have decimals.
const MILLIONTHS: u32 = 1_000_000;
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
    of: Counted,
    /// In the unit of what is counted.
    most: u64,
    /// What the last request counted as.
    last: u64,
    /// Taken and not used. Negative after a request that cost more than was taken.
    held: i64,
}

/// What is counted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Counted {
    /// The requests of a run.
    Requests,
    /// What the requests of a limit count as.
    Quota,
    /// What the requests of a run cost, in millionths.
    Spent,
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
                Count { ledger, of: Counted::Quota, most: quota.most, last: 1, held: 0 }
            }));
        }
        counts.extend(run.job.limits.max_requests.map(|most| {
            let key = run.keys.budget(run.generation);
            let ledger = context.ledgers.get(&run.objects, key, None);
            Count { ledger, of: Counted::Requests, most, last: 1, held: 0 }
        }));
        counts.extend(run.job.limits.max_cost.map(|most| {
            let ledger = context.ledgers.get(&run.objects, run.keys.spent(run.generation), None);
            Count {
                ledger,
                of: Counted::Spent,
                most: most.saturating_mul(MILLIONTHS.into()),
                last: 1,
                held: 0,
            }
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
            let ahead = self.ahead.saturating_mul(count.last);
            match count.ledger.take(wanted, count.most, ahead, now.millis).await {
                Ok(Taken::Yes) => count.held = 1,
                Ok(Taken::Until(Some(at))) => return Allowed::Until(now.instant_of(at)),
                Ok(Taken::Until(None)) => {
                    return Allowed::Never(match (count.of, count.most) {
                        (Counted::Spent, most) => {
                            format!(
                                "the budget of {} is spent ([limits] max_cost)",
                                most / u64::from(MILLIONTHS)
                            )
                        }
                        (_, most) => {
                            format!("the budget of {most} requests is used up ([limits] max_requests)")
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "requests cannot be counted, and none is sent");
                    return Allowed::Until(now.instant + AGAIN);
                }
            }
        }
        Allowed::Yes
    }

    /// A request was sent. It counts as `cost` in quotas and against `max_cost`, and as one against
    /// `max_requests`.
    pub(super) fn spend(&mut self, cost: f64) {
        for count in &mut self.counts {
            let used = match count.of {
                Counted::Requests => 1.0,
                Counted::Quota => cost.ceil(),
                Counted::Spent => (cost * f64::from(MILLIONTHS)).ceil(),
            };
            #[expect(clippy::cast_possible_truncation, reason = "a count; saturates")]
            let used = used as i64;
            count.held = count.held.saturating_sub(used);
            if count.of == Counted::Spent {
                count.last = used.unsigned_abs().max(1);
            }
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
