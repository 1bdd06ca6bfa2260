//! The replicated state, and the log of what was applied to it.

use holdline_apply::{Action, Position, apply};
use holdline_model::{
    CallCommand, CallId, CallRecord, ClusterId, Command, Epoch, FormCluster, Incarnation,
    LimitTick, Millis, Name, NodeId, NodeUp, Reply, SlotId, SlotMove, Sweep, TransferReason,
    TransferSlots,
};

use super::limit::Limit;
use super::point::Mutant;
use super::tables::Tables;

/// How many slots there are; slot `n` has its home at node `n % 3 + 1`.
pub(crate) const SLOTS: u16 = 6;

/// The replicated state of the whole cluster.
#[derive(Debug)]
pub(crate) struct Consensus {
    pub(crate) tables: Tables,
    index: u64,
    mutant: Mutant,
}

impl Consensus {
    /// A formed cluster of three nodes.
    pub(crate) fn new(now: Millis, mutant: Mutant, limit: Limit) -> Self {
        let mut this = Self { tables: Tables::default(), index: 0, mutant };
        let members: Vec<NodeId> = (1..=3).map(NodeId).collect();
        for node in &members {
            let address = |port: u16| format!("10.1.0.{node}:{port}").parse().expect("constant");
            this.run(&Command::NodeUp(Box::new(NodeUp {
                node: *node,
                incarnation: Incarnation(1),
                pop: Name::from("pop"),
                sip: vec![address(5060)],
                rpc: address(7060),
                admin: address(8060),
                version: "test".to_owned(),
                at: now,
                listeners: Vec::new(),
                gossip: address(7060),
                role: holdline_model::NodeRole::Full,
            })));
        }
        let form = FormCluster { cluster: ClusterId(1), slots: SLOTS, members, at: now };
        this.run(&Command::FormCluster(form));
        limit.set(&mut this.tables, now);
        this
    }

    /// Applies a call's command.
    pub(crate) fn call(&mut self, command: &CallCommand) -> Reply {
        let mut command = command.clone();
        if self.mutant == Mutant::NoFence
            && let Some(slot) = self.tables.slots.get(&command.call.slot)
        {
            command.epoch = slot.epoch;
        }
        let reply = self.run(&Command::Call(command));
        if let (Mutant::BillsTwice, Reply::Ended(_)) = (self.mutant, &reply) {
            let again = self.tables.cdrs.last().cloned();
            self.tables.cdrs.extend(again);
        }
        reply
    }

    /// Moves all slots of a node to another; returns each with its new epoch and its calls.
    pub(crate) fn transfer(
        &mut self,
        now: Millis,
        from: NodeId,
        to: NodeId,
        reason: TransferReason,
    ) -> Vec<(SlotId, Epoch, Vec<CallRecord>)> {
        let owned = self.tables.slots.values().filter(|slot| slot.owner == from);
        let moves: Vec<SlotMove> =
            owned.map(|slot| SlotMove { slot: slot.slot, expected: slot.epoch, to }).collect();
        self.run(&Command::TransferSlots(TransferSlots { moves: moves.clone(), reason, at: now }));
        moves.iter().map(|moved| self.licence(moved.slot)).collect()
    }

    /// What the owner of a slot gets to know when it becomes owner.
    pub(crate) fn licence(&self, slot: SlotId) -> (SlotId, Epoch, Vec<CallRecord>) {
        let epoch = self.tables.slots.get(&slot).expect("it exists").epoch;
        let calls = self.tables.calls.values().filter(|call| call.call.slot == slot);
        (slot, epoch, calls.cloned().collect())
    }

    /// The slots of a node.
    pub(crate) fn slots_of(&self, node: NodeId) -> Vec<SlotId> {
        let owned = self.tables.slots.values().filter(|slot| slot.owner == node);
        owned.map(|slot| slot.slot).collect()
    }

    /// Removes old tombstones.
    pub(crate) fn sweep(&mut self, up_to: Millis) {
        self.run(&Command::Sweep(Sweep { up_to }));
    }

    /// Time passes for the limits, as the leader has it. The third node leads: it is struck last.
    pub(crate) fn tick(&mut self, at: Millis) {
        self.run(&Command::LimitTick(LimitTick { node: NodeId(3), at }));
    }

    /// A call that is not over.
    pub(crate) fn live_call(&self) -> Option<CallId> {
        let mut calls = self.tables.calls.values();
        calls.find(|call| call.end.is_none()).map(|call| call.call)
    }

    fn run(&mut self, command: &Command) -> Reply {
        self.index += 1;
        let position = Position { index: self.index, position: 0 };
        let mut actions: Vec<Action> = Vec::new();
        apply(&mut self.tables, position, command, &mut actions).expect("maps do not fail")
    }
}
