//! How owners are struck, and what follows: death, deposition, the loss of a lease; and the rules that
//! mutants break.

use bytes::Bytes;
use holdline_call::Input;
use holdline_model::{CallRecord, Millis, NodeId, Phase, TransferReason};

use super::{Due, World};
use crate::point::{Fault, InFlight, Mutant};

/// How long a deposed owner does not know that it is.
const NEWS_MS: u64 = 40;
/// How long a lease is lost that nobody takes advantage of.
const SUSPENDED_MS: u64 = 400;
/// How long a cut-off owner stays cut off after another one has taken over.
const CUT_OFF_MS: u64 = 1_000;

impl World {
    /// Gives an input to the owner that comes from outside; here it may die.
    pub(super) fn stimulate(&mut self, id: NodeId, input: Input) {
        let Some(node) = self.node(id).filter(|node| node.alive) else { return };
        node.counts.inputs += 1;
        match node.fault {
            Some(Fault::BeforeInput(k)) if k == node.counts.inputs => self.kill(id),
            Some(Fault::Handover(k)) if k == node.counts.inputs => {
                self.hand_over(id);
                self.feed(id, input);
            }
            Some(Fault::Suspended(k)) if k == node.counts.inputs => {
                self.note(format!("node {id} is suspended"));
                self.feed(id, Input::Suspended(true));
                self.feed(id, input);
                self.at(SUSPENDED_MS, Due::Lease(id));
            }
            Some(Fault::CutOff(k)) if k == node.counts.inputs => {
                self.note(format!("node {id} is cut off"));
                self.feed(id, Input::Suspended(true));
                self.feed(id, input);
                self.holder = None;
                self.at(self.point.takeover_ms, Due::Takeover(id));
                self.at(self.point.takeover_ms + CUT_OFF_MS, Due::Lease(id));
            }
            Some(_) | None => self.feed(id, input),
        }
    }

    pub(super) fn kill(&mut self, id: NodeId) {
        if let Some(node) = self.node(id) {
            node.alive = false;
        }
        self.note(format!("node {id} dies"));
        if self.point.in_flight == InFlight::Lost {
            self.due.retain(|_, due| !matches!(due, Due::Apply(node, ..) if *node == id));
        }
        if self.holder == Some(id) {
            self.holder = None;
        }
        self.at(self.point.takeover_ms, Due::Takeover(id));
    }

    pub(super) fn take_over(&mut self, dead: NodeId) {
        let to = NodeId(dead.0 % 3 + 1);
        self.takeovers += 1;
        self.note(format!("node {to} takes over"));
        let now = Millis(self.now);
        for (slot, epoch, calls) in self.consensus.transfer(now, dead, to, TransferReason::Failure)
        {
            let calls = self.mutilate(calls);
            self.at(CUT_OFF_MS - 1, Due::Deposed(dead, slot));
            self.at(0, Due::Licence(to, slot, epoch, calls));
        }
    }

    /// The slots are moved while the owner lives; both hear of it a little later.
    pub(super) fn hand_over(&mut self, from: NodeId) {
        let to = NodeId(from.0 % 3 + 1);
        self.takeovers += 1;
        self.note(format!("node {from} is deposed"));
        let now = Millis(self.now);
        for (slot, _, _) in self.consensus.transfer(now, from, to, TransferReason::Drain) {
            let (slot, epoch, calls) = self.consensus.licence(slot);
            let calls = self.mutilate(calls);
            self.at(NEWS_MS, Due::Deposed(from, slot));
            self.at(NEWS_MS, Due::Licence(to, slot, epoch, calls));
        }
    }

    pub(super) fn mutilate(&self, mut calls: Vec<CallRecord>) -> Vec<CallRecord> {
        match self.point.mutant {
            Mutant::DropsTombstones => calls.retain(|call| call.phase != Phase::Finished),
            Mutant::ForgetsCalls => calls.clear(),
            Mutant::None
            | Mutant::SpeaksEarly
            | Mutant::NewBranches
            | Mutant::NewBytes
            | Mutant::NoFence
            | Mutant::BillsTwice => {}
        }
        calls
    }

    pub(super) fn mutate(&self, id: NodeId, bytes: Bytes) -> Bytes {
        let (from, to) = match self.point.mutant {
            Mutant::NewBranches => (".i0", ".i7"),
            Mutant::NewBytes => ("Max-Forwards: 69", "Max-Forwards: 68"),
            Mutant::None
            | Mutant::SpeaksEarly
            | Mutant::DropsTombstones
            | Mutant::ForgetsCalls
            | Mutant::NoFence
            | Mutant::BillsTwice => return bytes,
        };
        if id == NodeId(1) {
            return bytes;
        }
        String::from_utf8_lossy(&bytes).replace(from, to).into()
    }
}
