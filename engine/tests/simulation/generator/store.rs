//! What the store does to a Map Run: known by the attempt, which is in the names of what is read and written,
//! so that a crash changes nothing about it.

use crate::rng::Rng;

/// In one attempt of a Map.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum StoreFault {
    /// The object cannot be read.
    Open,
    /// It breaks off behind so many percent of its bytes.
    Middle(u64),
    /// The listing has no such page.
    Page(u64),
    Write(Write, Answer),
}

/// Which object of a ResultWriter is not written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Write {
    /// The manifest with which a run begins.
    Trial,
    Succeeded,
    Failed,
    /// The manifest with which it ends.
    Manifest,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Answer {
    Refused,
    /// It was written all the same.
    Lost,
}

/// With at most so many attempts.
pub(crate) const ATTEMPTS: usize = 3;

impl StoreFault {
    /// `kind` is the reader's, if the items are read; there are `items` of them.
    pub(super) fn draw(rng: &mut Rng, kind: &str, items: u64, writes: bool) -> Option<Self> {
        if !rng.percent(30) {
            return None;
        }
        let reads = !kind.is_empty();
        if reads && (!writes || rng.percent(60)) {
            let object = [StoreFault::Open, StoreFault::Middle(rng.below(100))];
            let fault = rng.one_of(&object);
            let page = StoreFault::Page(if items > 0 { rng.below(2) } else { 0 });
            return Some(match kind {
                "LIST" => page,
                "FLATTEN" if items == 0 || rng.percent(50) => page,
                _ => fault,
            });
        }
        let what = rng.one_of(&[Write::Trial, Write::Succeeded, Write::Failed, Write::Manifest]);
        let answer = rng.one_of(&[Answer::Refused, Answer::Lost]);
        writes.then_some(StoreFault::Write(what, answer))
    }

    /// It comes only when some items have ended: with a tolerance that can be exceeded, what comes
    /// first is a matter of time.
    pub(super) fn comes_late(self) -> bool {
        matches!(self, StoreFault::Middle(_) | StoreFault::Page(1) | StoreFault::Write(Write::Succeeded, _))
    }

    /// The error with which the attempt fails.
    pub(crate) fn error(self) -> &'static str {
        match self {
            StoreFault::Open | StoreFault::Middle(_) | StoreFault::Page(_) => "States.ItemReaderFailed",
            StoreFault::Write(..) => "States.ResultWriterFailed",
        }
    }

    /// The attempt cannot come to its end without it.
    pub(crate) fn is_certain(self) -> bool {
        !matches!(self, StoreFault::Write(Write::Succeeded | Write::Failed, _))
    }
}
