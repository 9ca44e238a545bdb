//! The canary: a hundred lines from all over the batch are sent before the rest, so that a wrong key costs a
//! hundred requests and not a million. Neighbouring lines may all be refused for a reason that applies only
//! to them, so the lines come from all over the batch.

/// Lines that may be sent before the verdict.
const FIRST: u32 = 100;
/// If more responses than this are neither 401 nor 403, fewer than nine in ten of the hundred are.
const OTHERS: u32 = 10;
/// With fewer responses than this there is no verdict.
const SMALL: u32 = 20;

/// Counts the first responses.
#[derive(Debug, Default)]
pub(crate) struct Canary {
    started: u32,
    denied: u32,
    others: u32,
    passed: bool,
}

/// The verdict of the first responses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing new.
    Pending,
    /// The rest may be sent.
    Passed,
    /// Nine in ten were refused.
    Denied { responses: u32, denied: u32 },
}

impl Canary {
    /// No canary, for lines whose refusals say nothing about each other.
    pub(crate) fn disabled() -> Self {
        Self { passed: true, ..Self::default() }
    }

    /// The order in which the parcels of a batch are sent. The canary comes first: one parcel from each hundredth of
    /// the batch.
    pub(crate) fn order(&self, parcels: usize, mut random: impl FnMut() -> u64) -> Vec<usize> {
        let first = FIRST as usize;
        if self.passed || parcels <= first {
            return (0..parcels).collect();
        }
        let mut order = Vec::with_capacity(parcels);
        for part in 0..first {
            let (from, to) = (parcels * part / first, parcels * (part + 1) / first);
            // Not always the same place: every tenth line may be of one kind.
            order.push(from + usize::try_from(random()).unwrap_or(0) % (to - from));
        }
        let mut ahead = order.clone().into_iter().peekable();
        order.extend((0..parcels).filter(|parcel| ahead.next_if_eq(parcel).is_none()));
        order
    }

    /// Whether a line that was never sent may be sent.
    pub(crate) fn admits_new(&self) -> bool {
        self.passed || self.started < FIRST
    }

    /// A line is sent for the first time.
    pub(crate) fn started(&mut self) {
        self.started = self.started.saturating_add(1);
    }

    /// Records the end of an attempt; `denied` when its response was 401 or 403.
    pub(crate) fn record(&mut self, denied: bool) -> Verdict {
        if self.passed {
            return Verdict::Pending;
        }
        *if denied { &mut self.denied } else { &mut self.others } += 1;
        if self.others > OTHERS {
            self.passed = true;
            Verdict::Passed
        } else if self.denied + self.others >= FIRST {
            self.verdict()
        } else {
            Verdict::Pending
        }
    }

    /// Lets the rest be sent without a verdict.
    pub(crate) fn pass(&mut self) {
        self.passed = true;
    }

    /// The verdict at the end of a batch with fewer than a hundred responses.
    pub(crate) fn at_end(&self) -> Verdict {
        if !self.passed && self.denied + self.others >= SMALL { self.verdict() } else { Verdict::Pending }
    }

    fn verdict(&self) -> Verdict {
        let responses = self.denied + self.others;
        if self.denied * 10 >= responses * 9 {
            Verdict::Denied { responses, denied: self.denied }
        } else {
            Verdict::Passed
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_canary_is_taken_from_all_over_the_batch() {
        let mut state = 0;
        let mut random = || {
            state += 7;
            state
        };
        for lines in [0, 99, 100, 101, 250, 10_000] {
            let order = Canary::default().order(lines, &mut random);
            let mut sorted = order.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..lines).collect::<Vec<_>>());
            if lines == 10_000 {
                assert!(order[..100].iter().enumerate().all(|(part, line)| line / 100 == part));
                assert!(order[100..].is_sorted());
            } else if lines <= 100 {
                assert!(order.is_sorted());
            }
        }
        assert!(Canary::disabled().order(500, random).is_sorted());
    }

    #[test]
    fn a_wrong_key_is_detected_after_a_hundred_responses() {
        let mut canary = Canary::default();
        for n in 0..100 {
            assert!(canary.admits_new());
            canary.started();
            let verdict = canary.record(n % 10 != 0);
            if n < 99 {
                assert_eq!(verdict, Verdict::Pending, "{n}");
            } else {
                assert_eq!(verdict, Verdict::Denied { responses: 100, denied: 90 });
            }
        }
        assert!(!canary.admits_new());
    }

    #[test]
    fn eleven_other_responses_open_it() {
        let mut canary = Canary::default();
        for _ in 0..100 {
            canary.started();
        }
        assert!(!canary.admits_new());
        for _ in 0..10 {
            assert_eq!(canary.record(false), Verdict::Pending);
        }
        assert_eq!(canary.record(false), Verdict::Passed);
        assert!(canary.admits_new());
    }

    #[test]
    fn a_small_batch_gets_its_verdict_at_the_end() {
        let mut canary = Canary::default();
        for _ in 0..19 {
            canary.record(true);
        }
        assert_eq!(canary.at_end(), Verdict::Pending);
        canary.record(true);
        assert_eq!(canary.at_end(), Verdict::Denied { responses: 20, denied: 20 });
    }
}
