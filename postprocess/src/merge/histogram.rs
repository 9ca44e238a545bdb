//! Latencies, counted in a fixed number of buckets.

use serde::{Deserialize, Serialize};

/// Buckets of each power of two: a percentile is right within 1/32, and exact below 64 milliseconds.
const PER_OCTAVE: u32 = 32;
const BUCKETS: usize = PER_OCTAVE as usize * 28;

/// Latencies in milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Histogram {
    buckets: Box<[u64]>,
    count: u64,
    max: u32,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { buckets: vec![0; BUCKETS].into(), count: 0, max: 0 }
    }
}

impl Histogram {
    pub(crate) fn add(&mut self, millis: u32) {
        self.buckets[bucket(millis)] += 1;
        self.count += 1;
        self.max = self.max.max(millis);
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.buckets.iter_mut().zip(&other.buckets).for_each(|(mine, theirs)| *mine += theirs);
        self.count += other.count;
        self.max = self.max.max(other.max);
    }

    /// The mean in milliseconds, within 1/32; 0 without any.
    pub(crate) fn mean(&self) -> f64 {
        let sum: f64 = self
            .buckets
            .iter()
            .enumerate()
            .map(|(index, count)| *count as f64 * f64::from(last_of(index).min(self.max)))
            .sum();
        if self.count == 0 { 0.0 } else { sum / self.count as f64 }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(crate) fn max(&self) -> u32 {
        self.max
    }

    /// The value that this percentage of the values does not exceed, rounded up to the end of its bucket.
    pub(crate) fn percentile(&self, percent: u64) -> u32 {
        let rank = (self.count * percent).div_ceil(100).max(1);
        let mut seen = 0;
        for (index, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return last_of(index).min(self.max);
            }
        }
        self.max
    }
}

fn bucket(millis: u32) -> usize {
    let shift = (millis / PER_OCTAVE).checked_ilog2().unwrap_or(0);
    (shift * PER_OCTAVE + (millis >> shift)) as usize
}

fn last_of(bucket: usize) -> u32 {
    let bucket = u32::try_from(bucket).expect("there are fewer than 2^32 buckets");
    let shift = (bucket / PER_OCTAVE).saturating_sub(1);
    let first = u64::from(bucket - shift * PER_OCTAVE) << shift;
    u32::try_from(first + (1 << shift) - 1).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_counted_in_its_bucket() {
        for millis in (0..5000).chain((0..32).map(|bit| 1 << bit)).chain([u32::MAX]) {
            let index = bucket(millis);
            assert!(index < BUCKETS && (millis == 0 || index >= bucket(millis - 1)), "{millis}");
            assert!(
                last_of(index) >= millis
                    && u64::from(last_of(index)) <= u64::from(millis) + u64::from(millis) / 32,
                "{millis}"
            );
        }
    }

    #[test]
    fn percentiles_mean_and_maximum() {
        let mut all = Histogram::default();
        (1..=100).for_each(|millis| all.add(millis));
        assert_eq!(all.percentile(50), 50);
        assert!((90..=91).contains(&all.percentile(90)));
        assert!((50.0..53.0).contains(&all.mean()), "{}", all.mean());
        assert_eq!((all.percentile(100), all.max()), (100, 100));
        assert_eq!(Histogram::default().percentile(50), 0);
    }
}
