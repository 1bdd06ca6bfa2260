//! The replicated tables as maps, shared by all nodes: consensus is taken for granted here.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use holdline_limit::{LimitState, LimitTable};
use holdline_model::{
    Aor, CallId, CallRecord, Cdr, CdrId, CdrKeeping, ClusterRecord, DisabledTrunks, Format,
    LocationRecord, Millis, NodeId, NodeRecord, RegistrarTotals, SlotId, SlotRecord, State,
    UserRecord,
};

#[derive(Clone, Debug, Default)]
pub(crate) struct Tables {
    pub(crate) cluster: Option<ClusterRecord>,
    pub(crate) disabled: DisabledTrunks,
    pub(crate) nodes: BTreeMap<NodeId, NodeRecord>,
    pub(crate) slots: BTreeMap<SlotId, SlotRecord>,
    pub(crate) calls: BTreeMap<CallId, CallRecord>,
    pub(crate) cdrs: Vec<Cdr>,
    pub(crate) keeping: CdrKeeping,
    pub(crate) format: Format,
    pub(crate) expiry: BTreeSet<(Millis, CallId)>,
    pub(crate) users: BTreeMap<Aor, UserRecord>,
    pub(crate) locations: BTreeMap<Aor, LocationRecord>,
    pub(crate) binding_ends: BTreeSet<(Millis, Aor)>,
    pub(crate) totals: RegistrarTotals,
    pub(crate) limits: LimitTable,
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

    fn disabled_trunks(&self) -> Result<DisabledTrunks, Infallible> {
        Ok(self.disabled.clone())
    }

    fn put_disabled_trunks(&mut self, record: &DisabledTrunks) -> Result<(), Infallible> {
        self.disabled = record.clone();
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

    fn format(&self) -> Result<Format, Infallible> {
        Ok(self.format)
    }

    fn put_format(&mut self, format: Format) -> Result<(), Infallible> {
        self.format = format;
        Ok(())
    }

    fn cdr_keeping(&self) -> Result<CdrKeeping, Infallible> {
        Ok(self.keeping.clone())
    }

    fn put_cdr_keeping(&mut self, record: &CdrKeeping) -> Result<(), Infallible> {
        self.keeping = record.clone();
        Ok(())
    }

    fn purge_cdrs(&mut self, before: CdrId) -> Result<(), Infallible> {
        self.cdrs.retain(|cdr| cdr.id >= before);
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

    fn user(&self, aor: &Aor) -> Result<Option<UserRecord>, Infallible> {
        Ok(self.users.get(aor).cloned())
    }

    fn put_user(&mut self, record: UserRecord) -> Result<(), Infallible> {
        self.users.insert(record.aor.clone(), record);
        Ok(())
    }

    fn delete_user(&mut self, aor: &Aor) -> Result<(), Infallible> {
        self.users.remove(aor);
        Ok(())
    }

    fn location(&self, aor: &Aor) -> Result<Option<LocationRecord>, Infallible> {
        Ok(self.locations.get(aor).cloned())
    }

    fn put_location(&mut self, record: LocationRecord) -> Result<(), Infallible> {
        self.locations.insert(record.aor.clone(), record);
        Ok(())
    }

    fn delete_location(&mut self, aor: &Aor) -> Result<(), Infallible> {
        self.locations.remove(aor);
        Ok(())
    }

    fn put_binding_end(&mut self, at: Millis, aor: &Aor) -> Result<(), Infallible> {
        self.binding_ends.insert((at, aor.clone()));
        Ok(())
    }

    fn delete_binding_end(&mut self, at: Millis, aor: &Aor) -> Result<(), Infallible> {
        self.binding_ends.remove(&(at, aor.clone()));
        Ok(())
    }

    fn ended_bindings(
        &self,
        up_to: Millis,
        limit: usize,
    ) -> Result<Vec<(Millis, Aor)>, Infallible> {
        let due = self.binding_ends.iter().take_while(|(at, _)| *at <= up_to);
        Ok(due.take(limit).cloned().collect())
    }

    fn registrar_totals(&self) -> Result<RegistrarTotals, Infallible> {
        Ok(self.totals)
    }

    fn put_registrar_totals(&mut self, totals: RegistrarTotals) -> Result<(), Infallible> {
        self.totals = totals;
        Ok(())
    }
}

impl LimitState for Tables {
    fn limits<T>(&mut self, act: impl FnOnce(&mut LimitTable) -> T) -> Result<T, Infallible> {
        Ok(act(&mut self.limits))
    }
}
