//! Where the record of each line lies.

use bytes::Bytes;
use job::StepError;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::lines::{line_at, number};
use super::records::Spent;
use crate::run::damaged;

/// Where a record lies. Kept small: a batch of any size is merged by these.
#[derive(Debug, Clone, Copy)]
pub(super) struct Position {
    pub(super) n: u64,
    pub(super) offset: u64,
    pub(super) len: u32,
    /// Index of the flush object in the batch, in key order.
    pub(super) object: u32,
    pub(super) tries: u32,
    pub(super) ok: bool,
}

/// As much of a record as decides whether it wins.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) struct Head {
    n: u64,
    #[serde(default)]
    pub(super) tries: u32,
    #[serde(default)]
    error: Option<IgnoredAny>,
}

/// Adds the positions of the records in `bytes`, which begin at `offset` of the object; `deep` also reads what decides
/// between two records of a line, for bytes that will be gone by then.
pub(super) fn scan(positions: &mut Vec<Position>, bytes: &[u8], offset: u64, object: u32, deep: bool) -> Result<(), StepError> {
    let mut at = 0;
    while let Some((line, next)) = line_at(bytes, at) {
        let offset = offset + at as u64;
        at = next;
        if line.is_empty() {
            continue;
        }
        let bad = || damaged(format!("the record at byte {offset} is damaged"));
        let len = u32::try_from(line.len()).map_err(|_| bad())?;
        let head = match number(line) {
            Some(n) if !deep => Head { n, tries: 0, error: None },
            _ => head(line).ok_or_else(bad)?,
        };
        positions.push(Position { n: head.n, offset, len, object, tries: head.tries, ok: head.error.is_none() });
    }
    Ok(())
}

fn head(line: &[u8]) -> Option<Head> {
    serde_json::from_slice(line).ok()
}

/// Leaves one position a line, sorted: the first success in key order, or else the last failure. Positions must come in
/// key order. `bodies` are the flush objects where the scan was not deep. Returns what the requests of the others cost.
pub(super) fn choose(positions: &mut Vec<Position>, bodies: &[Bytes], current: &[bool]) -> Result<Spent, StepError> {
    // Flush objects are sorted and follow each other in time: nearly sorted runs, which a stable sort merges.
    positions.sort_by_key(|position| position.n);
    let mut spent = Spent::default();
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
        for (_, loser) in rivals.iter().enumerate().filter(|(index, _)| *index != winner) {
            spent.add(loser.tries, current[loser.object as usize]);
        }
        positions[kept] = positions[at + winner];
        kept += 1;
        at += group;
    }
    positions.truncate(kept);
    Ok(spent)
}

/// Reads what a scan that was not deep has left out.
fn complete(position: &mut Position, bodies: &[Bytes]) -> Result<(), StepError> {
    let Some(body) = bodies.get(position.object as usize) else { return Ok(()) };
    let start = usize::try_from(position.offset).expect("it lies in memory");
    let head = head(&body[start..start + position.len as usize])
        .ok_or_else(|| damaged(format!("the record of line {} at byte {start} is damaged", position.n)))?;
    (position.tries, position.ok) = (head.tries, head.error.is_none());
    Ok(())
}
