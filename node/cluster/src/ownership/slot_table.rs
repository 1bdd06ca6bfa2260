//! A snapshot of the replicated slot table and of the nodes' addresses, arranged for the questions
//! that every datagram raises. Cloning costs a counter; node publishes a new one after each change.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;

use holdline_model::{Epoch, Listener, NodeId, NodeRecord, SlotId, SlotRecord};

use super::slot_of;

/// Who owns a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ownership {
    /// Who acts for it.
    pub owner: NodeId,
    /// In which epoch.
    pub epoch: Epoch,
    /// The node it belongs to when all is well.
    pub home: NodeId,
}

/// The slot table as it was when it was built.
#[derive(Clone, Debug, Default)]
pub struct SlotTable {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    slots: BTreeMap<SlotId, Ownership>,
    all: Vec<SlotId>,
    by_home: BTreeMap<NodeId, Vec<SlotId>>,
    /// The slots that calls arriving at a node's addresses may get: this never changes.
    by_origin: BTreeMap<NodeId, Vec<SlotId>>,
    /// Who has a removed node's addresses.
    heirs: BTreeMap<NodeId, NodeId>,
    /// Looked up for every datagram; never iterated.
    homes: HashMap<SocketAddr, NodeId>,
    addresses: BTreeMap<NodeId, BTreeSet<SocketAddr>>,
    listeners: BTreeMap<NodeId, Vec<Listener>>,
}

impl SlotTable {
    /// Arranges the tables. If two nodes announce the same address, it is the lower node's.
    #[must_use]
    pub fn new(slots: &[SlotRecord], nodes: &[NodeRecord]) -> Self {
        let mut inner = Inner::default();
        for record in slots {
            let &SlotRecord { slot, owner, epoch, home, origin, .. } = record;
            inner.slots.insert(slot, Ownership { owner, epoch, home });
            inner.by_origin.entry(origin).or_default().push(slot);
        }
        for slots in inner.by_origin.values_mut() {
            slots.sort_unstable();
        }
        let removed = nodes.iter().filter_map(|node| Some((node.node, node.removed?.heir?)));
        inner.heirs = removed.collect();
        for (slot, ownership) in &inner.slots {
            inner.all.push(*slot);
            inner.by_home.entry(ownership.home).or_default().push(*slot);
        }
        let mut nodes: Vec<_> = nodes.iter().collect();
        nodes.sort_unstable_by_key(|record| record.node);
        for record in nodes {
            inner.listeners.insert(record.node, record.listeners.clone());
            for addr in &record.sip {
                if inner.homes.contains_key(addr) {
                    continue;
                }
                inner.homes.insert(*addr, record.node);
                if let Some(holder) = inner.holder_of_home(record.node) {
                    inner.addresses.entry(holder).or_default().insert(*addr);
                }
            }
        }
        Self { inner: Arc::new(inner) }
    }

    /// Who owns `slot`; `None` if there is no such slot.
    #[must_use]
    pub fn ownership(&self, slot: SlotId) -> Option<Ownership> {
        self.inner.slots.get(&slot).copied()
    }

    /// The slots, in order, with their owners.
    pub fn iter(&self) -> impl Iterator<Item = (SlotId, Ownership)> + '_ {
        self.inner.slots.iter().map(|(slot, ownership)| (*slot, *ownership))
    }

    /// The slots that `node` owns, in order.
    pub fn owned_by(&self, node: NodeId) -> impl Iterator<Item = (SlotId, Epoch)> + '_ {
        let owned = move |(slot, ownership): (SlotId, Ownership)| {
            (ownership.owner == node).then_some((slot, ownership.epoch))
        };
        self.iter().filter_map(owned)
    }

    /// The node whose address `addr` is when all is well; `None` if it is no floating address.
    #[must_use]
    pub fn home_of(&self, addr: SocketAddr) -> Option<NodeId> {
        self.inner.homes.get(&addr).copied()
    }

    /// The slots that calls arriving at `addr` may get: those whose first home it was. The address
    /// of a node that joined later serves all slots. Empty for an unknown address.
    ///
    /// Invariant: it is the same whatever homes the slots find, so that what belongs to a call is
    /// found by its Call-ID alone.
    #[must_use]
    pub fn slots_at(&self, addr: SocketAddr) -> &[SlotId] {
        let Some(home) = self.home_of(addr) else { return &[] };
        self.inner.by_origin.get(&home).unwrap_or(&self.inner.all)
    }

    /// The slot of a new call that arrived at `addr` with this Call-ID.
    #[must_use]
    pub fn slot_for(&self, addr: SocketAddr, call_id: &[u8]) -> Option<SlotId> {
        slot_of(call_id, self.slots_at(addr))
    }

    /// The slot of an address of record, wherever its REGISTER arrives; `None` before there are slots.
    #[must_use]
    pub fn slot_of_aor(&self, aor: &str) -> Option<SlotId> {
        slot_of(aor.as_bytes(), &self.inner.all)
    }

    /// The node that is to hold `addr` now; `None` if it is no floating address.
    #[must_use]
    pub fn holder_of(&self, addr: SocketAddr) -> Option<NodeId> {
        self.home_of(addr).and_then(|home| self.inner.holder_of_home(home))
    }

    /// The floating addresses that `node` is to hold now: those of all homes whose slots it has.
    #[must_use]
    pub fn addresses_of(&self, node: NodeId) -> BTreeSet<SocketAddr> {
        self.inner.addresses.get(&node).cloned().unwrap_or_default()
    }

    /// What listens at the addresses of each node, in order of nodes.
    pub fn listeners(&self) -> impl Iterator<Item = (NodeId, &[Listener])> + '_ {
        self.inner.listeners.iter().map(|(node, listeners)| (*node, listeners.as_slice()))
    }

    /// All floating addresses, in order.
    #[must_use]
    pub fn addresses(&self) -> BTreeSet<SocketAddr> {
        self.inner.addresses.values().flatten().copied().collect()
    }
}

impl Inner {
    /// Who holds the addresses of `home`: the owner of its first slot. Slots of one home move
    /// together; should they be apart for a moment, this still names one holder, and the others'
    /// datagrams are forwarded. A removed node's addresses go with its heir's. Nobody holds those of
    /// a node that is home to no slot (it has joined, and has no share yet).
    fn holder_of_home(&self, home: NodeId) -> Option<NodeId> {
        let mut home = home;
        // Each step goes on to a node that was removed later; the bound is for tables that lie.
        for _ in 0..=self.heirs.len() {
            let Some(heir) = self.heirs.get(&home) else { break };
            home = *heir;
        }
        let first = self.by_home.get(&home).and_then(|slots| slots.first())?;
        self.slots.get(first).map(|ownership| ownership.owner)
    }
}

#[cfg(test)]
mod tests {
    use holdline_model::{Incarnation, Millis, Name, NodeRole, Removal};

    use super::*;

    fn record(slot: u16, home: u64, owner: u64, epoch: u64) -> SlotRecord {
        SlotRecord {
            slot: SlotId(slot),
            home: NodeId(home),
            owner: NodeId(owner),
            epoch: Epoch(epoch),
            history: Vec::new(),
            origin: NodeId(home),
        }
    }

    fn addr(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn node(node: u64, sip: &[&str]) -> NodeRecord {
        NodeRecord {
            node: NodeId(node),
            incarnation: Incarnation(1),
            pop: Name::from("a"),
            sip: sip.iter().map(|text| addr(text)).collect(),
            rpc: addr("127.0.0.1:1"),
            admin: addr("127.0.0.1:2"),
            version: String::new(),
            up_at: Millis(0),
            draining: false,
            listeners: Vec::new(),
            gossip: addr("127.0.0.1:3"),
            role: NodeRole::Full,
            removed: None,
        }
    }

    fn table() -> SlotTable {
        let slots =
            [record(0, 1, 1, 4), record(1, 2, 1, 7), record(2, 1, 1, 4), record(3, 2, 1, 7)];
        let nodes = [
            node(2, &["127.0.0.12:5060", "[::1]:5060"]),
            node(1, &["127.0.0.11:5060"]),
            node(3, &["127.0.0.13:5060", "127.0.0.11:5060"]),
        ];
        SlotTable::new(&slots, &nodes)
    }

    #[test]
    fn names_owner_epoch_and_home() {
        let expected = Ownership { owner: NodeId(1), epoch: Epoch(7), home: NodeId(2) };
        assert_eq!(table().ownership(SlotId(1)), Some(expected));
        assert_eq!(table().ownership(SlotId(4)), None);
        assert_eq!(table().owned_by(NodeId(1)).count(), 4);
        assert_eq!(table().owned_by(NodeId(2)).count(), 0);
    }

    #[test]
    fn an_address_goes_with_the_slots_of_its_home() {
        let table = table();
        let lost = addr("127.0.0.12:5060");
        assert_eq!(table.home_of(lost), Some(NodeId(2)));
        assert_eq!(table.holder_of(lost), Some(NodeId(1)));
        assert_eq!(table.slots_at(lost), [SlotId(1), SlotId(3)]);
        let held = ["127.0.0.11:5060", "127.0.0.12:5060", "[::1]:5060"].map(addr);
        assert_eq!(table.addresses_of(NodeId(1)), BTreeSet::from(held));
        assert_eq!(table.addresses_of(NodeId(2)), BTreeSet::new());
    }

    #[test]
    fn a_node_that_joined_later_serves_all_slots_once_it_is_home_to_one() {
        let late = addr("127.0.0.13:5060");
        assert_eq!(table().holder_of(late), None);
        let mut slots =
            [record(0, 1, 1, 4), record(1, 2, 2, 7), record(2, 3, 3, 5), record(3, 2, 2, 7)];
        slots[2].origin = NodeId(1);
        let nodes = [1, 2, 3].map(|id| node(id, &[&format!("127.0.0.1{id}:5060")]));
        let table = SlotTable::new(&slots, &nodes);
        assert_eq!(table.holder_of(late), Some(NodeId(3)));
        assert_eq!(table.slots_at(late).len(), 4);
        // Where a call belongs that arrives at an older address has not changed.
        assert_eq!(table.slots_at(addr("127.0.0.11:5060")), [SlotId(0), SlotId(2)]);
    }

    #[test]
    fn a_removed_nodes_addresses_go_to_its_heir_and_on_to_that_ones() {
        let mut slots = [record(0, 3, 3, 4), record(1, 3, 2, 7)];
        slots[0].origin = NodeId(1);
        let mut nodes = [1, 2, 3].map(|id| node(id, &[&format!("127.0.0.1{id}:5060")]));
        for (place, heir) in [(0, 2), (1, 3)] {
            nodes[place].removed = Some(Removal { at: Millis(1), heir: Some(NodeId(heir)) });
        }
        let table = SlotTable::new(&slots, &nodes);
        assert_eq!(table.holder_of(addr("127.0.0.11:5060")), Some(NodeId(3)));
        assert_eq!(table.slots_at(addr("127.0.0.11:5060")), [SlotId(0)]);
        assert_eq!(table.addresses_of(NodeId(3)).len(), 3);
    }

    #[test]
    fn a_doubly_claimed_address_is_the_lower_nodes() {
        assert_eq!(table().home_of(addr("127.0.0.11:5060")), Some(NodeId(1)));
    }

    #[test]
    fn an_unknown_address_has_no_slots() {
        let table = table();
        let unknown = addr("192.0.2.1:5060");
        assert_eq!(table.slot_for(unknown, b"x"), None);
        assert_eq!(table.holder_of(unknown), None);
        let known = table.slot_for(addr("127.0.0.12:5060"), b"x");
        assert!(matches!(known, Some(SlotId(1 | 3))));
    }
}
