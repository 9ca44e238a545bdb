//! The sum that ends the last record of a flush object, `…,"sum":"…"}`: what is read is what was written. S3's own checksums are of
//! a transfer, and a file system has none. Readers of records need not know of it.

use blake3::Hasher;

const BEGIN: &[u8] = b",\"sum\":\"";
const END: &[u8] = b"\"}\n";
/// Hexadecimal digits: 128 bits.
const DIGITS: usize = 32;

/// Bytes that [`seal`] adds.
pub const LENGTH: usize = BEGIN.len() + DIGITS + END.len() - b"}\n".len();

/// Adds the sum of everything before it to the last record, which ends with `}` and a line feed.
pub fn seal(body: &mut Vec<u8>) {
    let Some(records) = body.strip_suffix(b"}\n").map(<[u8]>::len) else { return };
    body.truncate(records);
    let mut sum = Hasher::new();
    sum.update(body);
    for part in [BEGIN, digits(&sum).as_bytes(), END] {
        body.extend_from_slice(part);
    }
}

/// An object is not what was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("what is in it is not what was written: its sum is another one")]
pub struct Damaged;

/// Whether a whole object is what was written.
///
/// # Errors
/// When it is not.
pub fn check(body: &[u8]) -> Result<(), Damaged> {
    let mut sum = Sum::default();
    sum.add(body);
    sum.check()
}

/// The sum of an object that is read piece by piece.
#[derive(Debug, Default)]
pub struct Sum {
    sum: Hasher,
    /// What the object says of itself, once its last record was read.
    written: Option<[u8; DIGITS]>,
    behind: bool,
}

impl Sum {
    /// Adds the next whole records.
    pub fn add(&mut self, records: &[u8]) {
        self.behind |= self.written.is_some() && !records.is_empty();
        let (before, written) = split(records);
        self.sum.update(before);
        self.written = self.written.or(written);
    }

    /// Whether all that was added is what was written. An object without a sum is one of a version that wrote none.
    ///
    /// # Errors
    /// When it is not.
    pub fn check(&self) -> Result<(), Damaged> {
        let same = self.written.is_none_or(|written| written == *digits(&self.sum).as_bytes());
        if same && !self.behind { Ok(()) } else { Err(Damaged) }
    }
}

/// What stands before the sum, and the sum. No record ends like one by chance: in a text its quotes would be escaped.
fn split(records: &[u8]) -> (&[u8], Option<[u8; DIGITS]>) {
    let sealed = records.strip_suffix(END).and_then(|rest| rest.split_last_chunk::<DIGITS>());
    match sealed.and_then(|(rest, digits)| Some((rest.strip_suffix(BEGIN)?, digits))) {
        Some((before, digits)) => (before, Some(*digits)),
        None => (records, None),
    }
}

fn digits(sum: &Hasher) -> String {
    sum.finalize().to_hex()[..DIGITS].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Record;

    const RECORDS: &[u8] = b"{\"n\":1,\"v\":[\"a\"]}\n{\"n\":2,\"error\":\"timeout\"}\n";

    fn sealed() -> Vec<u8> {
        let mut body = RECORDS.to_vec();
        seal(&mut body);
        assert_eq!(body.len(), RECORDS.len() + LENGTH);
        body
    }

    #[test]
    fn what_was_sealed_is_read_at_once_and_in_pieces() {
        let body = sealed();
        assert_eq!(check(&body), Ok(()));
        let lines: Vec<_> = body.split_inclusive(|byte| *byte == b'\n').collect();
        let records: Vec<_> =
            lines.iter().map(|line| Record::parse(line).expect("it is still a record").n).collect();
        assert_eq!(records, [1, 2]);
        let mut sum = Sum::default();
        lines.iter().for_each(|line| sum.add(line));
        assert_eq!(sum.check(), Ok(()));
        sum.add(b"{\"n\":3}\n");
        assert_eq!(sum.check(), Err(Damaged), "something behind it");
    }

    #[test]
    fn every_change_of_a_record_is_found() {
        let body = sealed();
        for at in 0..RECORDS.len() - b"}\n".len() {
            for bit in 0..8 {
                let mut changed = body.clone();
                changed[at] ^= 1 << bit;
                assert_eq!(check(&changed), Err(Damaged), "byte {at}, bit {bit}");
            }
        }
        assert!(check(&[body.as_slice(), body.as_slice()].concat()).is_err());
    }

    #[test]
    fn objects_without_a_sum_are_read() {
        assert_eq!(check(RECORDS), Ok(()));
        let mut empty = Vec::new();
        seal(&mut empty);
        assert!(empty.is_empty() && check(&empty) == Ok(()));
    }
}
