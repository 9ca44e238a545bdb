//! The lanes while they are filled.

use std::io;
use std::sync::Arc;

use job::wire::write_item;
use job::{Job, LaneKind, LineId, PlannedLane};

use super::Sink;
use super::shape::Shape;
use crate::batches::{Cutter, Pieces};
use crate::records::Record;
use crate::route::{Routed, Router};

/// Items of a lane are handed on in pieces of about this many bytes.
const PIECE: usize = 256 << 10;

pub(super) struct Lanes {
    pub(super) router: Router,
    open: Vec<OpenLane>,
    scratch: Vec<u8>,
}

struct OpenLane {
    cutter: Cutter,
    items: Vec<u8>,
}

impl Lanes {
    pub(super) fn new(job: &Arc<Job>) -> Self {
        Self::with(job, std::iter::repeat_with(Pieces::default))
    }

    /// Goes on where [`Lanes::pause`] ended.
    pub(super) fn with(job: &Arc<Job>, pieces: impl IntoIterator<Item = Pieces>) -> Self {
        let router = Router::new(job.clone());
        let cutters =
            router.lanes.iter().zip(pieces).map(|(lane, pieces)| Cutter::new(&lane.kind, lane.limit, pieces));
        let open = cutters.map(|cutter| OpenLane { cutter, items: Vec::new() }).collect();
        Self { router, open, scratch: Vec::new() }
    }

    /// Adds a record to its lane: whether items were handed on.
    pub(super) fn take(
        &mut self,
        n: u64,
        record: &Record<'_>,
        shape: &mut Shape<'_>,
        sink: &mut impl Sink,
    ) -> io::Result<bool> {
        self.scratch.clear();
        let fault = shape.value(&mut self.scratch, record);
        let routed = match fault {
            Some(fault) => Err(fault),
            None => shape.route(&mut self.router, record, &self.scratch),
        };
        let lane = match routed {
            Ok(Routed { lane, key }) => {
                let open = &mut self.open[lane];
                let before = open.items.len();
                write_item(&mut open.items, LineId::nth(n), record.at, key.as_deref(), &self.scratch);
                let length = open.items.len() - before;
                open.cutter.add(n, length as u64, key.as_ref());
                lane
            }
            Err((code, detail)) => {
                let lane = self.router.fallback();
                let mut item = shape.failed(n, record, code, &detail);
                item.push(b'\n');
                self.open[lane].cutter.add(n, item.len() as u64, None);
                self.open[lane].items.extend_from_slice(&item);
                lane
            }
        };
        let full = self.open[lane].items.len() >= PIECE;
        if full {
            self.hand_on(lane, sink)?;
        }
        Ok(full)
    }

    /// Hands on all items, and gives what [`Lanes::with`] needs.
    pub(super) fn pause(mut self, sink: &mut impl Sink) -> io::Result<Vec<Pieces>> {
        (0..self.open.len()).try_for_each(|lane| self.hand_on(lane, sink))?;
        Ok(self.open.into_iter().map(|open| open.cutter.pause()).collect())
    }

    /// Hands on all items, and plans the lanes that have any.
    pub(super) fn plan(mut self, sink: &mut impl Sink) -> io::Result<Vec<PlannedLane>> {
        (0..self.open.len()).try_for_each(|lane| self.hand_on(lane, sink))?;
        let lanes = self.router.lanes.into_iter().zip(self.open).map(|(spec, open)| {
            let cut = open.cutter.finish();
            let workers = match spec.kind {
                LaneKind::Named { .. } => spec.limit.workers(),
                LaneKind::Hashed => 1,
            };
            PlannedLane {
                name: spec.name,
                kind: spec.kind,
                workers,
                lines: cut.lines,
                bytes: cut.bytes,
                batches: cut.batches,
                seconds: cut.seconds,
            }
        });
        Ok(lanes.filter(|lane| lane.lines > 0).collect())
    }

    fn hand_on(&mut self, lane: usize, sink: &mut impl Sink) -> io::Result<()> {
        let items = std::mem::take(&mut self.open[lane].items);
        if items.is_empty() { Ok(()) } else { sink.items(&self.router.lanes[lane].name, items) }
    }
}
