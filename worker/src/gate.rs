//! A hundred lines from all over the batch go ahead of the rest: a wrong key costs a hundred requests, not a million, and lines that
//! are refused for their own sake do not make a verdict because they stand together.

/// Lines that may be sent before the verdict.
const FIRST: u32 = 100;
/// Answers that are not 401 or 403 after which nine in ten of the first hundred can no longer be.
const OTHERS: u32 = 10;
/// A batch with fewer answers than this is too small for a verdict.
const SMALL: u32 = 20;

/// Counts the first answers.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    started: u32,
    denied: u32,
    others: u32,
    open: bool,
}

/// What the first answers say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing new.
    Wait,
    /// The rest may go.
    Opened,
    /// Nine in ten were refused.
    Denied { answers: u32, denied: u32 },
}

impl Gate {
    /// A gate for lines whose refusals say nothing about each other: it is open.
    pub(crate) fn opened() -> Self {
        Self { open: true, ..Self::default() }
    }

    /// The order in which `lines` lines are sent: those first that the verdict is taken from, one of each hundredth of the batch.
    pub(crate) fn order(&self, lines: usize, mut roll: impl FnMut() -> u64) -> Vec<usize> {
        let first = FIRST as usize;
        if self.open || lines <= first {
            return (0..lines).collect();
        }
        let mut order = Vec::with_capacity(lines);
        for part in 0..first {
            let (from, to) = (lines * part / first, lines * (part + 1) / first);
            // Not always the same place: every tenth line may be of one kind.
            order.push(from + usize::try_from(roll()).unwrap_or(0) % (to - from));
        }
        let mut ahead = order.clone().into_iter().peekable();
        order.extend((0..lines).filter(|line| ahead.next_if_eq(line).is_none()));
        order
    }

    /// Whether a line that was never sent may be.
    pub(crate) fn lets_in(&self) -> bool {
        self.open || self.started < FIRST
    }

    /// A line is sent for the first time.
    pub(crate) fn started(&mut self) {
        self.started = self.started.saturating_add(1);
    }

    /// An attempt ended; `denied` when its answer was 401 or 403.
    pub(crate) fn answered(&mut self, denied: bool) -> Verdict {
        if self.open {
            return Verdict::Wait;
        }
        *if denied { &mut self.denied } else { &mut self.others } += 1;
        if self.others > OTHERS {
            self.open = true;
            Verdict::Opened
        } else if self.denied + self.others >= FIRST {
            self.verdict()
        } else {
            Verdict::Wait
        }
    }

    /// Nothing is left to wait for.
    pub(crate) fn open(&mut self) {
        self.open = true;
    }

    /// The verdict at the end of a batch that never had a hundred answers.
    pub(crate) fn at_end(&self) -> Verdict {
        if !self.open && self.denied + self.others >= SMALL { self.verdict() } else { Verdict::Wait }
    }

    fn verdict(&self) -> Verdict {
        let answers = self.denied + self.others;
        if self.denied * 10 >= answers * 9 {
            Verdict::Denied { answers, denied: self.denied }
        } else {
            Verdict::Opened
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_hundred_come_from_all_over_the_batch() {
        let mut dice = 0;
        let mut roll = || {
            dice += 7;
            dice
        };
        for lines in [0, 99, 100, 101, 250, 10_000] {
            let order = Gate::default().order(lines, &mut roll);
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
        assert!(Gate::opened().order(500, roll).is_sorted());
    }

    #[test]
    fn a_wrong_key_is_found_after_a_hundred() {
        let mut gate = Gate::default();
        for n in 0..100 {
            assert!(gate.lets_in());
            gate.started();
            let verdict = gate.answered(n % 10 != 0);
            if n < 99 {
                assert_eq!(verdict, Verdict::Wait, "{n}");
            } else {
                assert_eq!(verdict, Verdict::Denied { answers: 100, denied: 90 });
            }
        }
        assert!(!gate.lets_in());
    }

    #[test]
    fn eleven_other_answers_open_it() {
        let mut gate = Gate::default();
        for _ in 0..100 {
            gate.started();
        }
        assert!(!gate.lets_in());
        for _ in 0..10 {
            assert_eq!(gate.answered(false), Verdict::Wait);
        }
        assert_eq!(gate.answered(false), Verdict::Opened);
        assert!(gate.lets_in());
    }

    #[test]
    fn small_batches_have_their_verdict_at_the_end() {
        let mut gate = Gate::default();
        for _ in 0..19 {
            gate.answered(true);
        }
        assert_eq!(gate.at_end(), Verdict::Wait);
        gate.answered(true);
        assert_eq!(gate.at_end(), Verdict::Denied { answers: 20, denied: 20 });
    }
}
