//! Which lines share a request, where the job sends several lines in one.
//!
//! The lines of a request depend on the lines of the batch and on the job, and not on what earlier calls have
//! done: so a request that is sent again has the same lines, and the same key. Lines are cut into groups by
//! their ordinals. A group whose lines have results in part was halved by an earlier call, so it is halved
//! again, until the lines of a half have no result or all have one.

use job::file::Packing;

use crate::parcel::{Line, first_half};

/// Takes the lines of a batch in order.
pub(crate) struct Packer {
    most: u64,
    bytes: u64,
    /// The open group: its number, its bytes, and its lines, each with whether it is to be sent.
    group: u64,
    filled: u64,
    open: Vec<(Line, bool)>,
    requests: Vec<Vec<Line>>,
}

impl Packer {
    pub(crate) fn new(packing: &Packing) -> Self {
        Self {
            most: packing.lines.into(),
            bytes: packing.bytes.unwrap_or(u64::MAX),
            group: 0,
            filled: 0,
            open: Vec::new(),
            requests: Vec::new(),
        }
    }

    /// Adds a line that makes a request. `is_left`: it has no result that counts.
    pub(crate) fn add(&mut self, line: Line, is_left: bool) {
        let group = line.n.ordinal().saturating_sub(1) / self.most;
        let bytes = u64::from(line.fields.end - line.fields.start);
        if group != self.group || self.filled.saturating_add(bytes) > self.bytes {
            self.close();
        }
        self.group = group;
        self.filled += bytes;
        self.open.push((line, is_left));
    }

    /// The lines of each request.
    pub(crate) fn finish(mut self) -> Vec<Vec<Line>> {
        self.close();
        self.requests
    }

    fn close(&mut self) {
        self.filled = 0;
        let group = std::mem::take(&mut self.open);
        self.split(group);
    }

    fn split(&mut self, mut lines: Vec<(Line, bool)>) {
        let left = lines.iter().filter(|(_, is_left)| *is_left).count();
        if left == lines.len() {
            if left > 0 {
                self.requests.push(lines.into_iter().map(|(line, _)| line).collect());
            }
        } else if left > 0 {
            let count = u32::try_from(lines.len()).expect("a request has at most a thousand lines");
            let second = lines.split_off(first_half(count) as usize);
            self.split(lines);
            self.split(second);
        }
    }
}

#[cfg(test)]
mod tests {
    use job::{Job, LineId};
    use proptest::prelude::*;

    use super::*;

    fn packing(lines: u32, bytes: &str) -> Packing {
        let text = format!(
            "[request]\nmethod = \"POST\"\nurl = \"http://a.example/\"\nbody = \"{{{{ rows | length }}}}\"\n[batch]\nlines = {lines}\n{bytes}"
        );
        Job::parse(&text, "job.toml").expect("a job").packing.expect("it has [batch]")
    }

    /// The requests of lines 1, 2, … of ten bytes each.
    fn requests(packing: &Packing, left: &[bool]) -> Vec<Vec<u64>> {
        let mut packer = Packer::new(packing);
        for (n, is_left) in (1..).zip(left) {
            packer.add(Line { n: LineId::nth(n), fields: 0..10 }, *is_left);
        }
        let numbers = |lines: Vec<Line>| lines.into_iter().map(|line| line.n.ordinal()).collect();
        packer.finish().into_iter().map(numbers).collect()
    }

    #[test]
    fn lines_are_cut_by_number_and_by_bytes() {
        assert_eq!(requests(&packing(3, ""), &[true; 7]), [vec![1, 2, 3], vec![4, 5, 6], vec![7]]);
        let small = packing(4, "bytes = \"20B\"");
        assert_eq!(requests(&small, &[true; 5]), [vec![1, 2], vec![3, 4], vec![5]]);
        let tiny = packing(4, "bytes = \"1B\"");
        assert_eq!(requests(&tiny, &[true; 2]), [[1], [2]]);
    }

    #[test]
    fn a_request_that_was_halved_is_halved_again() {
        let packing = packing(8, "");
        let mut left = [true; 8];
        left[..2].fill(false);
        assert_eq!(requests(&packing, &left), [vec![3, 4], vec![5, 6, 7, 8]]);
        left.fill(false);
        left[5] = true;
        assert_eq!(requests(&packing, &left), [[6]]);
    }

    proptest! {
        #[test]
        fn every_line_that_is_left_is_in_one_request(left: Vec<bool>, most in 1_u32..20) {
            let requests = requests(&packing(most, ""), &left);
            let sent: Vec<u64> = requests.concat();
            let wanted: Vec<u64> = (1..).zip(&left).filter(|(_, left)| **left).map(|(n, _)| n).collect();
            prop_assert_eq!(sent, wanted);
            prop_assert!(requests.iter().all(|lines| lines.len() <= most as usize));
        }
    }
}
