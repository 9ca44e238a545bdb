//! Into how many parts the lines of other hosts, and those of a lane, are cut.

use std::ops::RangeInclusive;

use job::Environment;

/// The number of lanes for hosts that no limit names. Each has one worker.
const HASHED_LANES: RangeInclusive<usize> = 4..=40;
/// Bytes of an input for which a function on AWS works about ten minutes, at the 250 new TLS connections a
/// second that its share of a processor allows, and a hundred bytes a line.
const BYTES_PER_LANE: u64 = 16 << 20;

/// Into how many parts the lines are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Lanes for hosts that no limit names.
    pub(crate) hashed_lanes: usize,
    /// The most bytes of a batch, which a worker holds in memory.
    pub(crate) batch_bytes: u64,
}

impl Shape {
    /// For an input of so many bytes. On one machine all lanes share its processors and its memory. On AWS
    /// each lane is a function of its own.
    pub(crate) fn new(environment: Environment, bytes: u64) -> Self {
        match environment {
            Environment::Local => Self { hashed_lanes: *HASHED_LANES.start(), batch_bytes: 8 << 20 },
            Environment::Aws => {
                let lanes = usize::try_from(bytes / BYTES_PER_LANE).unwrap_or(usize::MAX);
                let hashed_lanes = lanes.clamp(*HASHED_LANES.start(), *HASHED_LANES.end());
                Self { hashed_lanes, batch_bytes: 32 << 20 }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lanes_of_other_hosts_follow_the_size_of_the_input_on_aws() {
        let lanes = |environment, megabytes: u64| Shape::new(environment, megabytes << 20).hashed_lanes;
        assert_eq!([0, 100, 320, 10_000].map(|size| lanes(Environment::Aws, size)), [4, 6, 20, 40]);
        assert_eq!(lanes(Environment::Local, 10_000), 4);
    }
}
