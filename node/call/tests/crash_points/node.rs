//! One node: its engine, and the faults that are due to it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use holdline_call::{
    CallEngine, Gate, Input, Options, Route, Routing, Standing, Trunk, TrunkHealth, TrunkView,
};
use holdline_model::{Millis, Name, NodeId, Transport};

use super::point::Fault;
use super::script::{ANSWER_TIMEOUT_MS, MAX_DURATION_MS, TARGET_TIMEOUT_MS};

/// A node. Its counts begin when it becomes owner of the call's slot.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) id: NodeId,
    pub(crate) engine: CallEngine,
    pub(crate) alive: bool,
    pub(crate) suspended: bool,
    pub(crate) fault: Option<Fault>,
    pub(crate) counts: Counts,
    /// When it last was due, and how often at that time: an engine may not spin.
    pub(crate) spinning: (u64, u32),
}

/// What a node did as owner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) inputs: usize,
    pub(crate) decisions: usize,
    pub(crate) sends: usize,
}

impl Node {
    pub(crate) fn new(id: NodeId, routing: &Arc<Routing>) -> Self {
        let mut engine = CallEngine::new(options(), Arc::clone(routing), id.0);
        engine.handle(Millis(0), Input::Trunks(trunks_seen_by(id, routing)));
        let counts = Counts::default();
        Self { id, engine, alive: true, suspended: false, fault: None, counts, spinning: (0, 0) }
    }

    /// It is dead, or has forgotten every call.
    pub(crate) fn is_empty(&self) -> bool {
        !self.alive || self.engine.live_calls() + self.engine.tombstones() == 0
    }

    pub(crate) fn next_timer(&self) -> Option<u64> {
        self.alive.then(|| self.engine.next_timer())?.map(|at: Millis| at.0)
    }
}

/// The first node thinks that all trunks work, the others that none does: the order of targets is the
/// choice of the one that admits the call, and a later owner does not choose again.
fn trunks_seen_by(id: NodeId, routing: &Routing) -> Arc<TrunkView> {
    let health = TrunkHealth {
        gate: if id.0 == 1 { Gate::Open } else { Gate::Shut { until: None } },
        standing: Standing::Active,
        prober: None,
        latency_ms: None,
        calls: 0,
    };
    let trunks = routing.trunks().iter().map(|trunk| (trunk.name.clone(), health.clone()));
    Arc::new(TrunkView { trunks: trunks.collect(), ..TrunkView::default() })
}

/// The address that a node's slots bring with them.
pub(crate) fn address(node: NodeId) -> SocketAddr {
    format!("10.1.0.{node}:5060").parse().expect("constant")
}

fn options() -> Options {
    let options = Options {
        answer_timeout: Duration::from_millis(ANSWER_TIMEOUT_MS),
        target_timeout: Duration::from_millis(TARGET_TIMEOUT_MS),
        max_call_duration: Some(Duration::from_millis(MAX_DURATION_MS)),
        ..Options::default()
    };
    options.validate().expect("the test's own options");
    options
}

/// One trunk that calls, and one per target, tried in order.
pub(crate) fn routing(caller: SocketAddr, callees: &[SocketAddr]) -> Arc<Routing> {
    let trunk = |name: &str, address: SocketAddr| Trunk {
        name: Name::from(name),
        tenant: Name::from("acme"),
        address: address.into(),
        transport: Transport::Udp,
        proxy: None,
        sources: Vec::new(),
    };
    let mut trunks = vec![trunk("in", caller)];
    let mut names = Vec::new();
    for (index, address) in callees.iter().enumerate() {
        let name = format!("out-{index}");
        trunks.push(trunk(&name, *address));
        names.push(Name::from(name));
    }
    if names.is_empty() {
        return Arc::new(Routing::new(trunks, Vec::new()).expect("the test's own routing"));
    }
    let route = Route { prefix: "+49".to_owned(), trunks: names, ..Route::default() };
    Arc::new(Routing::new(trunks, vec![route]).expect("the test's own routing"))
}
