//! Tokens leased to a node, which spends them by itself on what does not ride on an admission.

use serde::{Deserialize, Serialize};

use super::Tokens;
use crate::{Incarnation, Millis, Name, NodeId};

/// A node tells what became of its last lease of a class, and asks for the next.
///
/// Leased tokens go on filling their bucket's room until they are accounted for, so that bucket and
/// leases together never hold more than the burst. What a dead node had leased counts as spent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseTokens {
    /// Who asks.
    pub node: NodeId,
    /// Which run of its process; another than the one announced last gets nothing.
    pub incarnation: Incarnation,
    /// The class.
    pub class: Name,
    /// Numbers the requests of this run for this class, from 1; a repeated one gets its first reply.
    pub request: u64,
    /// Of what is leased, what was spent since the last request. The rest may be spent on meanwhile.
    pub spent: Tokens,
    /// Of what is leased, what is given back: it is spent no more.
    pub returned: Tokens,
    /// What is wanted besides what is still held; 0 only accounts.
    pub want: Tokens,
    /// The proposer's time.
    pub at: Millis,
}

/// The reply to [`LeaseTokens`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenGrant {
    /// What is leased to it besides what it holds; between 0 and what it wanted.
    pub granted: Tokens,
    /// For how long all it holds may be spent, in milliseconds from the moment the request was sent,
    /// by the node's monotonic clock. What is left then may still be given back, but not spent.
    pub valid_ms: u64,
    /// If less was granted than wanted: when there will be more, in milliseconds.
    pub retry_after_ms: u64,
    /// The version of the configuration.
    pub version: u64,
}
