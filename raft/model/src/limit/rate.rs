//! A rate of tokens.

use std::fmt;
use std::str::FromStr;

use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::tokens::decimal;

/// How fast tokens come.
///
/// For people it is a text such as `"25/s"`, `"300/min"`, `"10/h"`, or `"25%"` of the parent's
/// assured rate; a bare number is per second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rate {
    /// Billionths of a token per millisecond.
    Absolute(u64),
    /// Hundredths of a percent of the parent's assured rate.
    Share(u32),
}

impl Default for Rate {
    fn default() -> Self {
        Self::ZERO
    }
}

impl Rate {
    /// Nothing.
    pub const ZERO: Self = Self::Absolute(0);
    /// The fastest rate: a million tokens per second.
    pub const MAX_PER_MS: u64 = 1_000_000 * Self::PER_SECOND;
    /// One token per second, in billionths of a token per millisecond.
    pub const PER_SECOND: u64 = 1_000_000;
    /// The whole, in hundredths of a percent.
    pub const WHOLE: u32 = 10_000;

    /// A rate in tokens per second.
    #[must_use]
    pub const fn per_second(tokens: u64) -> Self {
        let rate = tokens.saturating_mul(Self::PER_SECOND);
        Self::Absolute(if rate > Self::MAX_PER_MS { Self::MAX_PER_MS } else { rate })
    }

    /// Billionths of a token per millisecond, given the parent's.
    #[must_use]
    pub fn resolve(self, parent: u64) -> u64 {
        match self {
            Self::Absolute(rate) => rate,
            Self::Share(share) => {
                let part = u128::from(parent) * u128::from(share) / u128::from(Self::WHOLE);
                u64::try_from(part).unwrap_or(u64::MAX)
            }
        }
    }
}

/// The text is not a rate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is not a rate: write tokens per second, minute or hour, such as \"25/s\", \"300/min\", \"10/h\", or a share of the parent's rate, such as \"25%\"; at most \"1000000/s\""
)]
pub struct InvalidRate {
    /// The text.
    pub text: String,
}

impl FromStr for Rate {
    type Err = InvalidRate;

    fn from_str(text: &str) -> Result<Self, InvalidRate> {
        let invalid = || InvalidRate { text: text.to_owned() };
        if let Some(share) = text.strip_suffix('%') {
            let share = decimal(share.trim_end(), 100).ok_or_else(invalid)?;
            let share = u32::try_from(share).ok().filter(|share| *share <= Self::WHOLE);
            return share.map(Self::Share).ok_or_else(invalid);
        }
        let (amount, unit) = text.split_once('/').unwrap_or((text, "s"));
        let seconds: u128 = match unit.trim() {
            "s" | "sec" | "second" => 1,
            "min" | "minute" => 60,
            "h" | "hour" => 3_600,
            _ => return Err(invalid()),
        };
        let amount = decimal(amount.trim(), Self::PER_SECOND * 1_000).ok_or_else(invalid)?;
        let rate = amount / (seconds * 1_000);
        let rate = u64::try_from(rate).ok().filter(|rate| *rate <= Self::MAX_PER_MS);
        rate.map(Self::Absolute).ok_or_else(invalid)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Absolute(rate) => {
                decimal_text(f, rate, Self::PER_SECOND, 6)?;
                f.write_str("/s")
            }
            Self::Share(share) => {
                decimal_text(f, u64::from(share), 100, 2)?;
                f.write_str("%")
            }
        }
    }
}

fn decimal_text(f: &mut fmt::Formatter<'_>, amount: u64, unit: u64, places: usize) -> fmt::Result {
    let (whole, rest) = (amount / unit, amount % unit);
    if rest == 0 {
        return write!(f, "{whole}");
    }
    let fraction = format!("{rest:0places$}");
    write!(f, "{whole}.{}", fraction.trim_end_matches('0'))
}

impl Serialize for Rate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            return serializer.collect_str(self);
        }
        match *self {
            Self::Absolute(rate) => (0_u8, rate),
            Self::Share(share) => (1_u8, u64::from(share)),
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            return deserializer.deserialize_any(Human);
        }
        match <(u8, u64)>::deserialize(deserializer)? {
            (0, rate) => Ok(Self::Absolute(rate)),
            (1, share) => u32::try_from(share).map(Self::Share).map_err(serde::de::Error::custom),
            (kind, _) => Err(serde::de::Error::custom(format_args!("no rate has kind {kind}"))),
        }
    }
}

struct Human;

impl Visitor<'_> for Human {
    type Value = Rate;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a rate, such as \"25/s\", \"300/min\" or \"25%\"")
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Rate, E> {
        value.to_string().parse().map_err(E::custom)
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Rate, E> {
        value.to_string().parse().map_err(E::custom)
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Rate, E> {
        value.parse().map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_in_every_unit() {
        for (text, rate) in [
            ("25/s", Rate::per_second(25)),
            ("25", Rate::per_second(25)),
            ("300/min", Rate::per_second(5)),
            ("10/h", Rate::Absolute(2_777)),
            ("0.001/s", Rate::Absolute(1_000)),
            ("1000000/s", Rate::Absolute(Rate::MAX_PER_MS)),
            ("25%", Rate::Share(2_500)),
            ("33.33 %", Rate::Share(3_333)),
        ] {
            assert_eq!(text.parse(), Ok(rate), "{text}");
        }
    }

    #[test]
    fn a_rate_that_was_shown_is_read_back() {
        for rate in [Rate::per_second(7), Rate::Absolute(2_777), Rate::Share(3_333), Rate::ZERO] {
            assert_eq!(rate.to_string().parse(), Ok(rate), "{rate}");
        }
    }

    #[test]
    fn what_is_not_a_rate_is_refused() {
        for text in ["", "/s", "5/day", "-5/s", "1000001/s", "101%", "fast"] {
            assert_eq!(text.parse::<Rate>(), Err(InvalidRate { text: text.to_owned() }));
        }
    }
}
