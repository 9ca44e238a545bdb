//! The id of a line.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Bits of the ordinal: a part has at most a million million lines. 13 bits are left for the part, so that
/// JSON readers that know only 64-bit floats keep every digit of an id.
const ORDINAL_BITS: u32 = 40;

/// Names a line of a run: the part of the input that it is in, and its ordinal within the part. Ids are
/// ordered as the lines of the input. The parts of one input do not know each other's lengths, so an id is
/// not a line's number: only the merge, which sees all parts in order, turns it into one.
///
/// There is one part today, the part 0. Its ids are written as their ordinals, in JSON and in keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LineId(u64);

impl LineId {
    /// The largest id.
    pub const MAX: Self = Self(u64::MAX);

    /// The line with this ordinal, from 1, of the part 0.
    pub const fn nth(ordinal: u64) -> Self {
        Self(ordinal)
    }

    /// The line with this ordinal, from 1, of a part.
    pub const fn new(part: u16, ordinal: u64) -> Self {
        Self(((part as u64) << ORDINAL_BITS) | ordinal)
    }

    /// The part of the input, from 0.
    pub const fn part(self) -> u64 {
        self.0 >> ORDINAL_BITS
    }

    /// The ordinal within the part, from 1.
    pub const fn ordinal(self) -> u64 {
        self.0 & ((1 << ORDINAL_BITS) - 1)
    }

    /// The line's number in the input. Only for the merge, for what it writes, and for logs: with
    /// several parts, it needs their lengths.
    pub const fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Display for LineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A text that is not a [`LineId`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the id of a line")]
pub struct InvalidLineId;

impl FromStr for LineId {
    type Err = InvalidLineId;

    fn from_str(text: &str) -> Result<Self, InvalidLineId> {
        text.parse().map(Self).map_err(|_| InvalidLineId)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_the_first_part_are_written_as_numbers() {
        let id = LineId::nth(17);
        assert_eq!((id.part(), id.ordinal(), id.number()), (0, 17, 17));
        assert_eq!((id.to_string(), format!("{id:012}")), ("17".to_owned(), "000000000017".to_owned()));
        assert_eq!(serde_json::to_string(&id).ok().as_deref(), Some("17"));
        assert_eq!("000000000017".parse(), Ok(id));
        assert_eq!("x".parse::<LineId>(), Err(InvalidLineId));
    }

    #[test]
    fn ids_are_ordered_by_part_then_ordinal() {
        assert!(LineId::nth(2) < LineId::nth(10));
        assert!(LineId::nth(999_999_999_999) < LineId::new(1, 1));
        let id = LineId::new(3, 4);
        assert_eq!((id.part(), id.ordinal()), (3, 4));
        assert!(LineId::new(8191, 1).0 < 1 << 53, "exact as a 64-bit float");
    }
}
