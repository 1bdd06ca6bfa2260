//! Finds the leader and has it make a change, wherever this node stands.

use std::time::Duration;

use crate::clock;
use crate::handle::RaftHandle;
use crate::membership::{ChangeError, Changed, MemberChange};
use crate::network::peers::Lane;

impl RaftHandle {
    /// Changes the members, through the leader. Not cancel-safe: a change that was begun goes on.
    ///
    /// # Errors
    /// [`ChangeError`]; nothing was changed, unless it says that the outcome is unknown.
    pub async fn change_members(&self, change: MemberChange) -> Result<Changed, ChangeError> {
        let deadline = clock::now() + PATIENCE;
        let mut leadership = self.shared.leadership.clone();
        loop {
            let seen = leadership.borrow_and_update().clone();
            let left = deadline.saturating_duration_since(clock::now());
            let outcome = match seen.leader {
                _ if seen.is_me => self.lead().change(change.clone()).await,
                Some((leader, address)) => {
                    let message = self.shared.peers.envelope(leader, change.clone());
                    let mut client = self.shared.peers.client(address, Lane::Log);
                    match tokio::time::timeout(left, client.members(message)).await {
                        Ok(Ok(answer)) => answer.into_inner(),
                        Ok(Err(status)) => {
                            tracing::debug!(%leader, %status, "the leader could not be asked");
                            Err(ChangeError::NotLeader)
                        }
                        Err(_) => Err(ChangeError::Undecided),
                    }
                }
                None => Err(ChangeError::NotLeader),
            };
            if outcome != Err(ChangeError::NotLeader) || clock::now() >= deadline {
                return outcome;
            }
            // Until another leads; a leader that has just stepped back may be asked again.
            let _news = tokio::time::timeout(PAUSE, leadership.changed()).await;
        }
    }
}

/// How long a change may take, with slots that move first and a leader that steps back.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(100);
