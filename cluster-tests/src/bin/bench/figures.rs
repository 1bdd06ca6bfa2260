//! Percentiles, medians, spreads.

use std::time::Duration;

use holdline_cluster_tests::cluster::Metrics;
use holdline_cluster_tests::reconcile::percentile;
use serde::Serialize;

/// A distribution of times, in milliseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Times {
    /// How many times were measured.
    pub(crate) count: usize,
    /// The median.
    pub(crate) p50_ms: f64,
    /// The 95th percentile (nearest rank, as all of them).
    pub(crate) p95_ms: f64,
    /// The 99th percentile.
    pub(crate) p99_ms: f64,
    /// The longest.
    pub(crate) max_ms: f64,
}

impl Times {
    /// Of measured times; `None` if there are none.
    pub(crate) fn of(times: impl IntoIterator<Item = Duration>) -> Option<Self> {
        let mut sorted: Vec<Duration> = times.into_iter().collect();
        sorted.sort_unstable();
        let at = |percent| percentile(&sorted, percent).map(ms);
        Some(Self {
            count: sorted.len(),
            p50_ms: at(50)?,
            p95_ms: at(95)?,
            p99_ms: at(99)?,
            max_ms: at(100)?,
        })
    }
}

/// Quantiles of a histogram of a node's metrics, interpolated within its buckets.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Quantiles {
    /// How many times were counted.
    pub(crate) count: f64,
    /// The median.
    pub(crate) p50_ms: f64,
    /// The 99th percentile.
    pub(crate) p99_ms: f64,
    /// The mean, which is exact.
    pub(crate) mean_ms: f64,
}

impl Quantiles {
    /// Of what came to the histogram `name`, in seconds, between two scrapes of each node.
    pub(crate) fn between(name: &str, before: &[Metrics], after: &[Metrics]) -> Option<Self> {
        let mut buckets: Vec<(f64, f64)> = Vec::new();
        for (sign, scrapes) in [(-1.0, before), (1.0, after)] {
            for (bound, count) in scrapes.iter().flat_map(|scrape| scrape.buckets(name)) {
                match buckets.iter_mut().find(|(other, _)| *other == bound) {
                    Some((_, sum)) => *sum += sign * count,
                    None => buckets.push((bound, sign * count)),
                }
            }
        }
        buckets.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        let count = buckets.last()?.1;
        let total = |suffix: &str| {
            let name = format!("{name}_{suffix}");
            let sum = |scrapes: &[Metrics]| scrapes.iter().map(|s| s.sum(&name, &[])).sum::<f64>();
            sum(after) - sum(before)
        };
        let at = |share| quantile(&buckets, share * count).map(|seconds| round(seconds * 1e3));
        (count > 0.0).then_some(())?;
        let mean_ms = round(total("sum") / count * 1e3);
        Some(Self { count, p50_ms: at(0.5)?, p99_ms: at(0.99)?, mean_ms })
    }
}

/// Where the `rank`th of cumulated counts lies, on the straight line through its bucket.
fn quantile(buckets: &[(f64, f64)], rank: f64) -> Option<f64> {
    let (mut lower, mut below) = (0.0, 0.0);
    for (bound, cumulated) in buckets {
        if *cumulated >= rank && *cumulated > below {
            let share = (rank - below) / (cumulated - below);
            // The last bucket has no upper end.
            return Some(if bound.is_finite() { lower + share * (bound - lower) } else { lower });
        }
        (lower, below) = (*bound, *cumulated);
    }
    None
}

/// The same number of several runs.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Spread {
    /// The one in the middle.
    pub(crate) median: f64,
    /// The least.
    pub(crate) least: f64,
    /// The largest.
    pub(crate) most: f64,
}

impl Spread {
    /// Of at least one number.
    pub(crate) fn of(numbers: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = numbers.into_iter().filter(|n| n.is_finite()).collect();
        sorted.sort_by(f64::total_cmp);
        let (least, most) = (*sorted.first()?, *sorted.last()?);
        let (low, high) = ((sorted.len() - 1) / 2, sorted.len() / 2);
        let median = f64::midpoint(*sorted.get(low)?, *sorted.get(high)?);
        Some(Self { median: round(median), least: round(least), most: round(most) })
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { median, least, most } = self;
        if least == most {
            return write!(f, "{}", short(*median));
        }
        write!(f, "{} ({}–{})", short(*median), short(*least), short(*most))
    }
}

/// Three significant digits, as people read numbers.
pub(crate) fn short(number: f64) -> String {
    match number.abs() {
        n if n >= 100.0 => format!("{number:.0}"),
        n if n >= 10.0 => format!("{number:.1}"),
        n if n >= 1.0 => format!("{number:.2}"),
        _ => format!("{number:.3}"),
    }
}

/// Milliseconds, to the microsecond.
pub(crate) fn ms(time: Duration) -> f64 {
    round(time.as_secs_f64() * 1e3)
}

/// Three decimals: more would be noise in the JSON.
pub(crate) fn round(number: f64) -> f64 {
    (number * 1e3).round() / 1e3
}

/// A count as a number to calculate with.
pub(crate) fn float(count: u64) -> f64 {
    // Counts of calls and bytes are far below 2^53.
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_come_from_what_was_counted_between_two_scrapes() {
        let text = |low: u32, high: u32, sum: f64| {
            let all = low + high;
            Metrics::parse(&format!(
                "x_bucket{{le=\"0.001\"}} {low}\nx_bucket{{le=\"0.003\"}} {all}\n\
                 x_bucket{{le=\"+Inf\"}} {all}\nx_sum {sum}\nx_count {all}\n"
            ))
        };
        let (before, after) = ([text(10, 5, 1.0)], [text(10, 105, 1.2)]);
        let found = Quantiles::between("x", &before, &after).unwrap();
        assert_eq!((found.count, found.p50_ms, found.p99_ms), (100.0, 2.0, 2.98));
        assert_eq!(found.mean_ms, 2.0);
        assert!(Quantiles::between("x", &after, &after).is_none());
    }

    #[test]
    fn the_median_lies_in_the_middle() {
        let of = |numbers: &[f64]| Spread::of(numbers.iter().copied()).map(|s| s.median);
        assert_eq!(of(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(of(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(of(&[]), None);
    }
}
