//! The beginning of an attempt: the next parcel whose turn it is, with its request.

use std::sync::Arc;
use std::time::Duration;

use job::file::secrets::Secrets;
use job::file::template::Template;
use job::wire::Begun;
use job::{Code, Row};
use tokio::time::Instant;

use super::quotas::Allowed;
use super::{Drive, Halt};
use crate::auth::Ready;
use crate::batch::{Items, Origins};
use crate::failure::Failure;
use crate::pace::Now;
use crate::parcel::{Line, ParcelId};
use crate::request::{self, Prepared, Unit};
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
        let mut to_halve = Vec::new();
        let mut prepare = |parcel: ParcelId| {
            if parcels[parcel].prepared.is_some() {
                return true;
            }
            let begun = parcels[parcel].begun.take();
            let prepared =
                prepare(run, cost.as_ref(), items, origins, parcels.lines(parcel), secrets.as_ref());
            match prepared.and_then(|first| resumed(run, first, begun.as_deref())) {
                Ok(prepared) => {
                    let state = &mut parcels[parcel];
                    (state.identity, state.unit) = (prepared.identity, prepared.unit.clone());
                    state.prepared = Some(Box::new(prepared));
                    true
                }
                Err(_) if parcels.lines(parcel).len() > 1 => {
                    to_halve.push(parcel);
                    false
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
        let next = self.schedule.next(now, self.canary.admits_new(), &mut prepare);
        if to_halve.is_empty() {
            return next;
        }
        for parcel in to_halve {
            self.halve(parcel, now);
        }
        // The halves may be due.
        if next == Next::Idle { Next::At(now.instant) } else { next }
    }

    /// Sends each half of a parcel's lines by itself.
    pub(super) fn halve(&mut self, parcel: ParcelId, now: Now) {
        self.intents.take_back(self.parcels.numbers(parcel));
        let key = self.parcels[parcel].key;
        for half in self.parcels.halve(parcel) {
            self.schedule.push(key, half, now.instant);
        }
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

/// The request to go on with, if earlier requests of the line have been answered.
fn resumed(run: &Run, mut first: Prepared, begun: Option<&Begun>) -> Result<Prepared, Failure> {
    let (Some(begun), Some(chain)) = (begun, first.chain.take_if(|_| begun.is_some())) else {
        return Ok(first);
    };
    let next = (*chain).resume(&run.job, begun)?;
    Ok(Prepared { identity: first.identity, cost: first.cost, ..next })
}

/// The request of the lines of a parcel.
fn prepare(
    run: &Run,
    cost: Option<&Template>,
    items: &Items,
    origins: &Origins,
    lines: &[Line],
    secrets: Result<&Arc<Secrets>, &Failure>,
) -> Result<Prepared, Failure> {
    let key = request::idempotency_key(&run.job, lines.iter().map(|line| origins.of(run, line.n)));
    let row_of = |line: &Line| {
        let row = items.row(&run.columns, &line.fields)?;
        Ok(run.job.row(row, || origins.drawn(run, line.n)))
    };
    let secrets = secrets.map_err(Clone::clone)?;
    let mut row = row_of(&lines[0])?;
    let mut unit = None;
    if let Some(packing) = &run.job.packing {
        let rows: Vec<_> = lines.iter().map(row_of).collect::<Result<_, _>>()?;
        unit = Some(Arc::new(Unit::new(&run.job, packing, &rows)?));
        row = Arc::new(Row::Several(rows));
    }
    let mut prepared = request::render(&run.job, &row, secrets, key.as_deref())?;
    prepared.unit = unit;
    if let (Some(most), Some(body)) = (run.job.most_bytes(), &prepared.body)
        && body.len() as u64 > most
    {
        let detail = format!("the body has {} bytes, more than [batch] bytes ({most})", body.len());
        return Err(Failure::new(Code::TooLarge, detail));
    }
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
