//! Where in an execution an entry belongs.

use super::EntryKind;

/// The path from the execution down to a frame (a run of states) or to a visit of a Map state.
/// The execution's own frame has the empty path; below a frame lies the visit of the state it is
/// in, by the frame's step number; below the visit its iterations or children, by index. Numbers
/// are big-endian, so that keys sort as the children do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Key(Vec<u8>);

const NUMBER: usize = size_of::<u64>();

impl Key {
    pub(crate) fn root() -> Self {
        Key::default()
    }

    pub(crate) fn visit(&self, step: u64) -> Self {
        self.child(step)
    }

    pub(crate) fn child(&self, index: u64) -> Self {
        let mut path = self.0.clone();
        path.extend(index.to_be_bytes());
        Key(path)
    }

    pub(super) fn entry(&self, kind: EntryKind) -> Vec<u8> {
        let mut entry = vec![kind as u8];
        entry.extend(&self.0);
        entry
    }

    /// The first and last key of entries at and below this one.
    pub(super) fn range(&self, kind: EntryKind) -> (Vec<u8>, Vec<u8>) {
        let first = self.entry(kind);
        let mut last = first.clone();
        // Longer than any path below it that begins with the highest numbers.
        last.extend([0xff; NUMBER * 16]);
        (first, last)
    }

    pub(super) fn children(&self, kind: EntryKind, from: u64) -> (Vec<u8>, Vec<u8>) {
        (self.child(from).entry(kind), self.child(u64::MAX).entry(kind))
    }

    /// The last number of an entry's key.
    pub(super) fn index(entry: &[u8]) -> u64 {
        let mut number = [0; NUMBER];
        number.copy_from_slice(&entry[entry.len() - NUMBER..]);
        u64::from_be_bytes(number)
    }
}
