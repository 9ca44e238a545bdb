//! The sum that ends the last result of a segment, `…,"sum":"…"}`. It proves that what is read is what was
//! written: S3's own checksums protect a transfer only, and a file system has none. Readers of results may
//! ignore it.

use blake3::Hasher;

const BEGIN: &[u8] = b",\"sum\":\"";
const END: &[u8] = b"\"}\n";
/// Hexadecimal digits: 128 bits.
const DIGITS: usize = 32;

/// Bytes that [`seal`] adds.
pub const LENGTH: usize = BEGIN.len() + DIGITS + END.len() - b"}\n".len();

/// Adds the sum of all bytes before it to the last result, which ends with `}` and a line feed.
pub fn seal(body: &mut Vec<u8>) {
    let Some(records) = body.strip_suffix(b"}\n").map(<[u8]>::len) else { return };
    body.truncate(records);
    let mut sum = Hasher::new();
    sum.update(body);
    for part in [BEGIN, digits(&sum).as_bytes(), END] {
        body.extend_from_slice(part);
    }
}

/// A result, which has no line feed, without its sum and its closing brace.
pub fn without(line: &[u8]) -> Option<&[u8]> {
    let open = line.strip_suffix(b"}")?;
    let sealed = open.strip_suffix(b"\"").and_then(|rest| rest.split_last_chunk::<DIGITS>());
    let unsealed = sealed.and_then(|(rest, _)| rest.strip_suffix(BEGIN));
    Some(unsealed.unwrap_or(open))
}

/// The bytes of a segment are not what was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("what is in it is not what was written: its sum is another one")]
pub struct Damaged;

/// Checks that a whole segment is what was written.
///
/// # Errors
/// When it is not.
pub fn check(body: &[u8]) -> Result<(), Damaged> {
    let mut sum = Sum::default();
    sum.add(body);
    sum.check()
}

/// The sum of a segment that is read piece by piece.
#[derive(Debug, Default)]
pub struct Sum {
    sum: Hasher,
    /// The sum that the segment carries, once its last result was read.
    written: Option<[u8; DIGITS]>,
    /// There are bytes after that sum.
    trailing: bool,
}

impl Sum {
    /// Adds the next whole lines.
    pub fn add(&mut self, records: &[u8]) {
        self.trailing |= self.written.is_some() && !records.is_empty();
        let (before, written) = split(records);
        self.sum.update(before);
        self.written = self.written.or(written);
    }

    /// Checks that all that was added is what was written. A segment without a sum was written by a version
    /// that had none.
    ///
    /// # Errors
    /// When it is not.
    pub fn check(&self) -> Result<(), Damaged> {
        let same = self.written.is_none_or(|written| written == *digits(&self.sum).as_bytes());
        if same && !self.trailing { Ok(()) } else { Err(Damaged) }
    }
}

/// The bytes before the sum, and the sum. No result ends like this by chance: in a text, the quotes would be
/// escaped.
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
    use crate::wire::LineResult;

    const RECORDS: &[u8] = b"{\"n\":1,\"v\":[\"a\"]}\n{\"n\":2,\"error\":\"timeout\"}\n";

    fn sealed() -> Vec<u8> {
        let mut body = RECORDS.to_vec();
        seal(&mut body);
        assert_eq!(body.len(), RECORDS.len() + LENGTH);
        body
    }

    #[test]
    fn a_sealed_segment_is_sound_as_a_whole_and_in_pieces() {
        let body = sealed();
        assert_eq!(check(&body), Ok(()));
        let lines: Vec<_> = body.split_inclusive(|byte| *byte == b'\n').collect();
        let records: Vec<_> = lines
            .iter()
            .map(|line| LineResult::parse(line).expect("it is still a result").n.number())
            .collect();
        assert_eq!(records, [1, 2]);
        let mut sum = Sum::default();
        lines.iter().for_each(|line| sum.add(line));
        assert_eq!(sum.check(), Ok(()));
        sum.add(b"{\"n\":3}\n");
        assert_eq!(sum.check(), Err(Damaged), "there are bytes after the sum");
    }

    #[test]
    fn a_result_is_taken_out_of_its_segment_without_the_sum() {
        for body in [RECORDS.to_vec(), sealed()] {
            let lines = body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
            let open: Vec<_> = lines.map(|line| without(line).expect("it is a result")).collect();
            assert_eq!(open, [b"{\"n\":1,\"v\":[\"a\"]".as_slice(), b"{\"n\":2,\"error\":\"timeout\""]);
        }
        assert_eq!(without(b"{\"n\":1"), None);
    }

    #[test]
    fn every_changed_bit_is_found() {
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
    fn segments_without_a_sum_are_sound() {
        assert_eq!(check(RECORDS), Ok(()));
        let mut empty = Vec::new();
        seal(&mut empty);
        assert!(empty.is_empty() && check(&empty) == Ok(()));
    }
}
