//! The keys of the journal's entries.

/// The kinds of entries, with the letters that their keys begin with.
#[derive(Debug, Clone, Copy)]
#[repr(u8)]
pub(crate) enum EntryKind {
    Owner = b'o',
    Frame = b'f',
    MapRun = b'm',
    /// The input of a nondeterministic batch.
    Batch = b'b',
    /// A finished child.
    Record = b'r',
    /// What was sent from outside to an attempt of a task or to a Map Run.
    Signal = b's',
}

/// The kinds of entries that belong to a state, and are removed with it.
pub(super) const BELOW: [EntryKind; 5] =
    [EntryKind::Frame, EntryKind::MapRun, EntryKind::Batch, EntryKind::Record, EntryKind::Signal];

/// The path from the execution down to a frame (a run of states), to a visit of a Map state or to an attempt of a
/// task.
///
/// The execution's own frame has the empty path. The path of a visit or an attempt is that of its frame
/// and the frame's step number. The path of an iteration or child is that of the visit and its index. Numbers are big-endian,
/// so that keys sort in the order of the children.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Key(Vec<u8>);

/// The length of a number in a key, in bytes.
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

    /// The first and last key of the entries at and below this path.
    pub(super) fn range(&self, kind: EntryKind) -> (Vec<u8>, Vec<u8>) {
        let first = self.entry(kind);
        let mut last = first.clone();
        // This is longer than any path below this one that begins with the highest numbers.
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

    /// The bytes of the path, which a host may keep.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The attempt with these bytes. None if they are not a path of one.
    pub(crate) fn of_attempt(bytes: &[u8]) -> Option<Self> {
        let is_path = !bytes.is_empty() && bytes.len().is_multiple_of(NUMBER);
        is_path.then(|| Key(bytes.to_vec()))
    }

    /// The frame of an attempt, and its step number.
    pub(super) fn frame_of_attempt(&self) -> (Self, u64) {
        let frame = self.0[..self.0.len() - NUMBER].to_vec();
        (Key(frame), Key::index(&self.0))
    }
}
