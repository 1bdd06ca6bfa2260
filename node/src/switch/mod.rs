//! The switch itself: between the sockets and the pure call engines.
//!
//! | part | what it does | its task |
//! |---|---|---|
//! | [`dispatcher`] | parses each datagram once, finds its slot, hands it to a shard or to the owner's node | one |
//! | [`directory`] | reads users and bindings for the engines | none |
//! | [`shard`] | runs one [`holdline_call::CallEngine`], carries out what it asks for | one each |
//! | [`catch_up`] | has this node apply what is committed before a call is refused by what it knows | none |
//! | [`again`] | the same before something for a registered device is sent to where it is no more | one |
//! | [`egress`] | sends from the address that the peer knows, here or through the node that holds it | none |
//! | [`expected`] | keeps what comes for a slot until its calls are here | none |
//! | [`names`] | keeps it known where the trunks' names lead | one |
//! | [`ownership`] | makes shards and floating addresses follow the replicated slot table and the lease | one |
//! | [`trunks`] | probes trunks, keeps their breakers, tells the shards which of them may be called | one |
//! | [`formats`] | raises the cluster's format, and has the data folder say which it is | one |
//! | [`leader`] | while this node leads: forms the cluster, moves slots, sweeps tombstones | one |
//!
//! Nothing here decides about calls (`node/call`), about ownership (`raft/apply`, by what the leader
//! proposes) or about who is dead (`raft`). Queues are bounded: what does not fit is dropped and
//! counted, and the SIP peer sends it again; but what came over a connection waits ([`held`]).
//!
//! Invariant: without a valid lease nothing is sent and no floating address is bound.

pub(crate) mod again;
pub(crate) mod catch_up;
pub(crate) mod cdrs;
pub(crate) mod destination;
pub(crate) mod directory;
pub(crate) mod dispatcher;
pub(crate) mod egress;
pub(crate) mod expected;
pub(crate) mod flows;
pub(crate) mod formats;
pub(crate) mod held;
pub(crate) mod holdings;
pub(crate) mod leader;
pub(crate) mod lookups;
mod members;
pub(crate) mod names;
pub(crate) mod next_hop;
pub(crate) mod ownership;
pub(crate) mod report;
pub(crate) mod shard;
pub(crate) mod table;
pub(crate) mod tls_peers;
pub(crate) mod trunks;

pub(crate) use table::SharedTable;

use holdline_model::SlotId;

/// The shard that runs a slot, of `shards`. Mixed, because a node's slots are evenly spaced and
/// might otherwise all fall to one shard.
pub(crate) fn shard_of(slot: SlotId, shards: usize) -> usize {
    let mixed = u32::from(slot.0).wrapping_mul(0x9e37_79b1) >> 16;
    usize::try_from(mixed).unwrap_or(0) % shards.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nodes_slots_are_spread_over_its_shards() {
        for nodes in [1_u16, 3, 5] {
            for shards in [2_usize, 3, 4] {
                let mut used = vec![0; shards];
                for slot in (0..64).step_by(usize::from(nodes)) {
                    used[shard_of(SlotId(slot), shards)] += 1;
                }
                assert!(used.iter().all(|count| *count > 0), "{nodes} {shards} {used:?}");
            }
        }
    }
}
