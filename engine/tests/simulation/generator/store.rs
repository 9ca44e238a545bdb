//! The failures of the store in a Map Run. They depend on the attempt, which is part of the names of all
//! objects, so that a crash changes nothing about them.

use crate::rng::Rng;

/// The behaviour of the store in one attempt of a Map.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum StoreFault {
    /// The object cannot be read.
    Open,
    /// It breaks off after this percentage of its bytes.
    Middle(u64),
    /// This page of the listing fails.
    Page(u64),
    Write(Write, Answer),
}

/// The object of a ResultWriter that is not written.
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
    /// The object was written although the call failed.
    Lost,
}

/// A plan for at most this many attempts.
pub(crate) const ATTEMPTS: usize = 3;

impl StoreFault {
    /// A plan for a Map over this many items. `kind` is that of the reader, if the items are read.
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

    /// Whether it happens only after some items have ended. With a tolerance that can be exceeded, the order
    /// is then a matter of timing.
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

    /// Whether the attempt cannot end without it.
    pub(crate) fn is_certain(self) -> bool {
        !matches!(self, StoreFault::Write(Write::Succeeded | Write::Failed, _))
    }
}
