//! When the leader heard whom: noted by the RPC server and the probes, judged by `verdict`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use holdline_model::NodeId;

use crate::lease::{Contact, Longest, Probe, ProbeOutcome, Rules, Verdict, verdict};

/// The leader's notes. Clones share them. A field lock: no call holds it while waiting.
#[derive(Clone, Debug)]
pub(crate) struct Board {
    rules: Rules,
    longest: Longest,
    notes: Arc<Mutex<Notes>>,
}

#[derive(Debug, Default)]
struct Notes {
    /// The term led in, and since when; `None` while this node does not lead. Later by as much as the
    /// leases of earlier leaders may be longer than ours.
    leading: Option<(u64, Instant)>,
    /// As many as there are members.
    nodes: BTreeMap<NodeId, Contact>,
    /// Who holds a lease only after having applied so much: all entries of earlier terms.
    floor: Option<u64>,
    /// The nodes whose slots are being moved, or were. It outlives a term, since a proposal may.
    fences: BTreeMap<NodeId, Fenced>,
}

/// Why a node gets no lease for now.
#[derive(Clone, Copy, Debug, Default)]
struct Fenced {
    /// How many fences stand.
    standing: u32,
    /// What the node must have applied when none stands.
    applied: Option<u64>,
}

/// What the leader knows of the nodes. On another node: nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contacts {
    /// Since when this node leads, by its clock; `None` if it does not.
    pub leader_since: Option<Instant>,
    /// What is known of each other member.
    pub nodes: BTreeMap<NodeId, NodeContact>,
}

/// What the leader knows of a node, and what it thinks of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeContact {
    /// What it knows.
    pub contact: Contact,
    /// What it thinks.
    pub verdict: Verdict,
}

impl Board {
    pub(crate) fn new(rules: Rules, longest: Longest) -> Self {
        Self { rules, longest, notes: Arc::default() }
    }

    pub(crate) fn rules(&self) -> &Rules {
        &self.rules
    }

    /// This node leads in `term`, with these other members, and its log ends with `last_log`. What
    /// was heard in an earlier term counts no more.
    pub(crate) fn lead(
        &self,
        term: u64,
        now: Instant,
        last_log: Option<u64>,
        others: impl Iterator<Item = NodeId>,
    ) {
        let mut notes = self.lock();
        let same = notes.leading.is_some_and(|(led, _)| led == term);
        let known = if same { std::mem::take(&mut notes.nodes) } else { BTreeMap::new() };
        if !same {
            notes.leading = Some((term, now + self.longest.excess(now)));
            notes.floor = last_log;
        }
        notes.nodes = others.map(|n| (n, known.get(&n).copied().unwrap_or_default())).collect();
    }

    /// This node does not lead.
    pub(crate) fn follow(&self) {
        let mut notes = self.lock();
        notes.leading = None;
        notes.nodes = BTreeMap::new();
    }

    /// A lease request came from `node`, which has applied the entries up to `applied`. Says
    /// whether it may have a lease: if so, it cannot be fenced before the lease has ended.
    pub(crate) fn heard(&self, node: NodeId, applied: Option<u64>, now: Instant) -> bool {
        let mut notes = self.lock();
        let fence = notes.fences.get(&node).copied().unwrap_or_default();
        let needed = notes.floor.max(fence.applied);
        let Some(contact) = notes.nodes.get_mut(&node) else { return false };
        contact.heard = Some(now);
        fence.standing == 0 && applied >= needed
    }

    /// Puts up a fence: if the node is dead, it gets no lease before the fence is taken down.
    pub(crate) fn fence(&self, node: NodeId, now: Instant) -> bool {
        let mut notes = self.lock();
        let Some((_, since)) = notes.leading else { return false };
        let contact = notes.nodes.get(&node);
        if contact.map(|it| verdict(&self.rules, since, it, now)) != Some(Verdict::Dead) {
            return false;
        }
        let fence = notes.fences.entry(node).or_default();
        fence.standing = fence.standing.saturating_add(1);
        true
    }

    /// Takes a fence down: the node gets a lease when it has applied the entries up to `last_log`.
    pub(crate) fn unfence(&self, node: NodeId, last_log: Option<u64>) {
        if let Some(fence) = self.lock().fences.get_mut(&node) {
            fence.standing = fence.standing.saturating_sub(1);
            fence.applied = fence.applied.max(last_log);
        }
    }

    /// The nodes that are to be asked now; they count as asked from now on.
    pub(crate) fn take_silent(&self, now: Instant) -> Vec<NodeId> {
        let mut notes = self.lock();
        let Some((_, since)) = notes.leading else { return Vec::new() };
        let pause = self.rules.suspect_after() / 2;
        let mut silent = Vec::new();
        for (node, contact) in &mut notes.nodes {
            let quiet = verdict(&self.rules, since, contact, now) != Verdict::Alive;
            let asked = contact.probe.is_some_and(|probe| {
                probe.outcome == ProbeOutcome::Waiting || now < probe.sent + pause
            });
            if quiet && !asked {
                contact.probe = Some(Probe { sent: now, outcome: ProbeOutcome::Waiting });
                silent.push(*node);
            }
        }
        silent
    }

    /// What came of the probe that was sent at `sent`.
    pub(crate) fn probed(&self, node: NodeId, sent: Instant, outcome: ProbeOutcome) {
        let mut notes = self.lock();
        let probe = notes.nodes.get_mut(&node).and_then(|contact| contact.probe.as_mut());
        if let Some(probe) = probe.filter(|probe| probe.sent == sent) {
            probe.outcome = outcome;
        }
    }

    pub(crate) fn contacts(&self, now: Instant) -> Contacts {
        let notes = self.lock();
        let Some((_, since)) = notes.leading else {
            return Contacts { leader_since: None, nodes: BTreeMap::new() };
        };
        let judge = |contact: &Contact| NodeContact {
            contact: *contact,
            verdict: verdict(&self.rules, since, contact, now),
        };
        let nodes = notes.nodes.iter().map(|(node, contact)| (*node, judge(contact))).collect();
        Contacts { leader_since: Some(since), nodes }
    }

    fn lock(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
