//! The beginning of an attempt: the next parcel whose turn it is, with its request.

use std::sync::Arc;
use std::time::Duration;

use job::file::secrets::Secrets;
use job::file::template::Template;
use job::{Code, Row};
use tokio::time::Instant;

use super::quotas::Allowed;
use super::{Drive, Halt};
use crate::auth::Ready;
use crate::batch::{Items, Origins};
use crate::failure::Failure;
use crate::pace::Now;
use crate::parcel::{Line, ParcelId};
use crate::request::{self, Prepared};
use crate::result_line::{self, Figures};
use crate::run::Run;
use crate::schedule::Next;

/// A wait for a credential that the progress shows, and that a pause may be made of.
const LONG: Duration = Duration::from_secs(1);

impl Drive<'_> {
    /// The next parcel whose turn it is. Its request is rendered when the parcel comes to the front of its
    /// queue; a parcel that cannot be rendered fails there, and takes no slot.
    pub(super) async fn next(&mut self) -> Next {
        // Awaited before a slot is taken: a slow source delays requests and never makes a burst of them.
        let secrets = self.run.tokens.secrets().await;
        let now = self.wall.now();
        if self.schedule.waiting() == 0 {
            return Next::Idle;
        }
        match self.run.signer.ready(now.instant) {
            Ready::Now => {}
            Ready::At(at) => {
                if at > now.instant + LONG {
                    self.hold(at, now);
                }
                return Next::At(at);
            }
            Ready::Never(reason) => {
                self.halt.get_or_insert(Halt::Denied(reason));
                return Next::Idle;
            }
        }
        if !self.quotas.is_empty()
            && let Some(next) = self.count(now).await
        {
            return next;
        }
        let Self { run, cost, items, origins, parcels, results, context, lane, .. } = self;
        let mut prepare = |parcel: ParcelId| {
            if parcels[parcel].prepared.is_some() {
                return true;
            }
            // Today a parcel has one line.
            let line = &parcels.lines(parcel)[0];
            match prepare(run, cost.as_ref(), items, origins, line, secrets.as_ref()) {
                Ok(prepared) => {
                    parcels[parcel].identity = prepared.identity;
                    parcels[parcel].prepared = Some(Box::new(prepared));
                    true
                }
                Err(why) => {
                    let detail = run.mask.text(&why.detail);
                    for n in parcels.numbers(parcel) {
                        let figures = Figures { n, at: now.millis, ..Figures::default() };
                        let result = result_line::failure(figures, &[], why.code, &detail, None);
                        let code = why.code.to_string();
                        results.failed(n, &code, result);
                        context.observer.failed(lane, n, &code, &detail);
                        context.observer.finished(lane, false);
                    }
                    false
                }
            }
        };
        self.schedule.next(now, self.canary.admits_new(), &mut prepare)
    }

    /// Counts the next request; what to do if it may not be sent.
    async fn count(&mut self, now: Now) -> Option<Next> {
        match self.quotas.allow(now).await {
            Allowed::Yes => None,
            Allowed::Until(at) => {
                self.hold(at, now);
                Some(Next::At(at))
            }
            Allowed::Never(reason) => {
                self.halt.get_or_insert(Halt::Denied(reason));
                Some(Next::Idle)
            }
        }
    }

    /// Sends nothing before an instant, because a quota is used up or there is no credential.
    fn hold(&mut self, at: Instant, now: Now) {
        for index in (0..).take(self.schedule.keys().len()) {
            let name = self.schedule.key(index).name.clone();
            self.context.observer.held(self.lane, &name, at.saturating_duration_since(now.instant));
            self.schedule.change(index, now.instant, |key| key.hold_until(at));
        }
    }
}

/// The request of a line.
fn prepare(
    run: &Run,
    cost: Option<&Template>,
    items: &Items,
    origins: &Origins,
    line: &Line,
    secrets: Result<&Arc<Secrets>, &Failure>,
) -> Result<Prepared, Failure> {
    let (id, n) = origins.of(run, line.n);
    let key = request::idempotency_key(&run.job, id, n);
    let row = run.job.row(items.row(&run.columns, &line.fields)?, || origins.drawn(run, line.n));
    let secrets = secrets.map_err(Clone::clone)?;
    let mut prepared = request::render(&run.job, &row, secrets, key.as_deref())?;
    if let Some(template) = cost {
        prepared.cost = Some(cost_of(template, &row, secrets)?);
    }
    match run.guard.check(&prepared.url) {
        Ok(()) => Ok(prepared),
        Err(denied) => Err(Failure::new(Code::AddressDenied, denied.to_string())),
    }
}

/// What a request counts as.
fn cost_of(template: &Template, row: &Arc<Row>, secrets: &Arc<Secrets>) -> Result<f64, Failure> {
    let wrong = |why: String| Failure::new(Code::Render, why);
    let text = template.render(row, secrets).map_err(wrong)?;
    let cost = text.trim().parse().ok().filter(|cost: &f64| cost.is_finite() && *cost >= 0.0);
    cost.ok_or_else(|| wrong(format!("the cost {:?} is not a number from 0 on", text.trim())))
}
