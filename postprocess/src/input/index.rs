//! Where the record of each line lies.

use bytes::Bytes;
use job::StepError;
use job::wire::read_result;

use super::lines::{line_at, number};
use crate::run::damaged;

/// Where a record lies. Kept small: a batch of any size is merged by these.
#[derive(Debug, Clone, Copy)]
pub(super) struct Position {
    pub(super) n: u64,
    pub(super) offset: u64,
    pub(super) len: u32,
    /// Index of the flush object in the batch, in key order.
    pub(super) object: u32,
    pub(super) ok: bool,
}

/// Adds the positions of the records in `bytes`, which begin at `offset` of the object; `deep` also reads what decides
/// between two records of a line, for bytes that will be gone by then.
pub(super) fn scan(
    positions: &mut Vec<Position>,
    bytes: &[u8],
    offset: u64,
    object: u32,
    deep: bool,
) -> Result<(), StepError> {
    let mut at = 0;
    while let Some((line, next)) = line_at(bytes, at) {
        let offset = offset + at as u64;
        at = next;
        if line.is_empty() {
            continue;
        }
        let bad = || damaged(format!("the record at byte {offset} is damaged"));
        let len = u32::try_from(line.len()).map_err(|_| bad())?;
        let mut position = Position { n: 0, offset, len, object, ok: false };
        match number(line) {
            Some(n) if !deep => position.n = n,
            _ => position.read(line).map_err(|_| bad())?,
        }
        positions.push(position);
    }
    Ok(())
}

impl Position {
    fn read(&mut self, line: &[u8]) -> Result<(), serde_json::Error> {
        let record = read_result(line)?;
        (self.n, self.ok) = (record.n.number(), record.error.is_none());
        Ok(())
    }
}

/// Leaves one position a line, sorted: the first success in key order, or else the last failure. Positions must come in
/// key order. `bodies` are the flush objects where the scan was not deep.
pub(super) fn choose(positions: &mut Vec<Position>, bodies: &[Bytes]) -> Result<(), StepError> {
    // Flush objects are sorted and follow each other in time: nearly sorted runs, which a stable sort merges.
    positions.sort_by_key(|position| position.n);
    let mut kept = 0;
    let mut at = 0;
    while at < positions.len() {
        let n = positions[at].n;
        let group = positions[at..].iter().take_while(|position| position.n == n).count();
        if group > 1 {
            for position in &mut positions[at..at + group] {
                complete(position, bodies)?;
            }
        }
        let rivals = &positions[at..at + group];
        let winner = rivals.iter().position(|position| group > 1 && position.ok).unwrap_or(group - 1);
        positions[kept] = positions[at + winner];
        kept += 1;
        at += group;
    }
    positions.truncate(kept);
    Ok(())
}

/// Reads what a scan that was not deep has left out.
pub(super) fn complete(position: &mut Position, bodies: &[Bytes]) -> Result<(), StepError> {
    let Some(body) = bodies.get(position.object as usize) else { return Ok(()) };
    let start = usize::try_from(position.offset).expect("it lies in memory");
    let line = &body[start..start + position.len as usize];
    position
        .read(line)
        .map_err(|error| damaged(format!("the record of line {} is damaged: {error}", position.n)))
}
