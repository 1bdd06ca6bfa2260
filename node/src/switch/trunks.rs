//! Runs the keeper of the trunks ([`Trunks`]): one task, between the engines, the probes on the wire,
//! gossip and the replicated state.
//!
//! It decides nothing. Engines tell what calls found out and get a view of all trunks back;
//! neither waits for the other.
//!
//! Invariant: without a valid lease no probe is sent.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use holdline_call::{
    ClusterSays, Listeners, TrunkInput, TrunkNews, TrunkOutput, TrunkReport, TrunkView, Trunks,
};
use holdline_cluster::gossip::{ClusterView, Gossip};
use holdline_model::{Name, NodeId};
use holdline_raft::Lease;
use holdline_sip::locate::Asked;
use holdline_storage::StateReader;
use holdline_transport::dns::Locator;
use metrics::counter;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::egress::Egress;
use super::report;
use crate::clock::Clock;

/// What the keeper is told by shards and dispatcher.
#[derive(Debug)]
pub(crate) enum ToTrunks {
    /// A call found something out.
    News(TrunkNews),
    /// An answer to a probe came.
    Answer {
        /// Which probe.
        number: u64,
        /// Its status.
        status: u16,
    },
}

/// Where the keeper is told something. Never waits: what does not fit is dropped and counted, since a
/// later call tells it again.
#[derive(Clone, Debug)]
pub(crate) struct TellTrunks(mpsc::Sender<ToTrunks>);

/// What goes between the keeper and the shards.
#[derive(Debug)]
pub(crate) struct Wires {
    pub(crate) tell: TellTrunks,
    pub(crate) told: mpsc::Receiver<ToTrunks>,
    pub(crate) view: watch::Receiver<Arc<TrunkView>>,
    pub(crate) publish: watch::Sender<Arc<TrunkView>>,
}

/// What the task works with.
#[derive(Debug)]
pub(crate) struct Keeper {
    pub(crate) me: NodeId,
    pub(crate) pop: Name,
    pub(crate) trunks: Trunks,
    pub(crate) told: mpsc::Receiver<ToTrunks>,
    /// Of each shard, its calls by trunk.
    pub(crate) calls: Vec<watch::Receiver<BTreeMap<Name, u64>>>,
    pub(crate) publish: watch::Sender<Arc<TrunkView>>,
    pub(crate) gossip: Arc<Gossip>,
    pub(crate) cluster: watch::Receiver<ClusterView>,
    pub(crate) state: StateReader,
    pub(crate) lease: Lease,
    pub(crate) egress: Egress,
    pub(crate) clock: Clock,
    pub(crate) locator: Locator,
    /// The trunks that have names.
    pub(crate) named: BTreeMap<Name, Asked>,
}

impl Wires {
    pub(crate) fn new() -> Self {
        let (tell, told) = mpsc::channel(QUEUE);
        let (publish, view) = watch::channel(Arc::default());
        Self { tell: TellTrunks(tell), told, view, publish }
    }
}

impl TellTrunks {
    /// Tells; see [`TellTrunks`].
    pub(crate) fn tell(&self, what: ToTrunks) {
        if self.0.try_send(what).is_err() {
            counter!("holdline_trunk_news_dropped_total").increment(1);
        }
    }
}

/// Runs until `stop` is cancelled.
pub(crate) async fn run(mut keeper: Keeper, stop: CancellationToken) {
    let mut batch = Vec::with_capacity(BATCH);
    let mut look_at = keeper.clock.monotonic();
    loop {
        let pause = keeper.pause();
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            count = keeper.told.recv_many(&mut batch, BATCH) => if count == 0 { return },
            () = tokio::time::sleep(pause) => {}
        }
        for told in batch.drain(..) {
            keeper.feed(match told {
                ToTrunks::News(news) => TrunkInput::News(news),
                ToTrunks::Answer { number, status } => TrunkInput::Answer { number, status },
            });
        }
        let now = keeper.clock.monotonic();
        if now >= look_at {
            look_at = now + LOOK_EVERY;
            keeper.look();
        }
        keeper.feed(TrunkInput::Tick);
    }
}

impl Keeper {
    fn pause(&self) -> Duration {
        let now = self.clock.now();
        let due = self.trunks.next_timer().map(|at| Duration::from_millis(at.since(now)));
        due.unwrap_or(LOOK_EVERY).clamp(Duration::from_millis(1), LOOK_EVERY)
    }

    /// Looks at everything that changes without telling.
    fn look(&mut self) {
        let addresses = self.addresses();
        self.feed(TrunkInput::Addresses(addresses));
        let table = self.egress.table.load();
        let homes = table.listeners().map(|(_, listeners)| listeners.to_vec()).collect();
        self.feed(TrunkInput::Listeners(Listeners::new(homes)));
        let says = self.cluster_says();
        self.feed(TrunkInput::Cluster(says));
        let disabled = self.state.disabled_trunks().trunks.into_iter();
        self.feed(TrunkInput::Disabled(disabled.map(|disabled| disabled.trunk).collect()));
        let places = self.named.iter().filter_map(|(trunk, asked)| {
            let location = self.locator.last(asked)?.ok()?;
            Some((trunk.clone(), location.places().collect()))
        });
        let places = places.collect();
        self.feed(TrunkInput::Places(places));
        let mut calls: BTreeMap<Name, u64> = BTreeMap::new();
        for shard in &self.calls {
            for (trunk, count) in &*shard.borrow() {
                *calls.entry(trunk.clone()).or_default() += count;
            }
        }
        self.feed(TrunkInput::Calls(calls));
    }

    /// The addresses that probes may leave from: ours, and held.
    fn addresses(&self) -> Vec<SocketAddr> {
        if !self.lease.is_valid(self.clock.monotonic()) {
            return Vec::new();
        }
        let addresses = self.egress.table.load().addresses_of(self.me).into_iter();
        addresses.filter(|address| self.egress.ports.is_bound(*address)).collect()
    }

    fn cluster_says(&self) -> ClusterSays {
        let table = self.egress.table.load();
        let owners: BTreeSet<NodeId> = table.iter().map(|(_, ownership)| ownership.owner).collect();
        let here = self.state.nodes().into_iter().filter(|record| record.pop == self.pop);
        let neighbours: BTreeSet<NodeId> = here.map(|record| record.node).collect();
        let others = self.cluster.borrow();
        let others = others.live.iter().filter(|(node, _)| **node != self.me);
        let reports = others.map(|(node, member)| {
            let said = member.facts.trunks.iter();
            let reports =
                said.filter_map(|(trunk, text)| Some((trunk.clone(), text.parse().ok()?)));
            (*node, reports.collect::<BTreeMap<Name, TrunkReport>>())
        });
        let reports = reports.collect();
        ClusterSays { askers: &owners & &neighbours, reports, neighbours }
    }

    fn feed(&mut self, input: TrunkInput) {
        self.trunks.handle(self.clock.now(), input);
        while let Some(output) = self.trunks.poll() {
            match output {
                TrunkOutput::Send { hop, bytes } => {
                    self.egress.send(self.egress.leaving(hop), bytes, 0);
                }
                TrunkOutput::View(view) => {
                    report::trunks(&view);
                    self.publish.send_replace(view);
                }
                TrunkOutput::Say(trunk, report) => {
                    self.gossip.set_trunk(&trunk, report.to_string());
                }
                TrunkOutput::Event(event) => report::trunk_event(&event),
            }
        }
    }
}

/// News that may wait for the keeper.
const QUEUE: usize = 8_192;

/// News handled per wake-up.
const BATCH: usize = 256;

/// How often the keeper looks at gossip, the replicated state, the lease and the shards' counts.
const LOOK_EVERY: Duration = Duration::from_millis(250);
