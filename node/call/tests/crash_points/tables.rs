//! The replicated tables as maps, shared by all nodes: consensus is taken for granted here.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use holdline_model::{
    CallId, CallRecord, Cdr, ClusterRecord, Millis, NodeId, NodeRecord, SlotId, SlotRecord, State,
};

#[derive(Clone, Debug, Default)]
pub(crate) struct Tables {
    pub(crate) cluster: Option<ClusterRecord>,
    pub(crate) nodes: BTreeMap<NodeId, NodeRecord>,
    pub(crate) slots: BTreeMap<SlotId, SlotRecord>,
    pub(crate) calls: BTreeMap<CallId, CallRecord>,
    pub(crate) cdrs: Vec<Cdr>,
    pub(crate) expiry: BTreeSet<(Millis, CallId)>,
}

impl State for Tables {
    type Error = Infallible;

    fn cluster(&self) -> Result<Option<ClusterRecord>, Infallible> {
        Ok(self.cluster.clone())
    }

    fn put_cluster(&mut self, record: &ClusterRecord) -> Result<(), Infallible> {
        self.cluster = Some(record.clone());
        Ok(())
    }

    fn node(&self, node: NodeId) -> Result<Option<NodeRecord>, Infallible> {
        Ok(self.nodes.get(&node).cloned())
    }

    fn nodes(&self) -> Result<Vec<NodeRecord>, Infallible> {
        Ok(self.nodes.values().cloned().collect())
    }

    fn put_node(&mut self, record: &NodeRecord) -> Result<(), Infallible> {
        self.nodes.insert(record.node, record.clone());
        Ok(())
    }

    fn slot(&self, slot: SlotId) -> Result<Option<SlotRecord>, Infallible> {
        Ok(self.slots.get(&slot).cloned())
    }

    fn slots(&self) -> Result<Vec<SlotRecord>, Infallible> {
        Ok(self.slots.values().cloned().collect())
    }

    fn put_slot(&mut self, record: &SlotRecord) -> Result<(), Infallible> {
        self.slots.insert(record.slot, record.clone());
        Ok(())
    }

    fn call(&self, call: CallId) -> Result<Option<CallRecord>, Infallible> {
        Ok(self.calls.get(&call).cloned())
    }

    fn put_call(&mut self, record: CallRecord) -> Result<(), Infallible> {
        self.calls.insert(record.call, record);
        Ok(())
    }

    fn delete_call(&mut self, call: CallId) -> Result<(), Infallible> {
        self.calls.remove(&call);
        Ok(())
    }

    fn put_cdr(&mut self, cdr: &Cdr) -> Result<(), Infallible> {
        self.cdrs.push(cdr.clone());
        Ok(())
    }

    fn put_expiry(&mut self, at: Millis, call: CallId) -> Result<(), Infallible> {
        self.expiry.insert((at, call));
        Ok(())
    }

    fn delete_expiry(&mut self, at: Millis, call: CallId) -> Result<(), Infallible> {
        self.expiry.remove(&(at, call));
        Ok(())
    }

    fn expired(&self, up_to: Millis, limit: usize) -> Result<Vec<(Millis, CallId)>, Infallible> {
        Ok(self.expiry.iter().take_while(|(at, _)| *at <= up_to).take(limit).copied().collect())
    }
}
