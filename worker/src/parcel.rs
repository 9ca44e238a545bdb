//! The unit of sending: a parcel holds the lines that one request carries.

use job::LineId;
use job::file::Identity;
use job::wire::{Begun, Tried};
use std::ops::{Index, IndexMut, Range};
use std::sync::Arc;

use crate::failure::Failure;
use crate::request::{Prepared, Unit};
use crate::retry::RetryState;

/// The failed attempts that the result of a line names, at most.
pub(crate) const MOST_TRIED: usize = 20;

/// Index of a parcel in its batch.
pub(crate) type ParcelId = u32;

/// A line of the batch that is to be sent.
#[derive(Debug)]
pub(crate) struct Line {
    /// Its number.
    pub(crate) n: LineId,
    /// Place of its fields in the batch's bytes.
    pub(crate) fields: Range<u32>,
}

/// Lines that share a request, and the state of that request.
#[derive(Debug)]
pub(crate) struct Parcel {
    /// Its lines, as indices into the lines of [`Parcels`].
    lines: Range<u32>,
    /// Index of its limit key.
    pub(crate) key: u32,
    /// Requests sent for it by this call, redirects not counted.
    pub(crate) tries: u32,
    /// Its next request follows a redirect and is not counted as another try.
    pub(crate) mid_redirect: bool,
    pub(crate) retry: RetryState,
    /// Rendered when its turn comes, and kept while it may be sent again.
    pub(crate) prepared: Option<Box<Prepared>>,
    /// The identity of its request, once that was rendered.
    pub(crate) identity: Option<Identity>,
    /// Its lines, once the request was rendered, if the job sends several lines in one request.
    pub(crate) unit: Option<Arc<Unit>>,
    /// What an earlier call has kept of its line, until the request is prepared.
    pub(crate) begun: Option<Arc<Begun>>,
    pub(crate) last_failure: Option<Box<Failure>>,
    /// The failed attempts of this call that were followed by another one, the first [`MOST_TRIED`].
    pub(crate) earlier: Vec<Tried>,
}

/// The lines of a batch that are to be sent, in parcels.
#[derive(Debug, Default)]
pub(crate) struct Parcels {
    lines: Vec<Line>,
    parcels: Vec<Parcel>,
}

impl Parcel {
    /// The identity of the request of its line with this index.
    pub(crate) fn identity_of(&self, line: usize) -> Option<Identity> {
        match &self.unit {
            Some(unit) => unit.identities.get(line).copied().flatten(),
            None => self.identity,
        }
    }

    /// Whether the server has processed a part of it: its last response was a redirect that has not been
    /// followed yet, or an earlier step has been answered.
    pub(crate) fn is_processed(&self) -> bool {
        self.prepared.as_ref().is_some_and(|prepared| prepared.hops > 0) || self.step() > 0
    }

    /// The step whose request is prepared: 0 is the first request.
    pub(crate) fn step(&self) -> usize {
        let chain = self.prepared.as_ref().and_then(|prepared| prepared.chain.as_ref());
        chain.map_or(0, |chain| chain.step())
    }
}

impl Parcels {
    /// Adds a parcel with these lines.
    pub(crate) fn push(&mut self, lines: impl IntoIterator<Item = Line>, key: u32, retry: RetryState) {
        let from = self.lines.len();
        self.lines.extend(lines);
        #[expect(clippy::cast_possible_truncation, reason = "a batch is smaller than 4 GiB")]
        let lines = from as u32..self.lines.len() as u32;
        self.parcels.push(Parcel {
            lines,
            key,
            tries: 0,
            mid_redirect: false,
            retry,
            prepared: None,
            identity: None,
            unit: None,
            begun: None,
            last_failure: None,
            earlier: Vec::new(),
        });
    }

    /// Replaces a parcel by two with half of its lines each, and with its attempts so far.
    pub(crate) fn halve(&mut self, parcel: ParcelId) -> [ParcelId; 2] {
        let Parcel { lines: Range { start, end }, key, tries, .. } = self[parcel];
        let earlier = std::mem::take(&mut self[parcel].earlier);
        let middle = start + first_half(end - start);
        [start..middle, middle..end].map(|lines| {
            self.push([], key, RetryState::default());
            let half = ParcelId::try_from(self.parcels.len() - 1).expect("a batch is smaller than 4 GiB");
            let state = &mut self[half];
            (state.lines, state.tries, state.earlier) = (lines, tries, earlier.clone());
            half
        })
    }

    /// The parcel that was added last.
    pub(crate) fn last(&mut self) -> &mut Parcel {
        self.parcels.last_mut().expect("a parcel was added")
    }

    pub(crate) fn len(&self) -> usize {
        self.parcels.len()
    }

    pub(crate) fn lines(&self, parcel: ParcelId) -> &[Line] {
        let Range { start, end } = self[parcel].lines;
        &self.lines[start as usize..end as usize]
    }

    /// The numbers of a parcel's lines.
    pub(crate) fn numbers(&self, parcel: ParcelId) -> impl Iterator<Item = LineId> {
        self.lines(parcel).iter().map(|line| line.n)
    }
}

/// Lines of the first half of a request that is halved.
pub(crate) fn first_half(lines: u32) -> u32 {
    lines.div_ceil(2)
}

impl Index<ParcelId> for Parcels {
    type Output = Parcel;

    fn index(&self, parcel: ParcelId) -> &Parcel {
        &self.parcels[parcel as usize]
    }
}

impl IndexMut<ParcelId> for Parcels {
    fn index_mut(&mut self, parcel: ParcelId) -> &mut Parcel {
        &mut self.parcels[parcel as usize]
    }
}
