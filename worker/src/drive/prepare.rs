//! The beginning of an attempt: the next line whose turn it is, with its request.

use job::Code;

use super::Drive;
use crate::batch::Items;
use crate::failure::Failure;
use crate::line::LineState;
use crate::pace::Now;
use crate::record::{self, Figures};
use crate::request::{self, Prepared};
use crate::run::Run;
use crate::schedule::{Line, Next};

impl Drive<'_> {
    /// The next line whose turn it is. Its request is rendered when the line comes to the front of its queue; a line
    /// that cannot be rendered fails there, and takes no slot.
    pub(super) fn next(&mut self, now: Now) -> Next {
        let Self { run, items, lines, results, context, lane, .. } = self;
        let mut ready = |line: Line| {
            let state = &mut lines[line as usize];
            if state.prepared.is_some() {
                return true;
            }
            match prepare(run, items, state) {
                Ok(prepared) => {
                    state.prepared = Some(Box::new(prepared));
                    true
                }
                Err(why) => {
                    let figures = Figures { n: state.n, at: now.millis, ..Figures::default() };
                    let record = record::failure(figures, why.code, &run.mask.text(&why.detail));
                    results.failed(state.n, &why.code.to_string(), record);
                    context.observer.finished(lane, false);
                    false
                }
            }
        };
        self.schedule.next(now, self.gate.lets_in(), &mut ready)
    }
}

fn prepare(run: &Run, items: &Items, line: &LineState) -> Result<Prepared, Failure> {
    let key = request::idempotency_key(&run.job, &run.id, line.n);
    let row = items.row(&run.columns, &line.fields)?;
    let prepared = request::render(&run.job, &row, &run.secrets, key.as_deref())?;
    match run.guard.check(&prepared.url) {
        Ok(()) => Ok(prepared),
        Err(denied) => Err(Failure::new(Code::AddressDenied, denied.to_string())),
    }
}
