//! An amount of tokens.

use std::fmt;
use std::str::FromStr;

use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An amount, in billionths of a token. An ordinary operation costs one token.
///
/// For people it is a number such as `5`, or a text such as `"0.5"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tokens(pub u64);

impl Tokens {
    /// One token.
    pub const ONE: Self = Self(1_000_000_000);
    /// The largest amount that a configuration may name.
    pub const MAX: Self = Self(1_000_000_000 * Self::ONE.0);

    /// Whole tokens; [`Self::MAX`] at most.
    #[must_use]
    pub const fn whole(tokens: u64) -> Self {
        let amount = tokens.saturating_mul(Self::ONE.0);
        if amount > Self::MAX.0 { Self::MAX } else { Self(amount) }
    }

    /// How many whole tokens it is, rounded down.
    #[must_use]
    pub const fn floor(self) -> u64 {
        self.0 / Self::ONE.0
    }
}

/// The text is not an amount of tokens.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is not an amount of tokens: write a number up to 1000000000, such as 20 or \"0.5\""
)]
pub struct InvalidTokens {
    /// The text.
    pub text: String,
}

impl FromStr for Tokens {
    type Err = InvalidTokens;

    fn from_str(text: &str) -> Result<Self, InvalidTokens> {
        let invalid = || InvalidTokens { text: text.to_owned() };
        let amount = decimal(text, Self::ONE.0).ok_or_else(invalid)?;
        if amount > u128::from(Self::MAX.0) {
            return Err(invalid());
        }
        u64::try_from(amount).map(Self).map_err(|_| invalid())
    }
}

/// A decimal number times `unit`, exactly; `None` if it is no such number or has more digits than
/// the unit.
pub(super) fn decimal(text: &str, unit: u64) -> Option<u128> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || whole.len() > 12 || fraction.len() > 9 {
        return None;
    }
    if !digits(whole) || !digits(fraction) {
        return None;
    }
    let whole: u128 = whole.parse().ok()?;
    let mut amount = whole * u128::from(unit);
    let mut place = u128::from(unit);
    for digit in fraction.bytes() {
        let value = u128::from(digit - b'0');
        if place % 10 != 0 && value != 0 {
            return None;
        }
        place /= 10;
        amount += value * place;
    }
    Some(amount)
}

impl fmt::Display for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / Self::ONE.0, self.0 % Self::ONE.0);
        if rest == 0 {
            return write!(f, "{whole}");
        }
        let fraction = format!("{rest:09}");
        write!(f, "{whole}.{}", fraction.trim_end_matches('0'))
    }
}

impl Serialize for Tokens {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !serializer.is_human_readable() {
            return self.0.serialize(serializer);
        }
        if self.0.is_multiple_of(Self::ONE.0) {
            return self.floor().serialize(serializer);
        }
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Tokens {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !deserializer.is_human_readable() {
            return u64::deserialize(deserializer).map(Self);
        }
        deserializer.deserialize_any(Human)
    }
}

struct Human;

impl Visitor<'_> for Human {
    type Value = Tokens;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an amount of tokens, such as 20 or \"0.5\"")
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Tokens, E> {
        value.to_string().parse().map_err(E::custom)
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Tokens, E> {
        value.to_string().parse().map_err(E::custom)
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Tokens, E> {
        value.parse().map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_exactly_and_shown_as_they_were_written() {
        for (text, amount) in [
            ("0", 0),
            ("1", 1_000_000_000),
            ("0.5", 500_000_000),
            ("12.000000001", 12_000_000_001),
            ("1000000000", Tokens::MAX.0),
        ] {
            assert_eq!(text.parse(), Ok(Tokens(amount)), "{text}");
            assert_eq!(Tokens(amount).to_string(), text);
        }
    }

    #[test]
    fn what_is_not_an_amount_is_refused() {
        for text in
            ["", ".", "-1", "1e3", "0.0000000001", "1000000000.1", "99999999999999999", "5 "]
        {
            assert_eq!(text.parse::<Tokens>(), Err(InvalidTokens { text: text.to_owned() }));
        }
    }
}
