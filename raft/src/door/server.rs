//! Answers at the door of every node.

use std::sync::Arc;

use holdline_model::{AdmitNode, Certified, ClusterId, NodeId, Rejection};
use tonic::{Request, Response, Status};

use crate::door::service::door_server;
use crate::door::{Gate, Greeted, Greeting, JoinAnswer, JoinAsk, Refusal};
use crate::handle::RaftHandle;
use crate::lease::Verdict;
use crate::membership::{ChangeError, admit};
use crate::network::server::certified;
use crate::options::Wall;
use crate::status::Role;
use crate::types::Member;

/// The door of one node.
#[derive(Clone)]
pub(crate) struct Door {
    pub(crate) cluster: ClusterId,
    pub(crate) name: Arc<str>,
    pub(crate) handle: RaftHandle,
    pub(crate) gate: Gate,
    pub(crate) wall: Wall,
    /// Its store was set aside: while it has no log, it must not count as a node that never had one.
    pub(crate) set_aside: bool,
}

impl Door {
    fn greeted(&self, greeting: &Greeting) -> Greeted {
        if greeting.cluster != self.cluster {
            return Greeted::OtherCluster;
        }
        let node = self.handle.shared.peers.node();
        // The first entry is the membership that the first members write by themselves; a second one
        // takes a leader that a majority has elected.
        let has_history = self.handle.shared.observer.last_log().is_some_and(|last| last > 0);
        if !self.gate.is_open() || !has_history {
            return Greeted::Empty { node };
        }
        let state = &self.handle.shared.reader;
        let removed_at = state.cluster().and_then(|it| it.roster.removed_at(greeting.from));
        let leader = self.handle.shared.leadership.borrow().leader.map(|(_, at)| at);
        Greeted::Member { node, leader, removed_at }
    }

    async fn answer(&self, ask: JoinAsk) -> JoinAnswer {
        if ask.cluster.is_some_and(|cluster| cluster != self.cluster) {
            return refused(Refusal::OtherCluster { ours: self.name.to_string() }, &ask);
        }
        if let Some(refusal) = Refusal::of_clock(ask.at, self.wall.now()) {
            return refused(refusal, &ask);
        }
        if !self.gate.is_open() {
            return JoinAnswer::Later("it has not been let in itself".to_owned());
        }
        let status = self.handle.status();
        if status.role != Role::Leader {
            let leader = self.handle.shared.leadership.borrow().leader.map(|(_, at)| at);
            return JoinAnswer::AskLeader(leader);
        }
        if !ask.again && self.handle.shared.reader.cluster().is_none() {
            return JoinAnswer::Later("the cluster was not formed yet".to_owned());
        }
        let lead = self.handle.lead();
        let Ok(_turn) = lead.turn() else {
            return JoinAnswer::Later("another change of the members is under way".to_owned());
        };
        let let_in = match ask.again {
            true => self.again(&ask).await,
            false => self.newcomer(&ask).await,
        };
        match let_in {
            Ok(node) => {
                tracing::info!(%node, rpc = %ask.rpc, again = ask.again, "a node is let in");
                metrics::counter!("holdline_joins_total", "outcome" => "welcome").increment(1);
                self.welcome(node)
            }
            Err(answer) => match answer {
                JoinAnswer::Refused(refusal) => refused(refusal, &ask),
                other => other,
            },
        }
    }

    /// One that has never been here.
    async fn newcomer(&self, ask: &JoinAsk) -> Result<NodeId, JoinAnswer> {
        let lead = self.handle.lead();
        lead.check_room().map_err(|error| later(&error))?;
        let admit_node = AdmitNode {
            node: ask.node,
            nonce: ask.nonce.max(1),
            rpc: ask.rpc,
            pop: ask.pop.clone(),
            role: ask.role,
            held: false,
            at: self.wall.now(),
        };
        let node = admit(&self.handle, admit_node).await.map_err(|error| later(&error))?;
        let member = Member { rpc: ask.rpc, pop: ask.pop.clone(), role: ask.role };
        lead.add(node, member).await.map_err(|error| later(&error))?;
        Ok(node)
    }

    /// A member that lost its data.
    async fn again(&self, ask: &JoinAsk) -> Result<NodeId, JoinAnswer> {
        let Some(node) = ask.node else {
            return Err(JoinAnswer::Later("it has not said which node it is".to_owned()));
        };
        let cluster = self.handle.shared.reader.cluster();
        if let Some(at) = cluster.and_then(|cluster| cluster.roster.removed_at(node)) {
            return Err(JoinAnswer::Refused(Refusal::Removed { node, at }));
        }
        let status = self.handle.status();
        let Some(member) = status.members.get(&node) else {
            return Err(JoinAnswer::Refused(Refusal::Unknown { node }));
        };
        let rpc = member.rpc;
        if rpc != ask.rpc {
            return Err(JoinAnswer::Refused(Refusal::OtherAddress { node, rpc }));
        }
        // One of the first members that comes late: it has never been there, and so forgot nothing.
        if self.handle.shared.reader.node(node).is_none() {
            return Ok(node);
        }
        let contacts = self.handle.contacts();
        let contact = contacts.nodes.get(&node);
        if node == status.node || contact.is_some_and(|it| it.verdict == Verdict::Alive) {
            // It may have died a moment ago.
            return Err(JoinAnswer::Later(Refusal::NodeAlive { node, rpc }.to_string()));
        }
        self.handle.lead().forgive(node).await.map_err(|error| later(&error))?;
        Ok(node)
    }

    fn welcome(&self, node: NodeId) -> JoinAnswer {
        let nodes = self.handle.shared.reader.nodes();
        let present = nodes.iter().filter(|it| it.node != node && it.removed.is_none());
        let gossip = present.map(|record| record.gossip).collect();
        JoinAnswer::Welcome { cluster: self.name.to_string(), node, gossip }
    }
}

/// What a change that was not made means at the door.
fn later(error: &ChangeError) -> JoinAnswer {
    JoinAnswer::Refused(match *error {
        ChangeError::Rejected(Rejection::NodeUsed { node, highest }) => {
            Refusal::NodeTaken { node, highest }
        }
        ChangeError::Rejected(Rejection::AddressTaken { rpc, node }) => {
            Refusal::AddressTaken { rpc, node }
        }
        ChangeError::TooMany { limit } => Refusal::Full { limit },
        ChangeError::LosesMajority { after, .. } => Refusal::Needed { after },
        _ => return JoinAnswer::Later(error.to_string()),
    })
}

fn refused(refusal: Refusal, ask: &JoinAsk) -> JoinAnswer {
    let reason = refusal.as_str();
    metrics::counter!("holdline_joins_total", "outcome" => reason).increment(1);
    tracing::warn!(rpc = %ask.rpc, reason, %refusal, "a node is turned away");
    JoinAnswer::Refused(refusal)
}

#[tonic::async_trait]
impl door_server::Door for Door {
    async fn greet(&self, request: Request<Greeting>) -> Result<Response<Greeted>, Status> {
        if self.set_aside && !self.gate.is_open() {
            return Err(Status::unavailable("its store was damaged and set aside"));
        }
        Ok(Response::new(self.greeted(&request.into_inner())))
    }

    async fn join(&self, request: Request<JoinAsk>) -> Result<Response<JoinAnswer>, Status> {
        let shown = certified(&request);
        let ask = request.into_inner();
        // Without a number of its own a node gets one that its certificate does not name.
        if let Some(Certified(node)) = shown.filter(|shown| ask.node != Some(shown.0)) {
            return Ok(Response::new(refused(Refusal::OtherCertificate { node }, &ask)));
        }
        Ok(Response::new(self.answer(ask).await))
    }
}
