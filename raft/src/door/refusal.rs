//! Why a node is turned away at the door.

use std::net::SocketAddr;
use std::time::Duration;

use holdline_model::{Millis, NodeId};
use serde::{Deserialize, Serialize};

use crate::membership::Tolerance;

/// How far the clock of a node that joins may be off.
pub const CLOCK_LIMIT: Duration = Duration::from_secs(5);

/// Why a node is turned away. Asking again is of no use before something is changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Refusal {
    /// It means another cluster.
    #[error(
        "it is cluster \"{ours}\", not the one in cluster.name: correct the name, leave it out, or join another seed"
    )]
    OtherCluster {
        /// The cluster's name.
        ours: String,
    },
    /// Its clock is off.
    #[error(
        "this node's clock is {off_ms} ms {} the cluster's, and {} ms are allowed: set it (NTP), then start again",
        if *ahead { "ahead of" } else { "behind" }, CLOCK_LIMIT.as_millis()
    )]
    ClockOff {
        /// By how much.
        off_ms: u64,
        /// Whether it is ahead.
        ahead: bool,
    },
    /// The number was given out before.
    #[error(
        "number {node} was used before, and numbers are never used again (the highest is {highest}): leave node.id out, and the cluster gives one"
    )]
    NodeTaken {
        /// Which number.
        node: NodeId,
        /// The highest that was ever used.
        highest: NodeId,
    },
    /// A node of that number is alive.
    #[error(
        "node {node} is alive at {rpc}: two processes must not be the same node; correct node.id, or end the other one"
    )]
    NodeAlive {
        /// Which node.
        node: NodeId,
        /// Where it is.
        rpc: SocketAddr,
    },
    /// A node with data is at that address.
    #[error(
        "{rpc} is the address of node {node}: start it with the data it had, or remove it first: holdline member remove {node}"
    )]
    AddressTaken {
        /// The address.
        rpc: SocketAddr,
        /// Whose it is.
        node: NodeId,
    },
    /// The member lives elsewhere.
    #[error(
        "node {node} is reached at {rpc}, not where this node listens: give it another number by joining (cluster.join), and replace that one: holdline member replace {node} NEW"
    )]
    OtherAddress {
        /// Which node.
        node: NodeId,
        /// Where it is known to be.
        rpc: SocketAddr,
    },
    /// It was removed.
    #[error(
        "node {node} was removed from the cluster (at {at} ms since 1970): it does not come back; empty its data folder and join with a new number"
    )]
    Removed {
        /// Which node.
        node: NodeId,
        /// When.
        at: Millis,
    },
    /// No node of that number is known.
    #[error("node {node} is no member: set cluster.join instead of cluster.members")]
    Unknown {
        /// Which node.
        node: NodeId,
    },
    /// There are as many members as there may be.
    #[error("the cluster has {limit} members, and no more may be: remove one first")]
    Full {
        /// How many.
        limit: u32,
    },
    /// The member lost its data, and cannot be spared until it has it again.
    #[error(
        "its data is gone, and without its vote there is no majority (of {} voters {} are alive, {} needed): start the others first",
        after.voters, after.alive, after.needed
    )]
    Needed {
        /// How it would be.
        after: Tolerance,
    },
    /// The key is another cluster's.
    #[error("the cluster's key is another one: set cluster.key (or key_file) to the cluster's")]
    OtherKey,
    /// The format is another version's.
    #[error("it speaks another format ({0}): run the version of Holdline that the cluster runs")]
    OtherFormat(String),
    /// It asks as another node than its certificate names.
    #[error(
        "its certificate is node {node}'s, and it asks as another: correct node.id, or issue its own: holdline certs issue"
    )]
    OtherCertificate {
        /// Whom the certificate names.
        node: NodeId,
    },
}

impl Refusal {
    /// The word in metrics.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::OtherCluster { .. } => "cluster",
            Self::ClockOff { .. } => "clock",
            Self::NodeTaken { .. } => "node_taken",
            Self::NodeAlive { .. } => "node_alive",
            Self::AddressTaken { .. } => "address_taken",
            Self::OtherAddress { .. } => "address",
            Self::Removed { .. } => "removed",
            Self::Unknown { .. } => "unknown",
            Self::Full { .. } => "full",
            Self::Needed { .. } => "needed",
            Self::OtherKey => "key",
            Self::OtherFormat(_) => "format",
            Self::OtherCertificate { .. } => "certificate",
        }
    }

    /// Judges a clock that showed `theirs` when ours shows `ours`.
    #[must_use]
    pub fn of_clock(theirs: Millis, ours: Millis) -> Option<Self> {
        let off_ms = theirs.0.abs_diff(ours.0);
        let limit = u64::try_from(CLOCK_LIMIT.as_millis()).unwrap_or(u64::MAX);
        (off_ms > limit).then_some(Self::ClockOff { off_ms, ahead: theirs > ours })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_may_be_off_by_five_seconds_and_not_more() {
        let ours = Millis(1_000_000);
        assert_eq!(Refusal::of_clock(Millis(1_005_000), ours), None);
        assert_eq!(Refusal::of_clock(Millis(995_000), ours), None);
        let behind = Refusal::of_clock(Millis(994_999), ours).unwrap();
        assert_eq!(behind, Refusal::ClockOff { off_ms: 5_001, ahead: false });
        assert!(behind.to_string().contains("5001 ms behind the cluster's"), "{behind}");
        let ahead = Refusal::of_clock(Millis(1_005_001), ours);
        assert_eq!(ahead, Some(Refusal::ClockOff { off_ms: 5_001, ahead: true }));
    }
}
