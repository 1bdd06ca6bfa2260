//! Runs gossip and turns its state into a [`ClusterView`].

use std::collections::BTreeMap;
use std::sync::Arc;

use chitchat::{
    Chitchat, ChitchatConfig, ChitchatHandle, ChitchatId, FailureDetectorConfig, NodeState,
    spawn_chitchat,
};
use holdline_model::{Name, NodeId};
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{error, info};

use super::bulletin::{self, Bulletin, Heard};
use super::facts::trunk_key;
use super::seal::Seal;
use super::transport::SealedTransport;
use super::{ClusterView, GossipOptions, Load, MAX_TRUNK_BYTES, MAX_TRUNKS, Member, NodeFacts};

/// Gossip, running. Dropping it does not stop it: `stop` does.
#[derive(Debug)]
pub struct Gossip {
    view: watch::Receiver<ClusterView>,
    load: watch::Sender<Load>,
    bulletin: Bulletin,
    trunks: watch::Sender<BTreeMap<Name, String>>,
}

/// Gossip could not be started.
#[derive(Debug, thiserror::Error)]
pub enum GossipError {
    /// The address cannot be listened at.
    #[error("cannot gossip at UDP {listen}: {reason}")]
    Listen {
        /// The address.
        listen: std::net::SocketAddr,
        /// What the system said.
        reason: String,
    },
}

impl Gossip {
    /// Starts to gossip; says `facts` about this node. Ends when `stop` is cancelled.
    ///
    /// # Errors
    /// [`GossipError::Listen`] if the address is in use or not on this host.
    pub async fn start(
        options: GossipOptions,
        facts: NodeFacts,
        tasks: &TaskTracker,
        stop: CancellationToken,
    ) -> Result<Self, GossipError> {
        let transport = SealedTransport {
            network: options.network.clone(),
            seal: Seal::new(&options.key, options.cluster),
            report_every: options.report_every,
        };
        let listen = options.listen;
        let interval = options.interval;
        let chitchat = spawn_chitchat(config(&options), facts.to_pairs(), &transport)
            .await
            .map_err(|error| GossipError::Listen { listen, reason: format!("{error:#}") })?;
        let (load, load_said) = watch::channel(facts.load);
        let (trunks, trunks_said) = watch::channel(BTreeMap::new());
        let (publish, view) = watch::channel(ClusterView::default());
        info!(%listen, seeds = ?options.seeds, "gossip started");
        let (bulletin, board) = bulletin::channel();
        let said = Said { load: load_said, board, trunks: trunks_said };
        tasks.spawn(run(chitchat, interval, publish, said, stop));
        Ok(Self { view, load, bulletin, trunks })
    }

    /// The cluster as seen from here; changes with every change of it.
    #[must_use]
    pub fn view(&self) -> watch::Receiver<ClusterView> {
        self.view.clone()
    }

    /// Says something of a trunk; the others know within about a second. Of more than [`MAX_TRUNKS`]
    /// trunks nothing is said, nor what is longer than [`MAX_TRUNK_BYTES`].
    pub fn set_trunk(&self, trunk: &Name, said: String) {
        self.trunks.send_if_modified(|trunks| {
            let has_room = trunks.len() < MAX_TRUNKS || trunks.contains_key(trunk);
            let is_said = has_room && said.len() <= MAX_TRUNK_BYTES;
            is_said && trunks.insert(trunk.clone(), said.clone()).as_ref() != Some(&said)
        });
    }

    /// Where nodes tell each other what is not about themselves.
    #[must_use]
    pub fn bulletin(&self) -> Bulletin {
        self.bulletin.clone()
    }

    /// Says how busy this node is; the others know within about a second. Cheap; call it at will.
    pub fn set_load(&self, load: Load) {
        self.load.send_if_modified(|said| {
            let changed = *said != load;
            *said = load;
            changed
        });
    }
}

fn config(options: &GossipOptions) -> ChitchatConfig {
    ChitchatConfig {
        chitchat_id: ChitchatId::new(
            options.node.to_string(),
            options.generation,
            options.advertise,
        ),
        cluster_id: options.cluster.to_string(),
        gossip_interval: options.interval,
        listen_addr: options.listen,
        seed_nodes: options.seeds.clone(),
        failure_detector_config: FailureDetectorConfig {
            phi_threshold: options.phi_threshold,
            initial_interval: options.interval,
            dead_node_grace_period: options.forget_after,
            ..FailureDetectorConfig::default()
        },
        marked_for_deletion_grace_period: options.forget_after,
        catchup_callback: None,
        extra_liveness_predicate: None,
    }
}

/// What this node says.
struct Said {
    load: watch::Receiver<Load>,
    board: bulletin::Board,
    trunks: watch::Receiver<BTreeMap<Name, String>>,
}

async fn run(
    chitchat: ChitchatHandle,
    interval: std::time::Duration,
    publish: watch::Sender<ClusterView>,
    Said { mut load, mut board, mut trunks }: Said,
    stop: CancellationToken,
) {
    let state = chitchat.chitchat();
    // Chitchat's own watch does not tell of deaths and heartbeats apart; its state is small.
    let mut tick = tokio::time::interval(interval);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut load_open = true;
    let mut board_open = true;
    let mut trunks_open = true;
    let mut trunks_said: BTreeMap<Name, String> = BTreeMap::new();
    let ended = chitchat.termination_watcher();
    tokio::pin!(ended);
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            result = &mut ended => {
                // It only ends by itself if its socket is broken beyond repair, which ours never is.
                error!(?result, "gossip ended by itself; this node no longer sees others");
                return;
            }
            changed = load.changed(), if load_open => {
                load_open = changed.is_ok();
                let said = *load.borrow_and_update();
                let mut chitchat = state.lock().await;
                for (key, value) in said.to_pairs() {
                    chitchat.self_node_state().set(key, value);
                }
            }
            said = board.said.changed(), if board_open => {
                board_open = said.is_ok();
                let said = board.said.borrow_and_update().clone();
                let mut chitchat = state.lock().await;
                for (topic, text) in said {
                    chitchat.self_node_state().set(bulletin::key(topic), text);
                }
            }
            changed = trunks.changed(), if trunks_open => {
                trunks_open = changed.is_ok();
                let now_said = trunks.borrow_and_update().clone();
                let mut chitchat = state.lock().await;
                let news = now_said.iter().filter(|(trunk, word)| trunks_said.get(*trunk) != Some(*word));
                for (trunk, word) in news {
                    chitchat.self_node_state().set(trunk_key(trunk), word);
                }
                trunks_said = now_said;
            }
            _ = tick.tick() => {
                let chitchat = state.lock().await;
                let (view, heard) = (view(&chitchat), heard(&chitchat));
                drop(chitchat);
                board.heard.send_if_modified(|known| {
                    let changed = **known != heard;
                    if changed {
                        *known = Arc::new(heard);
                    }
                    changed
                });
                publish.send_if_modified(|published| {
                    let changed = *published != view;
                    *published = view;
                    changed
                });
            }
        }
    }
    if let Err(error) = chitchat.shutdown().await {
        error!(%error, "gossip did not stop in order");
    }
}

/// What other nodes say, the dead included: what they said stays true.
fn heard(chitchat: &Chitchat) -> Heard {
    let me = &chitchat.self_chitchat_id().node_id;
    let mut ids: Vec<_> = chitchat.node_states().keys().filter(|id| id.node_id != *me).collect();
    ids.sort_unstable_by_key(|id| id.generation_id);
    let mut heard = Heard::new();
    for id in ids {
        let (Ok(node), Some(state)) = (id.node_id.parse(), chitchat.node_state(id)) else {
            continue;
        };
        let topics = bulletin::read(state.key_values());
        if !topics.is_empty() {
            // Later runs overwrite earlier ones.
            heard.insert(node, topics);
        }
    }
    heard
}

/// Reads chitchat's state.
fn view(chitchat: &Chitchat) -> ClusterView {
    let live = newest(chitchat, chitchat.live_nodes());
    let mut dead = newest(chitchat, chitchat.dead_nodes());
    // An earlier run of a node that is back is not a dead node.
    dead.retain(|node, _| !live.contains_key(node));
    ClusterView { live, dead }
}

fn newest<'a>(
    chitchat: &Chitchat,
    ids: impl Iterator<Item = &'a ChitchatId>,
) -> BTreeMap<NodeId, Member> {
    let mut ids: Vec<_> = ids.collect();
    ids.sort_unstable_by_key(|id| id.generation_id);
    // Later runs overwrite earlier ones.
    ids.into_iter().filter_map(|id| member(id, chitchat.node_state(id)?)).collect()
}

/// `None` for a node that has said too little so far, or something unreadable.
fn member(id: &ChitchatId, state: &NodeState) -> Option<(NodeId, Member)> {
    let node = id.node_id.parse().ok()?;
    let facts = NodeFacts::from_lookup(|key| state.get(key))?;
    let facts = facts.with_trunks(state.key_values());
    Some((node, Member { gossip: id.gossip_advertise_addr, facts }))
}
