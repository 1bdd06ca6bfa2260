//! How long a trunk takes to say something: an exponentially weighted mean, in whole numbers.

/// The mean; `None` before the first measurement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Latency {
    /// In 1/256 of a millisecond, so that small differences are not rounded away.
    mean: Option<u64>,
}

impl Latency {
    /// Takes a measurement into account, with a weight of one eighth.
    pub(super) fn measured(&mut self, ms: u64) {
        let ms = ms.min(MAX_MS) * SCALE;
        let mean = self.mean.map_or(ms, |mean| mean - mean / WEIGHT + ms / WEIGHT);
        self.mean = Some(mean);
    }

    /// The mean in milliseconds.
    pub(super) fn ms(self) -> Option<u32> {
        self.mean.and_then(|mean| u32::try_from(mean / SCALE).ok())
    }
}

const SCALE: u64 = 256;
const WEIGHT: u64 = 8;

/// What took longer is a time-out, and told as one.
const MAX_MS: u64 = 64_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_follows_slowly() {
        let mut latency = Latency::default();
        assert_eq!(latency.ms(), None);
        latency.measured(80);
        assert_eq!(latency.ms(), Some(80));
        latency.measured(0);
        assert_eq!(latency.ms(), Some(70));
        for _ in 0..60 {
            latency.measured(20);
        }
        assert_eq!(latency.ms(), Some(20));
    }
}
