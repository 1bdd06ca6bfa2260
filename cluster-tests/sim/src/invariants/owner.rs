//! One acting owner per slot and epoch; and, outside a planned move, per slot.
//!
//! A node acts for a slot while it holds its lease and its own copy of the table names it as the
//! owner, in this run. In a planned move both nodes may act for the moment until the old owner has
//! applied it (docs/architecture.md, section 4); a move for a failure has no such moment.

use std::collections::BTreeMap;

use holdline_model::{Epoch, SlotId, TransferReason};

use crate::net::HostId;

/// A node acts for a slot.
#[derive(Clone, Copy, Debug)]
pub struct Acting {
    /// Which node.
    pub host: HostId,
    /// For which slot.
    pub slot: SlotId,
    /// In which epoch.
    pub epoch: Epoch,
    /// Why it was given the slot.
    pub reason: TransferReason,
}

/// Looks at all who act at one moment.
#[must_use]
pub fn faults(acting: &[Acting]) -> Vec<String> {
    let mut newest: BTreeMap<SlotId, Acting> = BTreeMap::new();
    let mut faults = Vec::new();
    for one in acting {
        let Some(other) = newest.get(&one.slot).copied() else {
            newest.insert(one.slot, *one);
            continue;
        };
        let later = if one.epoch > other.epoch { *one } else { other };
        if one.epoch == other.epoch {
            let (slot, epoch) = (one.slot, one.epoch);
            let hosts = (other.host, one.host);
            faults.push(format!("owner: {hosts:?} both act for slot {slot} in epoch {epoch}"));
        } else if later.reason == TransferReason::Failure {
            let (slot, hosts) = (one.slot, (other.host, one.host));
            faults.push(format!("owner: {hosts:?} act for slot {slot} after a takeover"));
        }
        newest.insert(one.slot, later);
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acting(host: usize, epoch: u64, reason: TransferReason) -> Acting {
        Acting { host: HostId(host), slot: SlotId(3), epoch: Epoch(epoch), reason }
    }

    #[test]
    fn two_owners_are_a_fault_but_for_the_moment_of_a_planned_move() {
        let formed = acting(0, 1, TransferReason::Formed);
        assert!(faults(&[formed]).is_empty());
        assert_eq!(faults(&[formed, acting(1, 1, TransferReason::Formed)]).len(), 1);
        assert_eq!(faults(&[acting(1, 2, TransferReason::Failure), formed]).len(), 1);
        assert!(faults(&[formed, acting(1, 2, TransferReason::Drain)]).is_empty());
    }
}
