//! The beginning of an attempt: the next parcel whose turn it is, with its request.

use std::collections::HashMap;
use std::sync::Arc;

use job::file::secrets::Secrets;
use job::{Code, LineId};

use super::Drive;
use crate::batch::Items;
use crate::failure::Failure;
use crate::parcel::{Line, ParcelId};
use crate::request::{self, Prepared};
use crate::result_line::{self, Figures};
use crate::run::Run;
use crate::schedule::Next;

impl Drive<'_> {
    /// The next parcel whose turn it is. Its request is rendered when the parcel comes to the front of its
    /// queue; a parcel that cannot be rendered fails there, and takes no slot.
    pub(super) async fn next(&mut self) -> Next {
        // Awaited before a slot is taken: a slow source delays requests and never makes a burst of them.
        let secrets = self.run.tokens.secrets().await;
        let now = self.wall.now();
        let Self { run, items, origins, parcels, results, context, lane, .. } = self;
        let mut prepare = |parcel: ParcelId| {
            if parcels[parcel].prepared.is_some() {
                return true;
            }
            // Today a parcel has one line.
            let line = &parcels.lines(parcel)[0];
            match prepare(run, items, origins, line, secrets.as_ref()) {
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
                        results.failed(n, &why.code.to_string(), result);
                        context.observer.finished(lane, false);
                    }
                    false
                }
            }
        };
        self.schedule.next(now, self.canary.admits_new(), &mut prepare)
    }
}

/// The request of a line.
fn prepare(
    run: &Run,
    items: &Items,
    origins: &HashMap<LineId, (String, LineId)>,
    line: &Line,
    secrets: Result<&Arc<Secrets>, &Failure>,
) -> Result<Prepared, Failure> {
    let (id, n) = origins.get(&line.n).map_or((&run.id, line.n), |(id, n)| (id, *n));
    let key = request::idempotency_key(&run.job, id, n);
    let row = items.row(&run.columns, &line.fields)?;
    let prepared = request::render(&run.job, &row, secrets.map_err(Clone::clone)?, key.as_deref())?;
    match run.guard.check(&prepared.url) {
        Ok(()) => Ok(prepared),
        Err(denied) => Err(Failure::new(Code::AddressDenied, denied.to_string())),
    }
}
