//! One of the two dialogs of an answered call (RFC 3261 section 12), as our side of it sees it.

use serde::{Deserialize, Serialize};

use crate::Hop;

/// One of the two parties of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Side {
    /// Who sent the INVITE.
    Caller,
    /// Whom we sent it to.
    Callee,
}

impl Side {
    /// The other party.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Caller => Self::Callee,
            Self::Callee => Self::Caller,
        }
    }

    /// What is its own of a pair, of which the caller's comes first.
    pub const fn of<T>(self, [caller, callee]: &[T; 2]) -> &T {
        match self {
            Self::Caller => caller,
            Self::Callee => callee,
        }
    }

    /// The same, to be changed.
    pub const fn of_mut<T>(self, [caller, callee]: &mut [T; 2]) -> &mut T {
        match self {
            Self::Caller => caller,
            Self::Callee => callee,
        }
    }
}

/// What is needed to send a request within a dialog, and to judge one received.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dialog {
    /// Call-ID of this dialog.
    pub call_id: String,
    /// Our identity with our tag: the From value of requests that we send.
    pub local: String,
    /// The peer's identity with its tag: the To value of requests that we send.
    pub remote: String,
    /// CSeq number of the last request that we are known to have sent: we may have sent more since, up
    /// to [`crate::limits::CSEQ_AHEAD`] above it.
    pub local_cseq: u32,
    /// What the CSeq number of a request of the other side is raised by when it is passed on here, so
    /// that it goes out with the same number whoever passes it on. Requests of our own in between
    /// raise it for those that come after.
    pub shift: Shift,
    /// CSeq number of the last request that the peer sent; 0 if it sent none.
    pub remote_cseq: u32,
    /// The peer's Contact URI: the Request-URI of requests that we send.
    pub remote_target: String,
    /// Route header values in the order of sending, each a name-addr.
    pub route_set: Vec<String>,
    /// How requests to the peer go: to where, and from the address of ours that the peer knows.
    pub hop: Hop,
}

/// How CSeq numbers of the other dialog become numbers of this one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shift {
    /// For requests up to `pivot`.
    pub before: i64,
    /// The highest request seen when a request of our own was sent; 0 if none was.
    pub pivot: u32,
    /// For requests above `pivot`.
    pub after: i64,
}

impl Shift {
    /// The same for all requests.
    #[must_use]
    pub const fn of(by: i64) -> Self {
        Self { before: by, pivot: 0, after: by }
    }

    /// The number here of a request that has this number there; at most [`Dialog::MAX_CSEQ`].
    #[must_use]
    pub fn apply(self, cseq: u32) -> u32 {
        let by = if cseq > self.pivot { self.after } else { self.before };
        u32::try_from(i64::from(cseq) + by).unwrap_or(Dialog::MAX_CSEQ).min(Dialog::MAX_CSEQ)
    }
}

impl Dialog {
    /// RFC 3261 section 8.1.1.5: a CSeq number is below 2^31.
    pub const MAX_CSEQ: u32 = (1 << 31) - 1;

    /// The number that a request of the other side goes out with in this dialog.
    #[must_use]
    pub fn passed_cseq(&self, cseq: u32) -> u32 {
        self.shift.apply(cseq)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_on_from_a_request_of_our_own() {
        let shift = Shift { before: 1, pivot: 7, after: 3 };
        assert_eq!([6, 7, 8, 9].map(|cseq| shift.apply(cseq)), [7, 8, 11, 12]);
        assert_eq!(Shift::of(-4).apply(5), 1);
        assert_eq!(Shift::of(2).apply(Dialog::MAX_CSEQ), Dialog::MAX_CSEQ);
    }
}
