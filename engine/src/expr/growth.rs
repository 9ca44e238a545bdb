//! The costs of JSONata's functions, and the stand-ins that measure them when they are passed as values.

/// The cost of a function.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Growth {
    Text,
    /// It makes an array; each item takes this many bytes.
    List(usize),
    /// It walks through its arguments.
    Walk,
}

use Growth::{List, Text, Walk};

/// Functions of JSONata: name, stand-in, number of arguments that `$map` and similar functions pass, and
/// cost.
const FUNCTIONS: &[(&str, &str, usize, Growth)] = &[
    ("append", "the append", 2, List(24)),
    ("assert", "the assert", 2, Walk),
    ("average", "the average", 1, Walk),
    ("base64decode", "the base64decode", 1, Text),
    ("base64encode", "the base64encode", 1, Text),
    ("boolean", "the boolean", 1, Walk),
    ("decodeUrl", "the decodeUrl", 1, Text),
    ("decodeUrlComponent", "the decodeUrlComponent", 1, Text),
    ("distinct", "the distinct", 1, List(24)),
    ("encodeUrl", "the encodeUrl", 1, Text),
    ("encodeUrlComponent", "the encodeUrlComponent", 1, Text),
    ("error", "the error", 1, Walk),
    ("join", "the joined", 2, Text),
    ("keys", "the keys", 1, List(64)),
    ("lookup", "the lookup", 2, Walk),
    ("lowercase", "the lowercase", 1, Text),
    ("max", "the max", 1, Walk),
    ("merge", "the merge", 1, Walk),
    ("min", "the min", 1, Walk),
    ("not", "the not", 1, Walk),
    ("number", "the number", 1, Walk),
    ("reverse", "the reverse", 1, List(24)),
    ("shuffle", "the shuffle", 1, List(24)),
    ("spread", "the spread", 1, List(400)),
    ("string", "the string", 1, Text),
    ("substring", "the substring", 3, Text),
    ("substringAfter", "the substringAfter", 2, Text),
    ("substringBefore", "the substringBefore", 2, Text),
    ("sum", "the sum", 1, Walk),
    ("trim", "the trim", 1, Text),
    ("uppercase", "the uppercase", 1, Text),
    ("zip", "the zip", usize::MAX, List(100)),
];

/// Functions without a stand-in, because they are replaced themselves or call functions.
const OTHERS: &[(&str, Growth)] = &[
    ("each", List(24)),
    ("filter", List(24)),
    ("formatInteger", Text),
    ("formatNumber", Text),
    ("fromMillis", Text),
    ("map", List(24)),
    ("match", List(600)),
    ("now", Text),
    ("pad", Text),
    ("partition", List(48)),
    ("range", List(24)),
    ("replace", Text),
    ("sift", Walk),
    ("single", Walk),
    ("sort", List(24)),
    ("split", List(64)),
    ("toMillis", Walk),
];

/// The name of the stand-in for a function that is passed as a value.
pub(super) fn stand_in(name: &str) -> Option<&'static str> {
    FUNCTIONS.iter().find(|(function, ..)| *function == name).map(|(_, stand_in, ..)| *stand_in)
}

/// The stand-ins: name, function, and the number of its arguments.
pub(super) fn stand_ins() -> impl Iterator<Item = (&'static &'static str, &'static str, &'static usize)> {
    FUNCTIONS.iter().map(|(name, stand_in, arity, _)| (stand_in, *name, arity))
}

/// The cost of a function, if it is one that must be measured.
pub(super) fn growth(name: &str) -> Option<Growth> {
    let known = FUNCTIONS.iter().map(|(name, _, _, growth)| (*name, *growth)).chain(OTHERS.iter().copied());
    known.into_iter().find(|(function, _)| *function == name).map(|(_, growth)| growth)
}
