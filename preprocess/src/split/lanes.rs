//! The lanes while their items are written.

use std::io;
use std::sync::Arc;

use job::file::Format;
use job::wire::write_item;
use job::{Job, LaneKind, LineId, PlannedLane};

use super::Sink;
use super::batches::{Cutter, Pieces};
use super::normalise::Normaliser;
use super::records::{LineError, Record};
use super::route::{LaneSpec, Routed, Router};
use super::shape::Shape;
use super::wanted::Wanted;
use crate::wire;

/// Bytes of a lane's items that are passed to the sink together.
const BUFFERED: usize = 256 << 10;

pub(super) struct Lanes {
    router: Router,
    wanted: Option<Wanted>,
    open: Vec<OpenLane>,
    /// The value of the current record.
    value: Vec<u8>,
}

struct OpenLane {
    cutter: Cutter,
    items: Vec<u8>,
}

impl Lanes {
    pub(super) fn new(job: &Arc<Job>, format: Format, shape: Shape) -> Self {
        Self::resume(job, format, shape, std::iter::repeat_with(Pieces::default))
    }

    /// Continues where [`Lanes::pause`] ended.
    pub(super) fn resume(
        job: &Arc<Job>,
        format: Format,
        shape: Shape,
        pieces: impl IntoIterator<Item = Pieces>,
    ) -> Self {
        let router = Router::new(job.clone(), format, shape.hashed_lanes);
        let per_request = job.lines_of_a_request();
        let cutter =
            |lane: &LaneSpec, done| Cutter::new(&lane.kind, lane.limit, shape.batch_bytes, per_request, done);
        let cutters = router.lanes.iter().zip(pieces).map(|(lane, done)| cutter(lane, done));
        let open = cutters.map(|cutter| OpenLane { cutter, items: Vec::new() }).collect();
        Self { router, wanted: Wanted::of(job), open, value: Vec::new() }
    }

    /// Must be called before the first record.
    pub(super) fn set_columns(&mut self, columns: &Arc<[String]>) {
        self.router.set_columns(columns.clone());
    }

    /// Adds record number `n` to its lane. Returns whether items were passed to the sink.
    ///
    /// # Errors
    /// Any error of the sink.
    pub(super) fn add(
        &mut self,
        n: u64,
        record: &Record<'_>,
        normaliser: &mut Normaliser<'_>,
        sink: &mut impl Sink,
    ) -> io::Result<bool> {
        self.value.clear();
        let routed = match normaliser.value(&mut self.value, record) {
            Ok(()) => match self.wants(n, normaliser) {
                Ok(true) => self.router.route(n, record, &self.value),
                Ok(false) => return self.add_skipped(n, record, sink),
                Err(error) => Err(error),
            },
            Err(error) => Err(error),
        };
        let index = routed.as_ref().map_or_else(|_| self.router.fallback(), |routed| routed.lane);
        let lane = &mut self.open[index];
        let before = lane.items.len();
        let key = match routed {
            Ok(Routed { key, .. }) => {
                write_item(&mut lane.items, LineId::nth(n), record.at, key.as_deref(), &self.value);
                key
            }
            Err(error) => {
                normaliser.failed_item(&mut lane.items, n, record, &error);
                None
            }
        };
        lane.cutter.add(n, (lane.items.len() - before) as u64, key.as_ref());
        self.flush_if_full(index, sink)
    }

    /// Whether `where` of the job holds for the current record.
    fn wants(&self, n: u64, normaliser: &Normaliser<'_>) -> Result<bool, LineError> {
        self.wanted.as_ref().map_or(Ok(true), |wanted| wanted.has(n, normaliser.columns(), &self.value))
    }

    /// Adds a record that makes no request.
    fn add_skipped(&mut self, n: u64, record: &Record<'_>, sink: &mut impl Sink) -> io::Result<bool> {
        let index = self.router.fallback();
        let lane = &mut self.open[index];
        let before = lane.items.len();
        wire::skipped_item(&mut lane.items, n, record.at, &self.value);
        lane.cutter.add_unsent(n, (lane.items.len() - before) as u64);
        self.flush_if_full(index, sink)
    }

    /// Returns whether items were passed to the sink.
    fn flush_if_full(&mut self, index: usize, sink: &mut impl Sink) -> io::Result<bool> {
        let full = self.open[index].items.len() >= BUFFERED;
        if full {
            self.flush(index, sink)?;
        }
        Ok(full)
    }

    /// Passes all items to the sink, and returns what [`Lanes::resume`] needs.
    ///
    /// # Errors
    /// Any error of the sink.
    pub(super) fn pause(&mut self, sink: &mut impl Sink) -> io::Result<Vec<Pieces>> {
        (0..self.open.len()).try_for_each(|lane| self.flush(lane, sink))?;
        Ok(self.open.iter_mut().map(|open| open.cutter.pause()).collect())
    }

    /// Passes all items to the sink, and plans the lanes that have any.
    ///
    /// # Errors
    /// Any error of the sink.
    pub(super) fn plan(mut self, sink: &mut impl Sink) -> io::Result<Vec<PlannedLane>> {
        (0..self.open.len()).try_for_each(|lane| self.flush(lane, sink))?;
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

    fn flush(&mut self, lane: usize, sink: &mut impl Sink) -> io::Result<()> {
        let items = std::mem::take(&mut self.open[lane].items);
        if items.is_empty() { Ok(()) } else { sink.items(&self.router.lanes[lane].name, items) }
    }
}
