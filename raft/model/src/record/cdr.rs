//! The call detail record: written by the very entry that ends the call, named by its place in the
//! log, never changed afterwards.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::record::OwnerSpan;
use crate::{CallId, CdrId, Millis, Name};

/// One finished call, as it is billed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cdr {
    /// Its place in the log.
    pub id: CdrId,
    /// The call.
    pub call: CallId,
    /// Whose call it was.
    pub tenant: Name,
    /// The trunk it came from.
    pub trunk_in: Name,
    /// The trunk it went to, or was last tried at; `None` if no target was tried.
    pub trunk_out: Option<Name>,
    /// The caller's URI.
    pub from: String,
    /// The dialled URI.
    pub to: String,
    /// Call-ID of the caller's leg.
    pub caller_call_id: String,
    /// Call-ID of the callee's leg.
    pub callee_call_id: String,
    /// When the INVITE's admission was proposed.
    pub started_at: Millis,
    /// When it was decided, by the limits' clock: over these times a class keeps to its rate × time +
    /// burst. The same as `started_at` without limits.
    pub admitted_at: Millis,
    /// When it was answered.
    pub answered_at: Option<Millis>,
    /// When it ended.
    pub ended_at: Millis,
    /// From answer to end, in milliseconds; 0 for a call that was not answered.
    pub duration_ms: u64,
    /// How it went.
    pub disposition: Disposition,
    /// Why it ended.
    pub cause: Cause,
    /// Who ended it.
    pub hangup_by: HangupBy,
    /// Every owner of the call's slot during the call, in order.
    pub owners: Vec<OwnerSpan>,
    /// How often the call changed owner.
    pub takeovers: u32,
}

impl Cdr {
    /// The caller's number: what stands before the `@` of its URI.
    #[must_use]
    pub fn caller(&self) -> &str {
        user_of(&self.from)
    }

    /// The dialled number.
    #[must_use]
    pub fn callee(&self) -> &str {
        user_of(&self.to)
    }
}

/// What stands between the scheme of a URI and its `@`, or its parameters.
fn user_of(uri: &str) -> &str {
    let rest = uri.split_once(':').map_or(uri, |(_, rest)| rest);
    let rest = rest.split_once('@').map_or(rest, |(user, _)| user);
    rest.split_once(';').map_or(rest, |(user, _)| user)
}

/// Which numbers: one, or all that begin so (`+4930*`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumberPattern {
    text: String,
    is_prefix: bool,
}

impl NumberPattern {
    /// The number, or what it begins with.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether more may follow.
    #[must_use]
    pub const fn is_prefix(&self) -> bool {
        self.is_prefix
    }

    /// Whether a number is meant.
    #[must_use]
    pub fn matches(&self, number: &str) -> bool {
        if self.is_prefix { number.starts_with(&self.text) } else { number == self.text }
    }
}

impl FromStr for NumberPattern {
    type Err = InvalidPattern;

    fn from_str(text: &str) -> Result<Self, InvalidPattern> {
        let (text, is_prefix) = text.strip_suffix('*').map_or((text, false), |text| (text, true));
        if text.is_empty() || text.len() > MAX_PATTERN_BYTES || text.contains(['*', '@']) {
            return Err(InvalidPattern);
        }
        Ok(Self { text: text.to_owned(), is_prefix })
    }
}

/// The text is not a pattern of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a number is written as in the record (+493012345), or with a * after what it begins with")]
pub struct InvalidPattern;

const MAX_PATTERN_BYTES: usize = 128;

/// How a call went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Disposition {
    /// Answered.
    Answered,
    /// Nobody answered in time.
    NoAnswer,
    /// The callee was busy or declined (486, 600, 603).
    Busy,
    /// Any other failure.
    Failed,
    /// The caller gave up.
    Canceled,
}

impl Disposition {
    /// The word that billing systems expect.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "ANSWERED",
            Self::NoAnswer => "NO ANSWER",
            Self::Busy => "BUSY",
            Self::Failed => "FAILED",
            Self::Canceled => "CANCELED",
        }
    }
}

/// Why a call ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// The SIP status code that says it best: 200 for an answered call that was hung up.
    pub status: u16,
    /// A short text for people.
    pub text: Name,
}

/// Who ended a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum HangupBy {
    /// The caller: BYE or CANCEL.
    Caller,
    /// The callee: BYE or a final failure.
    Callee,
    /// An administrator.
    Admin,
    /// A deadline: no answer, no ACK, maximum duration.
    Timer,
    /// The switch: no route, no target left.
    Switch,
}

impl HangupBy {
    /// The word used in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Callee => "callee",
            Self::Admin => "admin",
            Self::Timer => "timer",
            Self::Switch => "switch",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_what_stands_before_the_host() {
        for (uri, number) in [
            ("sip:+4930123@192.0.2.1:5060;user=phone", "+4930123"),
            ("tel:+4930123;phone-context=x", "+4930123"),
            ("sips:alice@example.com", "alice"),
            ("sip:192.0.2.1", "192.0.2.1"),
            ("", ""),
        ] {
            assert_eq!(user_of(uri), number, "{uri}");
        }
    }

    #[test]
    fn a_pattern_is_a_number_or_a_beginning() {
        let exact: NumberPattern = "+4930".parse().expect("a number");
        assert!(exact.matches("+4930") && !exact.matches("+49301"));
        let prefix: NumberPattern = "+4930*".parse().expect("a beginning");
        assert!(prefix.matches("+4930") && prefix.matches("+49301") && !prefix.matches("+4931"));
        for text in ["", "*", "a*b", "**", "a@b", &"9".repeat(129)] {
            assert_eq!(text.parse::<NumberPattern>(), Err(InvalidPattern), "{text}");
        }
    }
}
