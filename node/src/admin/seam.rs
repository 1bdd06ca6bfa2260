//! What the admin layer needs of the node: the seam between HTTP and the cluster.
//!
//! The composition root implements [`ClusterApi`] over the replicated state and the Raft handle;
//! tests implement it over maps. It speaks in persisted records and facts, not in JSON: what they
//! look like outside is in [`super::view`], what they mean for health in [`super::health`].

mod backup;
mod cdrs;
mod consistency;
mod error;
mod facts;
mod limits;
mod protection;
mod query;

use async_trait::async_trait;
use holdline_model::limit::LimitConfig;
use holdline_model::{
    Aor, CallId, CallRecord, Cdr, CdrId, LocationRecord, Millis, Name, NodeId, SlotRecord,
    UserRecord,
};

use holdline_raft::{Changed, MemberChange};

pub use backup::{BackupApi, BackupStream};
pub use cdrs::CdrApi;
pub use consistency::ConsistencyApi;
pub use error::ClusterApiError;
pub use facts::{
    ClusterFacts, ListenerFacts, LocalFacts, MemberFacts, NodeCertificate, RoundTrip, TimesFacts,
    TrunkFacts, farthest,
};
pub use limits::LimitFacts;
pub use protection::{BanRequest, ProtectionApi, ProtectionFacts};
pub use query::{CallFilter, CallQuery, CdrQuery, Page};

/// The cluster, as one node sees it and can change it.
///
/// Every node answers for the whole cluster, because all state is replicated to it; reads may lag
/// behind the leader by what [`LocalFacts`] says. All methods are cancel-safe: a caller that goes
/// away (a request that times out) leaves reads without effect, and writes proposed or not proposed,
/// never half done. Implementations keep blocking reads off the async threads.
#[async_trait]
pub trait ClusterApi:
    ProtectionApi + CdrApi + BackupApi + ConsistencyApi + Send + Sync + 'static
{
    /// This node alone, at once and without touching disk or network: for probes.
    fn local(&self) -> LocalFacts;

    /// The whole cluster.
    async fn cluster(&self) -> Result<ClusterFacts, ClusterApiError>;

    /// A page of calls, by id. At most `query.limit`; it may be shorter although `next` is set,
    /// because the records looked at are bounded, too.
    async fn calls(&self, query: &CallQuery) -> Result<Page<CallRecord, CallId>, ClusterApiError>;

    /// One call, with its slot; `None` if it does not exist or its tombstone is gone.
    async fn call(
        &self,
        call: CallId,
    ) -> Result<Option<(CallRecord, Option<SlotRecord>)>, ClusterApiError>;

    /// A page of call detail records, in the order of the log; short pages as in
    /// [`ClusterApi::calls`].
    async fn cdrs(&self, query: &CdrQuery) -> Result<Page<Cdr, CdrId>, ClusterApiError>;

    /// All slots, by id.
    async fn slots(&self) -> Result<Vec<SlotRecord>, ClusterApiError>;

    /// Asks the call's owner to hang up both sides. Returns when the owner has the request, not
    /// when the call has ended: that is a commit away, and the CDR says who did it.
    async fn hang_up(&self, call: CallId) -> Result<(), ClusterApiError>;

    /// The time by this node's clock.
    fn now(&self) -> Millis;

    /// A page of users, by address of record.
    async fn users(
        &self,
        after: Option<Aor>,
        limit: usize,
    ) -> Result<Page<UserRecord, Aor>, ClusterApiError>;

    /// One user.
    async fn user(&self, aor: Aor) -> Result<Option<UserRecord>, ClusterApiError>;

    /// Commits a user, stamped with the time; returns the index of that entry.
    async fn put_user(&self, record: UserRecord, replace: bool) -> Result<u64, ClusterApiError>;

    /// Commits that a user and its bindings are gone; returns the index of that entry.
    async fn remove_user(&self, aor: Aor) -> Result<u64, ClusterApiError>;

    /// A page of the bindings of users, by address of record; some may have ended.
    async fn registrations(
        &self,
        after: Option<Aor>,
        limit: usize,
    ) -> Result<Page<LocationRecord, Aor>, ClusterApiError>;

    /// The bindings of one user; some may have ended.
    async fn registration(&self, aor: Aor) -> Result<Option<LocationRecord>, ClusterApiError>;

    /// Commits that a user's binding with this key, or all, are gone; returns how many that were.
    async fn remove_bindings(&self, aor: Aor, key: Option<String>) -> Result<u32, ClusterApiError>;

    /// The limits and how they stand.
    async fn limits(&self) -> Result<LimitFacts, ClusterApiError>;

    /// Commits that all limits are replaced, if `expected` is the version in force; returns the index
    /// of that entry. A faulty configuration is refused, and nothing changes.
    async fn set_limits(&self, expected: u64, config: LimitConfig) -> Result<u64, ClusterApiError>;

    /// Commits that buckets are full: of a class and those beneath it, of a set, or all; returns the
    /// index of that entry.
    async fn reset_limits(&self, class: Option<Name>) -> Result<u64, ClusterApiError>;

    /// Commits that a node is to own nothing, or may own again; returns the index of that entry.
    /// The leader moves the slots after.
    async fn set_draining(&self, node: NodeId, draining: bool) -> Result<u64, ClusterApiError>;

    /// Changes the members, through the leader; returns when it is committed, slots and all.
    async fn change_members(&self, change: MemberChange) -> Result<Changed, ClusterApiError>;

    /// What listens for calls, in the whole cluster.
    fn listeners(&self) -> Vec<ListenerFacts>;

    /// The certificates of this node: a chain each, its own certificate first.
    fn certificates(&self) -> Vec<NodeCertificate>;

    /// The trunks of this node's configuration, in its order, and what this node knows of them.
    async fn trunks(&self) -> Result<Vec<TrunkFacts>, ClusterApiError>;

    /// Commits that a trunk is to be called, or not; returns the index of that entry.
    async fn set_trunk(&self, trunk: &Name, enabled: bool) -> Result<u64, ClusterApiError>;
}
