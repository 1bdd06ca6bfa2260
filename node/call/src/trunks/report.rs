//! What a node tells the others about a trunk, as gossip carries it: four words.
//!
//! It comes from nodes that hold the cluster key, but perhaps from another version: what cannot be
//! read is treated as not said.

use std::fmt;
use std::str::FromStr;

use holdline_model::Millis;

use super::Standing;

/// What a node says of a trunk. At most [`TrunkReport::MAX_BYTES`] as text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TrunkReport {
    /// What its probes say; believed from the node that probes for the site.
    pub standing: Standing,
    /// The latency that it measured, in milliseconds.
    pub latency_ms: Option<u32>,
    /// Until when its breaker is open, if it is.
    pub open_until: Option<Millis>,
    /// Calls to the trunk in the slots that it owns.
    pub calls: u64,
}

/// The text is not a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a report on a trunk is a standing, a latency, a time and a number of calls")]
pub struct InvalidReport;

impl TrunkReport {
    /// The longest text.
    pub const MAX_BYTES: usize = 10 + 1 + 10 + 1 + 20 + 1 + 20;
}

impl fmt::Display for TrunkReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { standing, latency_ms, open_until, calls } = self;
        let latency: &dyn fmt::Display = latency_ms.as_ref().map_or(&"-", |ms| ms);
        let until: &dyn fmt::Display = open_until.as_ref().map_or(&"-", |at| at);
        write!(f, "{standing} {latency} {until} {calls}")
    }
}

impl FromStr for TrunkReport {
    type Err = InvalidReport;

    fn from_str(text: &str) -> Result<Self, InvalidReport> {
        let mut words = text.split(' ');
        let mut next = || words.next().ok_or(InvalidReport);
        let standing = Standing::from_word(next()?).ok_or(InvalidReport)?;
        let latency_ms = optional(next()?)?;
        let open_until = optional(next()?)?.map(Millis);
        let calls = next()?.parse().map_err(|_| InvalidReport)?;
        Ok(Self { standing, latency_ms, open_until, calls })
    }
}

fn optional<T: FromStr>(word: &str) -> Result<Option<T>, InvalidReport> {
    if word == "-" { Ok(None) } else { word.parse().map(Some).map_err(|_| InvalidReport) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_survive_the_journey() {
        let most = TrunkReport {
            standing: Standing::Greylisted,
            latency_ms: Some(u32::MAX),
            open_until: Some(Millis(u64::MAX)),
            calls: u64::MAX,
        };
        for report in [TrunkReport::default(), most] {
            assert_eq!(report.to_string().parse(), Ok(report));
            assert!(report.to_string().len() <= TrunkReport::MAX_BYTES);
        }
        assert_eq!(TrunkReport::default().to_string(), "active - - 0");
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        for text in ["", "active", "sleepy - - 0", "active x - 0", "active - - -", "active - - -1"]
        {
            assert_eq!(text.parse::<TrunkReport>(), Err(InvalidReport), "{text}");
        }
    }

    #[test]
    fn words_of_a_later_version_are_passed_over() {
        assert_eq!("active 7 - 3 new".parse::<TrunkReport>().unwrap().calls, 3);
    }
}
