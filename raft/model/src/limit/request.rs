//! What the limits have to know of a request.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::Name;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Operation {
    /// A new call. Its tokens are taken by the entry that admits it.
    Invite,
    /// A registration. Like all that follow, it spends tokens that the node has leased.
    Register,
    /// OPTIONS outside a dialog.
    Options,
    /// MESSAGE.
    Message,
    /// SUBSCRIBE or PUBLISH.
    Subscribe,
    /// A request of the management API.
    Api,
}

impl Operation {
    /// The word used in the configuration and in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Invite => "invite",
            Self::Register => "register",
            Self::Options => "options",
            Self::Message => "message",
            Self::Subscribe => "subscribe",
            Self::Api => "api",
        }
    }
}

/// What an admission tells the limits besides tenant, trunk, source and targets, which it has
/// anyway. The proposer fills it in: apply parses no SIP.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Demand {
    /// The site that the call came in at.
    pub pop: Name,
    /// The caller's number: the user part of the From URI, without visual separators. At most
    /// [`crate::limits::MAX_LIMIT_TEXT`] bytes.
    pub caller: String,
    /// The dialled number: the user part of the Request-URI without visual separators, or the whole
    /// URI in lower case if it has none (`urn:service:sos`). As long at most.
    pub called: String,
}

/// A request as the limits see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// What is asked for.
    pub operation: Operation,
    /// The site.
    pub pop: &'a str,
    /// Whose it is.
    pub tenant: &'a str,
    /// The trunk it came from.
    pub trunk: &'a str,
    /// Where it came from.
    pub source: IpAddr,
    /// The caller's number.
    pub caller: &'a str,
    /// The dialled number.
    pub called: &'a str,
}
