//! Users, bindings and calls for the engines, as this node has applied them.

use holdline_call::{Directory, Unreadable};
use holdline_model::{Aor, CallId, CallRecord, LocationRecord, UserRecord};
use holdline_raft::RaftHandle;
use holdline_storage::{StateError, StateReader};

/// Reads the replicated state. Both reads are one look into a table, nearly always in memory, for a
/// request that is then answered or committed: they are made where they are needed.
#[derive(Debug)]
pub(crate) struct StateDirectory {
    pub(crate) state: StateReader,
    pub(crate) raft: RaftHandle,
}

impl Directory for StateDirectory {
    fn applied(&self) -> u64 {
        self.raft.applied_index().unwrap_or(0)
    }

    fn user(&self, aor: &Aor) -> Result<Option<UserRecord>, Unreadable> {
        self.state.user(aor).map_err(|error| unreadable(&error))
    }

    fn call(&self, call: CallId) -> Result<Option<CallRecord>, Unreadable> {
        self.state.call(call).map_err(|error| unreadable(&error))
    }

    fn location(&self, aor: &Aor) -> Result<Option<LocationRecord>, Unreadable> {
        self.state.location(aor).map_err(|error| unreadable(&error))
    }
}

fn unreadable(error: &StateError) -> Unreadable {
    tracing::error!(%error, "users and bindings cannot be read; requests of users are dropped");
    Unreadable
}
