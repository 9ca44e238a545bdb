//! Cuts a lane into batches of about a minute each. They are nearly equal, and there are at least as many as
//! the lane has workers.

use std::collections::HashMap;
use std::sync::Arc;

use job::file::Limit;
use job::run::LaneKind;
use job::{Batch, LineId};
use serde::{Deserialize, Serialize};

/// How long a batch takes at its worker's rate, in seconds: long enough that the gap between two batches
/// costs only one or two per cent.
const BATCH_SECONDS: f64 = 60.0;
/// The maximum and the minimum number of lines of a batch. With a slow limit each line would otherwise be a
/// separate execution.
const MAX_LINES: u64 = 50_000;
const MIN_LINES: u64 = 10;
/// Pieces of a batch: the finer they are, the less the workers' shares of a lane differ, and the less time is
/// lost.
const PIECES_PER_BATCH: u64 = 512;
/// The maximum number of pieces of a lane. When there are more, pieces are joined in pairs: a lane of that
/// size has enough batches to even out.
const MAX_PIECES: usize = 1 << 17;

/// Takes a lane's lines in order and cuts them into batches.
pub(crate) struct Cutter {
    limit: Limit,
    /// The maximum number of bytes of a batch.
    max_bytes: u64,
    hashed: bool,
    /// The lines that one request may have, which are cut by their numbers: a batch ends between requests.
    per_request: u64,
    done: Pieces,
    open: Batch,
    /// Lines of a piece of a named lane.
    piece: u64,
    /// Lines of each key in the open batch of a hashed lane.
    keys: HashMap<Arc<str>, u64>,
    /// Lines of the key that has most of them.
    busiest: u64,
}

/// A lane's lines so far: the batches of a hashed lane, or pieces of the batches of a named one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Pieces {
    lines: u64,
    bytes: u64,
    closed: Vec<Batch>,
    seconds: f64,
    /// Lines that make no request.
    #[serde(default)]
    unsent: u64,
}

/// A finished lane.
pub(crate) struct Cut {
    pub(crate) lines: u64,
    pub(crate) bytes: u64,
    pub(crate) batches: Vec<Batch>,
    pub(crate) seconds: f64,
}

impl Cutter {
    /// Continues after `done`.
    pub(crate) fn new(kind: &LaneKind, limit: Limit, max_bytes: u64, per_request: u64, done: Pieces) -> Self {
        let open = Batch { first: LineId::nth(0), lines: 0, from: 0, to: 0 };
        let hashed = *kind == LaneKind::Hashed;
        let piece = (target(limit, hashed, per_request) / PIECES_PER_BATCH).max(1);
        Self { limit, max_bytes, hashed, per_request, done, open, piece, keys: HashMap::new(), busiest: 0 }
    }

    /// Adds a line of `bytes` bytes.
    pub(crate) fn add(&mut self, n: u64, bytes: u64, key: Option<&Arc<str>>) {
        if self.open.lines > 0 && self.full(bytes) && (n - 1).is_multiple_of(self.per_request) {
            self.close();
        }
        if self.open.lines == 0 {
            self.open = Batch { first: LineId::nth(n), lines: 0, from: self.done.bytes, to: self.done.bytes };
        }
        self.open.lines += 1;
        self.done.lines += 1;
        self.done.bytes += bytes;
        self.open.to = self.done.bytes;
        if let Some(key) = key {
            let count = match self.keys.get_mut(key) {
                Some(count) => count,
                None => self.keys.entry(key.clone()).or_default(),
            };
            *count += 1;
            self.busiest = self.busiest.max(*count);
        }
    }

    /// Adds a line of `bytes` bytes that makes no request.
    pub(crate) fn add_unsent(&mut self, n: u64, bytes: u64) {
        self.add(n, bytes, None);
        self.done.unsent += 1;
    }

    /// Closes the open piece, so that another cutter can continue from what this returns.
    pub(crate) fn pause(&mut self) -> Pieces {
        self.close();
        self.done.clone()
    }

    /// Returns the batches. A hashed lane was cut while its lines came, since its busiest host decides. A
    /// named lane has only fine pieces so far: now that the total is known they are joined into equal
    /// batches.
    pub(crate) fn finish(mut self) -> Cut {
        self.close();
        let Pieces { lines, bytes, closed, seconds, unsent } = self.done;
        if self.hashed {
            return Cut { lines, bytes, batches: closed, seconds };
        }
        let workers = u64::from(self.limit.workers());
        let by_lines = lines.div_ceil(target(self.limit, false, self.per_request));
        let by_bytes = bytes.div_ceil(self.max_bytes);
        let wanted = by_lines.max(by_bytes).max(1).next_multiple_of(workers);
        #[expect(clippy::cast_precision_loss, reason = "an estimate of seconds")]
        let seconds = self
            .limit
            .rate
            .per_second()
            .map_or(0.0, |rate| (lines - unsent).div_ceil(self.per_request) as f64 / rate);
        Cut { lines, bytes, batches: join(&closed, lines, wanted, self.max_bytes), seconds }
    }

    fn full(&self, more: u64) -> bool {
        let too_many_bytes = self.open.to - self.open.from + more > self.max_bytes;
        if self.hashed {
            too_many_bytes
                || self.open.lines >= MAX_LINES
                || self.busiest >= target(self.limit, true, self.per_request)
        } else {
            too_many_bytes || self.open.lines >= self.piece
        }
    }

    fn close(&mut self) {
        if self.open.lines == 0 {
            return;
        }
        self.done.closed.push(self.open);
        self.open.lines = 0;
        if let Some(rate) = self.limit.rate.per_second() {
            #[expect(clippy::cast_precision_loss, reason = "an estimate of seconds")]
            let seconds = self.busiest.div_ceil(self.per_request) as f64 / rate;
            self.done.seconds += seconds;
        }
        self.keys.clear();
        self.busiest = 0;
        if !self.hashed && self.done.closed.len() >= MAX_PIECES {
            self.done.closed = join_pairs(&self.done.closed, self.max_bytes);
            self.piece *= 2;
        }
    }
}

/// The lines of one minute: of a worker of a named lane, or of a host in a hashed lane.
fn target(limit: Limit, hashed: bool, per_request: u64) -> u64 {
    let limit = if hashed { limit } else { limit.share() };
    #[expect(clippy::cast_precision_loss, reason = "the lines of a request")]
    let per_request = per_request as f64;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
    limit.rate.per_second().map_or(MAX_LINES, |rate| {
        (rate * BATCH_SECONDS * per_request).clamp(MIN_LINES as f64, MAX_LINES as f64) as u64
    })
}

fn join_pairs(pieces: &[Batch], max_bytes: u64) -> Vec<Batch> {
    let mut joined: Vec<Batch> = Vec::with_capacity(pieces.len());
    for pair in pieces.chunks(2) {
        match pair {
            [one, other] if other.to - one.from <= max_bytes => {
                joined.push(Batch { lines: one.lines + other.lines, to: other.to, ..*one });
            }
            _ => joined.extend_from_slice(pair),
        }
    }
    joined
}

/// Joins consecutive pieces into about `wanted` batches of nearly equal lines, within the byte limit.
fn join(pieces: &[Batch], lines: u64, wanted: u64, max_bytes: u64) -> Vec<Batch> {
    let mut batches: Vec<Batch> = Vec::new();
    let mut done = 0;
    // The next batch begins after `cuts / wanted` of the lines.
    let mut cuts = 0;
    for piece in pieces {
        let middle = done + piece.lines / 2;
        done += piece.lines;
        match batches.last_mut() {
            Some(batch) if piece.to - batch.from <= max_bytes && middle * wanted < cuts * lines => {
                batch.lines += piece.lines;
                batch.to = piece.to;
            }
            _ => {
                batches.push(*piece);
                cuts = (middle * wanted / lines.max(1) + 1).max(1);
            }
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;
    use job::file::Rate;
    use proptest::prelude::*;

    const MAX_BYTES: u64 = 8 << 20;

    fn named() -> LaneKind {
        LaneKind::Named { provider: "p".to_owned() }
    }

    fn cut(kind: &LaneKind, limit: Limit, lines: &[(u64, Option<&str>)]) -> Vec<Batch> {
        let mut cutter = Cutter::new(kind, limit, MAX_BYTES, 1, Pieces::default());
        for (n, (bytes, key)) in lines.iter().enumerate() {
            cutter.add(n as u64 + 1, *bytes, key.map(Arc::from).as_ref());
        }
        cutter.finish().batches
    }

    #[test]
    fn batches_take_a_minute_and_every_worker_has_as_many() {
        let limit = Limit::new(Rate::PerSecond(1000.0), Some(300));
        let batches = cut(&named(), limit, &vec![(100, None); 60_000]);
        assert_eq!(batches.len(), 3);
        assert!(batches.iter().all(|batch| batch.lines.abs_diff(20_000) <= 700), "{batches:?}");
        let batches = cut(&named(), limit, &vec![(100, None); 90_000]);
        assert_eq!(batches.len(), 6, "{batches:?}");
        let short = cut(&named(), limit, &vec![(100, None); 10_000]);
        assert!(short.len() == 3 && short.iter().all(|batch| batch.lines.abs_diff(3_333) <= 40), "{short:?}");
    }

    #[test]
    fn the_busiest_host_decides_the_size_of_a_hashed_batch() {
        let limit = Limit::new(Rate::PerSecond(1.0), None);
        let lines: Vec<_> =
            (0..600).map(|n| (10, Some(if n % 2 == 0 { "busy" } else { ["a", "b", "c"][n % 3] }))).collect();
        let batches = cut(&LaneKind::Hashed, limit, &lines);
        assert_eq!(batches.len(), 6, "{batches:?}");
    }

    #[test]
    fn the_pieces_of_a_long_lane_are_joined() {
        let limit = Limit::new(Rate::PerSecond(1000.0), Some(300));
        let mut cutter = Cutter::new(&named(), limit, MAX_BYTES, 1, Pieces::default());
        (1..=10_000_000).for_each(|n| cutter.add(n, 100, None));
        assert!(cutter.done.closed.len() < MAX_PIECES && cutter.done.closed.capacity() <= 2 * MAX_PIECES);
        let batches = cutter.finish().batches;
        assert_eq!(batches.len(), 501);
        assert!(batches.iter().all(|batch| batch.lines.abs_diff(19_960) <= 200), "{batches:?}");
    }

    proptest! {
        #[test]
        fn batches_cover_every_line_once(
            sizes in prop::collection::vec(1u64..3_000_000, 0..300),
            rate in prop::sample::select(vec![0.01, 1.0, 50.0, 5000.0]),
            in_flight in 1u32..500,
            hashed: bool,
        ) {
            let limit = Limit::new(Rate::PerSecond(rate), Some(in_flight));
            let kind = if hashed { LaneKind::Hashed } else { named() };
            let lines: Vec<_> = sizes.iter().map(|size| (*size, hashed.then_some("h"))).collect();
            let batches = cut(&kind, limit, &lines);
            let (mut line, mut byte) = (0, 0);
            for batch in &batches {
                prop_assert_eq!((batch.first, batch.from), (LineId::nth(line + 1), byte));
                prop_assert!(batch.lines > 0 && (batch.to - batch.from <= MAX_BYTES || batch.lines == 1));
                line += batch.lines;
                byte = batch.to;
            }
            prop_assert_eq!((line, byte), (sizes.len() as u64, sizes.iter().sum()));
        }
    }
}
