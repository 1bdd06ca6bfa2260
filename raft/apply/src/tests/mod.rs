//! Input → exact output, on tables that are maps.

mod calls;
mod cdrs;
mod fencing;
mod map_state;
mod members;
mod properties;
mod registrar;
mod session;
mod slots;
mod trunks;

use bytes::Bytes;
use holdline_model::limit::Demand;
use holdline_model::{
    Admit, CallChange, CallCommand, CallId, ClusterId, Command, Epoch, FormCluster, Hop,
    Incarnation, Millis, Name, NodeId, NodeUp, Reply, SessionTimer, SlotId, Step, Target,
};

use crate::{Action, Position, apply};
use map_state::MapState;

const CALL: CallId = CallId { slot: SlotId(0), nonce: 0xabc };

/// A cluster of three nodes and six slots, formed at time 1,000.
struct Cluster {
    state: MapState,
    index: u64,
    actions: Vec<Action>,
}

impl Cluster {
    fn new() -> Self {
        let mut cluster = Self { state: MapState::default(), index: 0, actions: Vec::new() };
        let members = vec![NodeId(1), NodeId(2), NodeId(3)];
        for node in &members {
            cluster.run(&node_up(*node, 1));
        }
        let form = FormCluster { cluster: ClusterId(7), slots: 6, members, at: Millis(1_000) };
        assert_eq!(cluster.run(&Command::FormCluster(form)), Reply::Done);
        cluster.actions.clear();
        cluster
    }

    fn run(&mut self, command: &Command) -> Reply {
        self.index += 1;
        let position = Position { index: self.index, position: 0 };
        apply(&mut self.state, position, command, &mut self.actions).expect("maps do not fail")
    }

    fn call(&mut self, epoch: u64, step: u32, at: u64, change: CallChange) -> Reply {
        self.run(&call_command(CALL, epoch, step, at, change))
    }
}

fn call_command(call: CallId, epoch: u64, step: u32, at: u64, change: CallChange) -> Command {
    Command::Call(CallCommand {
        call,
        epoch: Epoch(epoch),
        step: Step(step),
        at: Millis(at),
        change,
    })
}

fn node_up(node: NodeId, incarnation: u64) -> Command {
    Command::NodeUp(Box::new(NodeUp {
        node,
        incarnation: Incarnation(incarnation),
        pop: Name::from("pop-a"),
        sip: vec![format!("127.0.0.1{}:5060", node.0).parse().expect("an address")],
        rpc: "127.0.0.1:7060".parse().expect("an address"),
        admin: "127.0.0.1:8060".parse().expect("an address"),
        version: "0.1.0".to_owned(),
        at: Millis(900),
        listeners: Vec::new(),
        gossip: "127.0.0.1:7060".parse().expect("an address"),
        role: holdline_model::NodeRole::Full,
    }))
}

pub(super) fn hop(peer: &str) -> Hop {
    let address = |text: &str| text.parse().expect("an address");
    Hop::udp(address("127.0.0.11:5060"), address(peer))
}

fn admit() -> CallChange {
    CallChange::Admit(Box::new(Admit {
        tenant: Name::from("acme"),
        trunk: Name::from("in"),
        from: "sip:alice@127.0.0.31".to_owned(),
        to: "sip:+1415@127.0.0.11".to_owned(),
        call_id: "caller-call-id".to_owned(),
        from_tag: "a1".to_owned(),
        cseq: 1,
        branch: "z9hG4bKx".to_owned(),
        hop: hop("127.0.0.31:5060"),
        invite: Bytes::from_static(b"INVITE ..."),
        targets: vec![target("out-1"), target("out-2")],
        answer_by: Millis(60_000),
        demand: Demand::default(),
        timer: SessionTimer::default(),
        advertised: Vec::new(),
    }))
}

fn target(trunk: &str) -> Target {
    Target {
        trunk: Name::from(trunk),
        hop: hop("127.0.0.21:5080"),
        uri: "sip:+1415@127.0.0.21:5080".to_owned(),
        together: false,
        routes: Vec::new(),
        fields: Vec::new(),
        redirects: 0,
    }
}
