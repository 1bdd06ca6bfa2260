//! What a node with an empty log does: it forms the group together with others that have none, or, if
//! there is a group, asks to come back into it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::join_all;
use holdline_model::{ClusterId, NodeId};
use openraft::errors::{InitializeError, RaftError};
use tokio::sync::watch;

use crate::RaftInstance;
use crate::door::ask::refusal;
use crate::door::{Callers, Greeted, Greeting, Joining, Refusal, join};
use crate::options::Wall;
use crate::types::Member;

/// Whether this node takes part in Raft. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gate(Arc<AtomicBool>);

impl Gate {
    pub(crate) fn is_open(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    pub(crate) fn open(&self) {
        self.0.store(true, Ordering::Release);
    }
}

/// A node without a log at the door.
pub(crate) struct Entrance {
    pub(crate) cluster: ClusterId,
    pub(crate) me: NodeId,
    /// The first members; empty for a node that joined.
    pub(crate) members: BTreeMap<NodeId, Member>,
    /// Its store was set aside: it comes back, or waits.
    pub(crate) set_aside: bool,
    /// Who else may be asked.
    pub(crate) seeds: Vec<SocketAddr>,
    /// Who it says that it is if it has to come back.
    pub(crate) joining: Joining,
    pub(crate) callers: Callers,
    pub(crate) wall: Wall,
    pub(crate) gate: Gate,
    pub(crate) raft: RaftInstance,
    pub(crate) turned_away: watch::Sender<Option<String>>,
}

/// What the answers of the others mean.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Decision {
    /// A majority has no log.
    Form,
    /// There is a group.
    ComeBack,
    /// Nobody knows yet.
    Wait,
    /// There is no way in.
    TurnAway(String),
}

/// Asks around until this node may take part in Raft, or is turned away.
pub(crate) async fn enter(entrance: Entrance) {
    let mut rounds = 0_u32;
    loop {
        let answers = entrance.ask().await;
        match decide(entrance.me, entrance.members.keys().copied(), &answers) {
            Decision::Form if entrance.set_aside => {}
            Decision::Form => {
                entrance.form().await;
                return;
            }
            Decision::ComeBack => {
                entrance.come_back().await;
                return;
            }
            Decision::TurnAway(why) => {
                entrance.turned_away.send_replace(Some(why));
                return;
            }
            Decision::Wait => {}
        }
        if rounds % LOG_EVERY == LOG_EVERY - 1 {
            entrance.say_it_waits();
        }
        rounds = rounds.wrapping_add(1);
        tokio::time::sleep(PAUSE).await;
    }
}

impl Entrance {
    fn say_it_waits(&self) {
        let members = self.members.len();
        if self.set_aside {
            tracing::warn!(
                "this node's store was set aside, and no member with a log answers: start the others; if none has a log, restore a backup (docs/backup.md)"
            );
        } else {
            tracing::info!(members, "waiting until a majority of the first members is there");
        }
    }

    async fn ask(&self) -> Vec<(SocketAddr, Result<Greeted, Option<Refusal>>)> {
        let mut addresses: BTreeSet<SocketAddr> = self.seeds.iter().copied().collect();
        let others = self.members.iter().filter(|(id, _)| **id != self.me);
        addresses.extend(others.map(|(_, member)| member.rpc));
        addresses.remove(&self.joining.rpc);
        let greet = |address| async move {
            let greeting = Greeting { cluster: self.cluster, from: self.me };
            let answer = self.callers.greet(address, greeting).await;
            (address, answer.map_err(|status| refusal(&status)))
        };
        join_all(addresses.into_iter().map(greet)).await
    }

    async fn form(&self) {
        // Open before it asks for votes: the others may ask this node, too.
        self.gate.open();
        match self.raft.initialize(self.members.clone()).await {
            Ok(()) => tracing::info!(members = self.members.len(), "the group is formed"),
            // A member was quicker, and has sent its log already.
            Err(RaftError::APIError(InitializeError::NotAllowed(_))) => {}
            Err(error) => {
                let why = format!("the group cannot be formed: {error}");
                self.turned_away.send_replace(Some(why));
            }
        }
    }

    async fn come_back(&self) {
        tracing::warn!(
            "this node's log is empty although its cluster exists: it asks to come back as a learner"
        );
        let mut seeds = self.seeds.clone();
        seeds.extend(self.members.iter().filter(|(id, _)| **id != self.me).map(|(_, m)| m.rpc));
        let wall = self.wall.clone();
        match join(&self.callers, &seeds, &self.joining, move || wall.now()).await {
            Ok(_) => self.gate.open(),
            Err(error) => {
                self.turned_away.send_replace(Some(error.to_string()));
            }
        }
    }
}

fn decide(
    me: NodeId,
    members: impl Iterator<Item = NodeId>,
    answers: &[(SocketAddr, Result<Greeted, Option<Refusal>>)],
) -> Decision {
    let members: BTreeSet<NodeId> = members.collect();
    let mut empty = BTreeSet::from([me]);
    for (address, answer) in answers {
        match answer {
            Ok(Greeted::Member { .. }) => return Decision::ComeBack,
            Ok(Greeted::Empty { node }) => {
                empty.insert(*node);
            }
            Ok(Greeted::OtherCluster) => {
                return Decision::TurnAway(format!(
                    "{address} is of another cluster: correct cluster.name or cluster.members"
                ));
            }
            Err(Some(refusal)) => {
                return Decision::TurnAway(format!("{address} turns this node away: {refusal}"));
            }
            Err(None) => {}
        }
    }
    let empty = empty.intersection(&members).count();
    if empty * 2 > members.len() { Decision::Form } else { Decision::Wait }
}

const PAUSE: Duration = Duration::from_millis(50);
const LOG_EVERY: u32 = 100;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    fn empty(node: u64) -> (SocketAddr, Result<Greeted, Option<Refusal>>) {
        (at(1), Ok(Greeted::Empty { node: NodeId(node) }))
    }

    fn member(node: u64) -> (SocketAddr, Result<Greeted, Option<Refusal>>) {
        (at(2), Ok(Greeted::Member { node: NodeId(node), leader: None, removed_at: None }))
    }

    fn decided(
        members: u64,
        answers: &[(SocketAddr, Result<Greeted, Option<Refusal>>)],
    ) -> Decision {
        decide(NodeId(1), (1..=members).map(NodeId), answers)
    }

    #[test]
    fn a_majority_without_a_log_forms_the_group() {
        assert_eq!(decided(1, &[]), Decision::Form);
        assert_eq!(decided(3, &[]), Decision::Wait);
        assert_eq!(decided(3, &[(at(3), Err(None))]), Decision::Wait);
        assert_eq!(decided(3, &[empty(2)]), Decision::Form);
        assert_eq!(decided(5, &[empty(2)]), Decision::Wait);
        assert_eq!(decided(5, &[empty(2), empty(2)]), Decision::Wait, "each counts once");
        assert_eq!(decided(5, &[empty(2), empty(3)]), Decision::Form);
        assert_eq!(decided(3, &[empty(7)]), Decision::Wait, "a stranger does not count");
    }

    #[test]
    fn one_member_with_a_log_is_enough_not_to_form_another_group() {
        assert_eq!(decided(5, &[empty(2), empty(3), member(4)]), Decision::ComeBack);
        assert_eq!(decided(0, &[member(4)]), Decision::ComeBack);
        assert_eq!(decided(0, &[]), Decision::Wait, "a node that joined never forms a group");
    }

    #[test]
    fn another_key_or_cluster_turns_it_away() {
        let refused = (at(9), Err(Some(Refusal::OtherKey)));
        let Decision::TurnAway(why) = decided(3, &[refused]) else { panic!("it was let in") };
        assert!(why.contains("127.0.0.1:9") && why.contains("cluster.key"), "{why}");
        let other = decided(3, &[(at(9), Ok(Greeted::OtherCluster))]);
        assert!(matches!(other, Decision::TurnAway(why) if why.contains("another cluster")));
    }
}
