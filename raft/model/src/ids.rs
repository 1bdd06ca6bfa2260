//! Identifiers of nodes, slots, calls and records. Small, `Copy`, ordered, with a text form that
//! operators see in logs, in the API and in SIP tokens.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = std::num::ParseIntError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map($name)
            }
        }
    };
}

number_id!(
    /// A member of the cluster. Never reused.
    NodeId(u64)
);
number_id!(
    /// A Raft group. Part of every key and every RPC, so that calls can be spread over several.
    GroupId(u16)
);
number_id!(
    /// The unit of ownership: every call belongs to one slot for its whole life.
    SlotId(u16)
);
number_id!(
    /// Counts the owners of one slot. A command that names an older epoch takes no effect.
    Epoch(u64)
);
number_id!(
    /// Counts the committed changes of one call; makes every command idempotent.
    Step(u32)
);
number_id!(
    /// One run of a node's process, drawn at random when it starts.
    Incarnation(u64)
);
number_id!(
    /// Tells one cluster's data and messages from another's.
    ClusterId(u64)
);

impl From<u64> for NodeId {
    fn from(id: u64) -> Self {
        Self(id)
    }
}

impl Epoch {
    /// The epoch of the next owner.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl Step {
    /// The step of the next change.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// A call: its slot, and a number drawn at random by the node that admitted it.
///
/// The text form is 20 lower-case hexadecimal digits: 4 for the slot, 16 for the number. It is
/// what the API shows and what our tags, branches and Call-IDs carry (see [`crate::Token`]).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CallId {
    /// The slot the call belongs to.
    pub slot: SlotId,
    /// Tells the calls of one slot apart.
    pub nonce: u64,
}

impl CallId {
    /// Length of the text form in bytes.
    pub const TEXT_LEN: usize = 20;

    /// The text form.
    fn digits(self) -> [u8; Self::TEXT_LEN] {
        const SLOT_LEN: usize = 4;
        std::array::from_fn(|at| {
            let (number, from_end) = match at.checked_sub(SLOT_LEN) {
                None => (u64::from(self.slot.0), SLOT_LEN - 1 - at),
                Some(at) => (self.nonce, Self::TEXT_LEN - SLOT_LEN - 1 - at),
            };
            match (number >> (4 * from_end)) as u8 & 0xf {
                digit @ 0..=9 => b'0' + digit,
                digit => b'a' + digit - 10,
            }
        })
    }

    /// Reads the text form; `None` if it is anything else.
    #[must_use]
    pub fn from_ascii(text: &[u8]) -> Option<Self> {
        if text.len() != Self::TEXT_LEN {
            return None;
        }
        let mut value: u128 = 0;
        for byte in text {
            let digit = match byte {
                b'0'..=b'9' => byte - b'0',
                b'a'..=b'f' => byte - b'a' + 10,
                _ => return None,
            };
            value = (value << 4) | u128::from(digit);
        }
        let slot = u16::try_from(value >> 64).ok()?;
        let nonce = u64::try_from(value & u128::from(u64::MAX)).ok()?;
        Some(Self { slot: SlotId(slot), nonce })
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Every message that we send has it several times: it is worth more than `{:016x}`.
        f.write_str(std::str::from_utf8(&self.digits()).unwrap_or_default())
    }
}

impl fmt::Debug for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not a call id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a call id is 20 hexadecimal digits, lower case")]
pub struct InvalidCallId;

impl FromStr for CallId {
    type Err = InvalidCallId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::from_ascii(text.as_bytes()).ok_or(InvalidCallId)
    }
}

/// A call detail record: its place in the log. Text form `index.position`.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct CdrId {
    /// Index of the log entry that ended the call.
    pub index: u64,
    /// Place of the ending command within that entry.
    pub position: u32,
}

impl fmt::Display for CdrId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.index, self.position)
    }
}

/// The text is not a CDR id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a CDR id is two numbers with a dot between them, such as 4711.0")]
pub struct InvalidCdrId;

impl FromStr for CdrId {
    type Err = InvalidCdrId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (index, position) = text.split_once('.').ok_or(InvalidCdrId)?;
        Ok(Self {
            index: index.parse().map_err(|_| InvalidCdrId)?,
            position: position.parse().map_err(|_| InvalidCdrId)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn call_id_text_form_is_reversible() {
        let call = CallId { slot: SlotId(63), nonce: 0x0123_4567_89ab_cdef };
        assert_eq!(call.to_string(), "003f0123456789abcdef");
        assert_eq!("003f0123456789abcdef".parse(), Ok(call));
    }

    #[test]
    fn call_id_refuses_other_text() {
        for text in ["", "003f0123456789abcde", "003F0123456789abcdef", "003f0123456789abcdeg"] {
            assert_eq!(text.parse::<CallId>(), Err(InvalidCallId), "{text}");
        }
    }

    #[test]
    fn cdr_id_text_form_is_reversible() {
        let id = CdrId { index: 4711, position: 3 };
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!("4711".parse::<CdrId>(), Err(InvalidCdrId));
    }
}
