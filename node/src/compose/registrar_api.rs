//! Users and registrations for the admin API.

use std::time::Duration;

use holdline_model::{
    Aor, Command, LocationRecord, PutUser, Rejection, RemoveBindings, RemoveUser, Reply, UserRecord,
};
use holdline_raft::{ProposeError, SubmitError};

use super::api::Api;
use crate::admin::seam::{ClusterApiError, Page};

impl Api {
    pub(super) async fn list_users(
        &self,
        after: Option<Aor>,
        limit: usize,
    ) -> Result<Page<UserRecord, Aor>, ClusterApiError> {
        let page = self.read(move |state| state.users(after.as_ref(), limit)).await?;
        Ok(Page { items: page.users, next: page.next })
    }

    pub(super) async fn list_registrations(
        &self,
        after: Option<Aor>,
        limit: usize,
    ) -> Result<Page<LocationRecord, Aor>, ClusterApiError> {
        let page = self.read(move |state| state.locations(after.as_ref(), limit)).await?;
        Ok(Page { items: page.locations, next: page.next })
    }

    pub(super) async fn write_user(
        &self,
        record: UserRecord,
        replace: bool,
    ) -> Result<u64, ClusterApiError> {
        let record = UserRecord { changed_at: self.clock.now(), ..record };
        let command = Command::PutUser(Box::new(PutUser { record, replace }));
        self.index_of(&command).await
    }

    pub(super) async fn delete_user(&self, aor: Aor) -> Result<u64, ClusterApiError> {
        self.index_of(&Command::RemoveUser(RemoveUser { aor })).await
    }

    pub(super) async fn end_bindings(
        &self,
        aor: Aor,
        key: Option<String>,
    ) -> Result<u32, ClusterApiError> {
        let command = Command::RemoveBindings(RemoveBindings { aor, key });
        match self.commit(&command).await? {
            Reply::Count(removed) => Ok(removed),
            Reply::Done
            | Reply::At(_)
            | Reply::Ended(_)
            | Reply::Rejected(_)
            | Reply::Admitted(_)
            | Reply::Refused(_)
            | Reply::Leased(_)
            | Reply::Node(_) => Err(ClusterApiError::NoMajority),
        }
    }

    async fn index_of(&self, command: &Command) -> Result<u64, ClusterApiError> {
        self.committed(command).await.map_err(|error| match error {
            ClusterApiError::Refused(Rejection::UnknownUser) => ClusterApiError::UnknownUser,
            ClusterApiError::Refused(Rejection::UserExists) => ClusterApiError::UserExists,
            error => error,
        })
    }

    /// Waits a moment until this node has applied an entry, so that whoever wrote it here reads it here.
    pub(super) async fn apply_up_to(&self, index: u64) {
        for _ in 0..APPLY_LOOKS {
            if self.raft.applied_index().is_some_and(|applied| applied >= index) {
                return;
            }
            tokio::time::sleep(APPLY_PAUSE).await;
        }
    }

    /// Commits a change whose reply is its place in the log, and waits until this node has applied it.
    pub(super) async fn committed(&self, command: &Command) -> Result<u64, ClusterApiError> {
        let entry = self.commit(command).await?.entry().ok_or(ClusterApiError::NoMajority)?;
        let index = entry.map_err(ClusterApiError::Refused)?;
        self.apply_up_to(index).await;
        Ok(index)
    }

    pub(super) async fn commit(&self, command: &Command) -> Result<Reply, ClusterApiError> {
        self.raft.propose(command).await.map_err(|error| match error {
            ProposeError::Submit(SubmitError::Stopped) => ClusterApiError::Stopping,
            ProposeError::Submit(_) => ClusterApiError::Overloaded,
            ProposeError::Undecided(_) => ClusterApiError::Undecided,
        })
    }
}

/// How often, and how long apart, it is looked whether a write is applied.
const APPLY_LOOKS: u32 = 100;
const APPLY_PAUSE: Duration = Duration::from_millis(10);
