//! Finds what kept a lane from going faster.

use job::file::Limit;

use super::{LaneReport, LimitedBy};

/// Requests that are needed for a reliable figure.
const MIN_REQUESTS: u64 = 20;

/// What limited a lane, and what to do about it; `None` if nothing did for long, or if it is unknown. `limit`
/// is the limit of its only provider, and `mean` is how long a request took on average, in milliseconds.
pub(super) fn limited_by(lane: &LaneReport, limit: &Limit, mean: f64) -> (Option<LimitedBy>, Option<String>) {
    let rate = limit.rate.per_second();
    let reached = lane.requests_per_second;
    if lane.requests < MIN_REQUESTS || reached <= 0.0 {
        return (None, None);
    }
    if rate.is_some_and(|rate| reached >= 0.9 * rate) {
        return (Some(LimitedBy::Rate), None);
    }
    if lane.throttled * 50 >= lane.requests {
        let advice = format!(
            "the provider asked to slow down {} times: a lower rate may be no slower",
            lane.throttled
        );
        return (Some(LimitedBy::Provider), Some(advice));
    }
    // Little's law: the mean number of concurrent requests.
    let concurrent = reached * mean / 1000.0;
    if concurrent < 0.8 * f64::from(limit.most_in_flight) {
        return (None, None);
    }
    let advice = rate.map_or_else(
        || "a higher in_flight may be faster".to_owned(),
        |rate| {
            format!(
                "requests took {mean:.0} ms: for {rate}/s set in_flight = {:.0}",
                (rate * mean / 1000.0 * 1.25).ceil()
            )
        },
    );
    (Some(LimitedBy::InFlight), Some(advice))
}

#[cfg(test)]
mod tests {
    use job::file::Rate;

    use super::*;

    fn by(
        requests: u64,
        throttled: u64,
        reached: f64,
        mean: f64,
        in_flight: Option<u32>,
    ) -> (Option<LimitedBy>, Option<String>) {
        let lane = LaneReport { requests, throttled, requests_per_second: reached, ..LaneReport::default() };
        limited_by(&lane, &Limit::new(Rate::PerSecond(10.0), in_flight), mean)
    }

    #[test]
    fn a_lane_is_limited_by_its_rate_the_provider_or_in_flight() {
        assert_eq!(by(600, 0, 9.9, 100.0, None).0, Some(LimitedBy::Rate));
        let (limited, advice) = by(600, 0, 3.3, 6000.0, Some(20));
        assert_eq!(limited, Some(LimitedBy::InFlight));
        assert!(advice.is_some_and(|advice| advice.contains("in_flight = 75")));
        assert_eq!(by(600, 100, 3.3, 100.0, None).0, Some(LimitedBy::Provider));
        assert_eq!(by(600, 0, 3.3, 6000.0, None).0, None, "it was about to grow");
        assert_eq!(by(5, 0, 3.3, 6000.0, Some(1)).0, None, "too few to tell");
    }
}
