//! What the console shows of a run besides its lanes: why lines failed, how far its batches are, and how long it takes. The
//! memory does not depend on the number of lines.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use job::run::{RunRef, WorkRequest, parse_plan};
use job::{LineId, Objects, SegmentKey, StepError};
use serve::{BatchStrip, Cell, FailedLines, RunDetail};
use tokio::sync::OnceCell;
use worker::Observer;

use crate::progress::{Phase, Progress};

/// The codes of failures that are told apart, and the lines that are kept of each.
const CODES: usize = 60;
const SAMPLES: usize = 5;
/// The most cells of the strip of batches.
const CELLS: usize = 240;
/// The seconds over which the pace is measured.
const PACE_OVER: u64 = 30;

/// Watches the worker of one run for another observer, and keeps what that one does not.
pub(super) struct Detail {
    observer: Arc<dyn Observer>,
    begun: Instant,
    failures: Mutex<BTreeMap<String, FailedLines>>,
    pace: Mutex<HashMap<String, Pace>>,
    /// The batches that this process has called a worker for.
    batches: Mutex<HashMap<(String, LineId), Cell>>,
    planned: OnceCell<Vec<PlannedBatches>>,
}

/// The lines that a lane has finished: the seconds with any, and their counts.
#[derive(Default)]
struct Pace(VecDeque<(u64, u64)>);

/// The batches of a lane by their first lines, as earlier processes have left them.
struct PlannedBatches {
    lane: String,
    batches: Vec<(LineId, Cell)>,
}

impl Detail {
    pub(super) fn new(observer: Arc<dyn Observer>) -> Arc<Self> {
        Arc::new(Self {
            observer,
            begun: Instant::now(),
            failures: Mutex::default(),
            pace: Mutex::default(),
            batches: Mutex::default(),
            planned: OnceCell::new(),
        })
    }

    /// A worker is called for a batch.
    pub(super) fn batch_begins(&self, work: &WorkRequest) {
        lock(&self.batches).insert((work.lane.name.clone(), work.batch.first), Cell::Working);
    }

    /// Every line of a batch has a result.
    pub(super) fn batch_ended(&self, work: &WorkRequest, failed: u64) {
        let cell = if failed > 0 { Cell::Failed } else { Cell::Done };
        lock(&self.batches).insert((work.lane.name.clone(), work.batch.first), cell);
    }

    /// The run at this moment.
    ///
    /// # Errors
    /// When the plan or the names of the results cannot be read.
    pub(super) async fn shown(
        &self,
        objects: &Objects,
        run: &RunRef,
        progress: &Progress,
    ) -> Result<RunDetail, StepError> {
        let now = progress.snapshot();
        let mut failures: Vec<FailedLines> = lock(&self.failures).values().cloned().collect();
        failures.sort_by_key(|failed| std::cmp::Reverse(failed.count));
        let mut shown = RunDetail { failures, ..RunDetail::default() };
        if now.lanes.is_empty() {
            return Ok(shown);
        }
        let planned = self.planned.get_or_try_init(|| read(objects, run)).await?;
        shown.batches = self.strip(planned);
        let open = now.lanes.iter().zip(planned).filter(|(lane, _)| lane.done < lane.lines);
        let left = |lines: u64, lane: &str| {
            let pace = lock(&self.pace).get_mut(lane)?.per_second(self.second())?;
            Duration::try_from_secs_f64(to_float(lines) / pace).ok()
        };
        let left: Option<Vec<Duration>> =
            open.map(|(lane, planned)| left(lane.lines - lane.done, &planned.lane)).collect();
        shown.left = left.and_then(|left| left.into_iter().max()).filter(|_| now.phase == Phase::Sending);
        Ok(shown)
    }

    fn strip(&self, planned: &[PlannedBatches]) -> BatchStrip {
        let known = lock(&self.batches);
        let of_lane = |lane: &PlannedBatches| {
            let now = |(first, before): &(LineId, Cell)| {
                known.get(&(lane.lane.clone(), *first)).copied().unwrap_or(*before)
            };
            lane.batches.iter().map(now).collect::<Vec<_>>()
        };
        let all: Vec<Cell> = planned.iter().flat_map(of_lane).collect();
        let count = |wanted: &[Cell]| all.iter().filter(|cell| wanted.contains(cell)).count();
        BatchStrip {
            total: all.len(),
            done: count(&[Cell::Done, Cell::Failed]),
            working: count(&[Cell::Working]),
            cells: all.chunks(all.len().div_ceil(CELLS).max(1)).map(cell_of).collect(),
        }
    }

    fn second(&self) -> u64 {
        self.begun.elapsed().as_secs()
    }
}

impl Pace {
    fn add(&mut self, second: u64) {
        match self.0.back_mut() {
            Some((last, count)) if *last == second => *count += 1,
            _ => self.0.push_back((second, 1)),
        }
        self.forget(second);
    }

    /// Lines a second over the last seconds that are over; none if there were none.
    fn per_second(&mut self, second: u64) -> Option<f64> {
        self.forget(second);
        let over: u64 = self.0.iter().filter(|(at, _)| *at < second).map(|(_, count)| count).sum();
        let since = self.0.front().map_or(second, |(first, _)| *first);
        (over > 0).then(|| to_float(over) / to_float(second - since))
    }

    fn forget(&mut self, second: u64) {
        while self.0.front().is_some_and(|(at, _)| at + PACE_OVER < second) {
            self.0.pop_front();
        }
    }
}

/// The cell of several batches.
fn cell_of(batches: &[Cell]) -> Cell {
    let all = |wanted: Cell| batches.iter().all(|cell| *cell == wanted);
    match () {
        () if batches.contains(&Cell::Failed) => Cell::Failed,
        () if all(Cell::Done) => Cell::Done,
        () if all(Cell::Waiting) => Cell::Waiting,
        () => Cell::Working,
    }
}

/// The batches of the plan. The names of the results of earlier processes say how far they are.
async fn read(objects: &Objects, run: &RunRef) -> Result<Vec<PlannedBatches>, StepError> {
    let key = run.keys().plan();
    let plan = parse_plan(&objects.get(&key).await?, &key)?;
    let mut lanes = Vec::new();
    for lane in plan.lanes {
        let results = run.keys().lane_results(&lane.name);
        let mut counts: HashMap<u64, (u64, u64)> = HashMap::new();
        for entry in objects.list(&results).await? {
            let first = entry.key[results.len()..].split('/').next().and_then(|first| first.parse().ok());
            if let (Some(first), Some(SegmentKey::Results { ok, failed, .. })) =
                (first, SegmentKey::parse(&entry.key))
            {
                let counts = counts.entry(first).or_default();
                *counts = (counts.0 + ok, counts.1 + failed);
            }
        }
        let batch = |batch: &job::Batch| {
            let (ok, failed) = counts.get(&batch.first.number()).copied().unwrap_or_default();
            let cell = match () {
                () if ok + failed == 0 => Cell::Waiting,
                () if ok + failed < batch.lines => Cell::Working,
                () if failed > 0 => Cell::Failed,
                () => Cell::Done,
            };
            (batch.first, cell)
        };
        lanes.push(PlannedBatches { batches: lane.batches.iter().map(batch).collect(), lane: lane.name });
    }
    Ok(lanes)
}

impl Observer for Detail {
    fn found(&self, lane: &str, ok: u64, failed: u64) {
        self.observer.found(lane, ok, failed);
    }

    fn sent(&self, lane: &str) {
        self.observer.sent(lane);
    }

    fn throttled(&self, lane: &str) {
        self.observer.throttled(lane);
    }

    fn attempted(&self, lane: &str, millis: u32) {
        self.observer.attempted(lane, millis);
    }

    fn finished(&self, lane: &str, ok: bool) {
        self.observer.finished(lane, ok);
        let second = self.second();
        let mut pace = lock(&self.pace);
        match pace.get_mut(lane) {
            Some(pace) => pace.add(second),
            None => pace.entry(lane.to_owned()).or_default().add(second),
        }
    }

    fn failed(&self, lane: &str, line: LineId, code: &str, detail: &str) {
        self.observer.failed(lane, line, code, detail);
        let mut failures = lock(&self.failures);
        if failures.len() >= CODES && !failures.contains_key(code) {
            return;
        }
        let failed = failures.entry(code.to_owned()).or_default();
        failed.count += 1;
        if failed.samples.len() < SAMPLES {
            code.clone_into(&mut failed.code);
            failed.samples.push((line.number(), detail.to_owned()));
        }
    }

    fn held(&self, lane: &str, key: &str, wait: Duration) {
        self.observer.held(lane, key, wait);
    }

    fn paced(&self, lane: &str, batch: u64, rate: Option<f64>) {
        self.observer.paced(lane, batch, rate);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn to_float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_pace_is_that_of_the_last_half_minute() {
        let mut pace = Pace::default();
        assert_eq!(pace.per_second(0), None);
        (0..100).for_each(|second| (0..4).for_each(|_| pace.add(second)));
        assert!((pace.per_second(100).unwrap() - 4.0).abs() < f64::EPSILON);
        assert!((pace.per_second(115).unwrap() - 2.0).abs() < 0.1, "nothing for half of the time");
        assert_eq!(pace.per_second(200), None);
    }

    #[test]
    fn a_cell_shows_the_worst_of_its_batches() {
        use Cell::{Done, Failed, Waiting, Working};
        for (batches, shown) in [
            (&[Done, Done][..], Done),
            (&[Waiting], Waiting),
            (&[Done, Waiting], Working),
            (&[Working, Failed, Done], Failed),
        ] {
            assert_eq!(cell_of(batches), shown, "{batches:?}");
        }
    }
}
