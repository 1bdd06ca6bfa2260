//! One node: its engine, and the faults that are due to it.

use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use holdline_call::{
    Alive, CallEngine, Gate, Input, Options, Redirect, Route, Routing, Standing, Trunk,
    TrunkCredentials, TrunkHealth, TrunkPolicy, TrunkSecret, TrunkView,
};
use holdline_model::{Millis, Name, NodeId, SessionTimer, Transport};
use holdline_sip::digest::NonceKey;

use super::directory::Bindings;
use super::point::Fault;
use super::script::{
    ALIVE_MS, ANSWER_TIMEOUT_MS, MAX_ALIVE_MS, MAX_DURATION_MS, Own, Script, TARGET_TIMEOUT_MS,
};

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
    /// `users`: the user that is called, if it is one.
    pub(crate) fn new(
        id: NodeId,
        script: &Script,
        routing: &Arc<Routing>,
        users: Option<&Arc<Bindings>>,
    ) -> Self {
        let mut engine = CallEngine::new(options(script), Arc::clone(routing), id.0);
        if let Some(users) = users {
            let directory = Arc::clone(users);
            let key = NonceKey::new([7; 32]);
            engine = engine.with_registrar(users.registrar(), key, directory);
        }
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

fn options(script: &Script) -> Options {
    let asks = script.own != Own::Nothing;
    let max_ms = if asks { MAX_ALIVE_MS } else { MAX_DURATION_MS };
    let refreshes = script.own == Own::Refresh;
    let expires = Duration::from_millis(2 * ALIVE_MS);
    let options = Options {
        answer_timeout: Duration::from_millis(ANSWER_TIMEOUT_MS),
        target_timeout: Duration::from_millis(TARGET_TIMEOUT_MS),
        max_call_duration: Some(Duration::from_millis(max_ms)),
        session_timer: if refreshes { SessionTimer::Insert } else { SessionTimer::Pass },
        session_expires: expires,
        min_se: expires,
        ..Options::default()
    };
    options.validate().expect("the test's own options");
    options
}

/// What trunks that ask for it are told.
fn credentials() -> TrunkCredentials {
    let secret = TrunkSecret::Password("secret".to_owned());
    TrunkCredentials { username: "us".to_owned(), secret }
}

/// One trunk that calls, and one per target, tried in order.
pub(crate) fn routing(script: &Script, caller: SocketAddr, callees: &[SocketAddr]) -> Arc<Routing> {
    let alive = Alive {
        interval: Duration::from_millis(ALIVE_MS),
        failures: NonZeroU16::new(2).expect("constant"),
    };
    let trunk = |name: &str, address: SocketAddr| Trunk {
        name: Name::from(name),
        tenant: Name::from("acme"),
        address: address.into(),
        transport: Transport::Udp,
        proxy: None,
        sources: Vec::new(),
        policy: TrunkPolicy {
            credentials: Some(credentials()),
            redirect: Redirect::Follow,
            alive: (script.own == Own::Alive && name != "in").then_some(alive),
            ..TrunkPolicy::default()
        },
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
