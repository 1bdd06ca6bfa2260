//! The replicated tables as `apply` sees them. Storage implements this trait over an engine; tests
//! implement it over maps. Reads see the writes made before them in the same batch.

use crate::{
    Aor, CallId, CallRecord, Cdr, CdrId, CdrKeeping, ClusterRecord, DisabledTrunks, Format,
    LocationRecord, Millis, NodeId, NodeRecord, Phase, RegistrarTotals, SlotId, SlotRecord,
    UserRecord,
};

/// The tables of one Raft group.
///
/// Every error is fatal to the node: it says that the disk or the stored bytes are bad, never that
/// a command is (that is a [`crate::Rejection`]).
pub trait State {
    /// Why a table could not be read or written.
    type Error: std::error::Error + Send + Sync + 'static;

    /// What the cluster was formed with; `None` before it was formed.
    fn cluster(&self) -> Result<Option<ClusterRecord>, Self::Error>;
    /// Writes what the cluster was formed with.
    fn put_cluster(&mut self, record: &ClusterRecord) -> Result<(), Self::Error>;

    /// The format; [`Format::OLDEST`] if none was set.
    fn format(&self) -> Result<Format, Self::Error>;
    /// Writes the format.
    fn put_format(&mut self, format: Format) -> Result<(), Self::Error>;

    /// The trunks that are not to be called.
    fn disabled_trunks(&self) -> Result<DisabledTrunks, Self::Error>;
    /// Writes which trunks are not to be called.
    fn put_disabled_trunks(&mut self, record: &DisabledTrunks) -> Result<(), Self::Error>;

    /// One node.
    fn node(&self, node: NodeId) -> Result<Option<NodeRecord>, Self::Error>;
    /// All nodes, by id.
    fn nodes(&self) -> Result<Vec<NodeRecord>, Self::Error>;
    /// Writes one node.
    fn put_node(&mut self, record: &NodeRecord) -> Result<(), Self::Error>;

    /// One slot.
    fn slot(&self, slot: SlotId) -> Result<Option<SlotRecord>, Self::Error>;
    /// All slots, by id.
    fn slots(&self) -> Result<Vec<SlotRecord>, Self::Error>;
    /// Writes one slot.
    fn put_slot(&mut self, record: &SlotRecord) -> Result<(), Self::Error>;

    /// One call, up or finished and not yet swept.
    fn call(&self, call: CallId) -> Result<Option<CallRecord>, Self::Error>;
    /// How far one call has come; `None` if there is no such call.
    fn phase(&self, call: CallId) -> Result<Option<Phase>, Self::Error> {
        Ok(self.call(call)?.map(|record| record.phase))
    }
    /// Writes one call.
    fn put_call(&mut self, record: CallRecord) -> Result<(), Self::Error>;
    /// Removes one call.
    fn delete_call(&mut self, call: CallId) -> Result<(), Self::Error>;

    /// Adds a call detail record.
    fn put_cdr(&mut self, cdr: &Cdr) -> Result<(), Self::Error>;
    /// How call detail records are kept.
    fn cdr_keeping(&self) -> Result<CdrKeeping, Self::Error>;
    /// Writes how they are kept.
    fn put_cdr_keeping(&mut self, record: &CdrKeeping) -> Result<(), Self::Error>;
    /// Removes the call detail records before this one.
    fn purge_cdrs(&mut self, before: CdrId) -> Result<(), Self::Error>;

    /// Notes that `call` is to be swept at `at`.
    fn put_expiry(&mut self, at: Millis, call: CallId) -> Result<(), Self::Error>;
    /// Removes such a note.
    fn delete_expiry(&mut self, at: Millis, call: CallId) -> Result<(), Self::Error>;
    /// The first `limit` notes with a time of `up_to` or before, in order of time.
    fn expired(&self, up_to: Millis, limit: usize) -> Result<Vec<(Millis, CallId)>, Self::Error>;

    /// One user.
    fn user(&self, aor: &Aor) -> Result<Option<UserRecord>, Self::Error>;
    /// Writes one user.
    fn put_user(&mut self, record: UserRecord) -> Result<(), Self::Error>;
    /// Removes one user.
    fn delete_user(&mut self, aor: &Aor) -> Result<(), Self::Error>;

    /// The bindings of one address of record.
    fn location(&self, aor: &Aor) -> Result<Option<LocationRecord>, Self::Error>;
    /// Writes the bindings of one address of record.
    fn put_location(&mut self, record: LocationRecord) -> Result<(), Self::Error>;
    /// Removes the bindings of one address of record.
    fn delete_location(&mut self, aor: &Aor) -> Result<(), Self::Error>;
    /// Notes that a binding of `aor` ends at `at`.
    fn put_binding_end(&mut self, at: Millis, aor: &Aor) -> Result<(), Self::Error>;
    /// Removes such a note.
    fn delete_binding_end(&mut self, at: Millis, aor: &Aor) -> Result<(), Self::Error>;
    /// The first `limit` such notes with a time of `up_to` or before, in order of time.
    fn ended_bindings(
        &self,
        up_to: Millis,
        limit: usize,
    ) -> Result<Vec<(Millis, Aor)>, Self::Error>;

    /// How many users and bindings there are.
    fn registrar_totals(&self) -> Result<RegistrarTotals, Self::Error>;
    /// Writes how many there are.
    fn put_registrar_totals(&mut self, totals: RegistrarTotals) -> Result<(), Self::Error>;
}
