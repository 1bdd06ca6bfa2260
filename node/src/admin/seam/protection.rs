//! What a node does by itself against noisy neighbours and overload, as the API shows it.

use std::net::IpAddr;

use async_trait::async_trait;
use holdline_call::Allowed;
use holdline_guard::{Ban, BanScope, GateCounts, Load, OverloadState};
use holdline_model::{Cidr, Millis, NodeId};

use super::ClusterApiError;
use crate::protect::allowances::LeaseFacts;
use crate::protect::tops::{Dimension, TopList};

/// Bans, heavy hitters and overload.
#[async_trait]
pub trait ProtectionApi: Send + Sync + 'static {
    /// What the node that answers does.
    fn protection(&self) -> ProtectionFacts;

    /// Whether a request of this API from `source` is let in by the cluster's limits; spends what it
    /// costs. `again`: it was told to wait before.
    fn allow(&self, source: IpAddr, again: bool) -> Allowed;

    /// The heaviest of one dimension: of all nodes that are heard, or here alone.
    fn top(&self, dimension: Dimension, limit: usize, here: bool) -> TopList;

    /// All bans in force, by block.
    fn bans(&self) -> Vec<Ban>;

    /// Bans a block; the other nodes know within about a second.
    async fn ban(&self, request: BanRequest) -> Result<Ban, ClusterApiError>;

    /// Lifts a ban, everywhere.
    async fn lift_ban(&self, block: Cidr) -> Result<(), ClusterApiError>;
}

/// A ban that an operator asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BanRequest {
    /// Whom.
    pub block: Cidr,
    /// For how long, in milliseconds.
    pub for_ms: u64,
    /// From what.
    pub scope: BanScope,
}

/// What one node does by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProtectionFacts {
    /// Which node.
    pub node: NodeId,
    /// The time.
    pub now: Millis,
    /// What its gate does.
    pub overload: OverloadState,
    /// The delays by which that was decided.
    pub load: Load,
    /// New calls so far.
    pub calls: GateCounts,
    /// Sources that the shield remembers.
    pub sources: usize,
    /// Sources that it could remember; 0: it is off.
    pub max_sources: usize,
    /// Bans in force.
    pub bans: usize,
    /// Tokens that it has leased, by class.
    pub leases: Vec<LeaseFacts>,
}
