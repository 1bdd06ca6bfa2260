//! Starts a Raft node: storage, openraft, network, batcher, lease, in this order.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use holdline_model::GroupId;
use holdline_storage::{Kept, LogStore, SnapshotStore, StateStore};
use openraft::errors::Fatal;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::service::Routes;

use crate::RaftInstance;
use crate::clock;
use crate::door::{self, Callers, Door, Entrance, Gate, Joining};
use crate::handle::{RaftHandle, Shared};
use crate::leadership::{self, Leadership, Observer};
use crate::lease::{self, Board, Lease, Longest, Rules};
use crate::network::client::Network;
use crate::network::peers::Peers;
use crate::network::server::Server;
use crate::network::token::Spoken;
use crate::options::{Options, OptionsError, Tuning};
use crate::placement::{self, Far, Origins, Proposed};
use crate::proposal::Proposals;
use crate::read::{self, Freshness};
use crate::round_trips::{self, RoundTrips};
use crate::store::{Applied, LogStorage, Snapshots, StateMachine};
use crate::types::TypeConfig;

/// What a group keeps on disk, opened.
#[derive(Debug)]
pub struct Storage {
    /// The log and hard state.
    pub log: LogStore,
    /// The replicated state.
    pub state: StateStore,
    /// The folder of snapshots.
    pub snapshots: SnapshotStore,
    /// The longest lease that may still be held, in milliseconds.
    pub lease: Kept,
}

/// A started Raft node.
pub struct RaftNode {
    /// What the rest of the node uses.
    pub handle: RaftHandle,
    /// The RPC service, for the node to serve at the address that the members know.
    pub routes: Routes,
    /// What applying entries brings about, in log order. Apply waits while it is full, so it has
    /// to be emptied all the time.
    pub applied: mpsc::Receiver<Applied>,
}

/// Raft could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The options contradict each other.
    #[error(transparent)]
    Options(#[from] OptionsError),
    /// The state on disk is another group's.
    #[error("the state on disk is of group {found}, the options name group {named}")]
    OtherGroup {
        /// The group on disk.
        found: GroupId,
        /// The group in the options.
        named: GroupId,
    },
    /// The state cannot be read.
    #[error("the state on disk cannot be read")]
    State(#[source] Box<holdline_storage::StateError>),
    /// What is kept of leases cannot be read or written.
    #[error("how long the leases of leaders are cannot be kept")]
    Lease(#[source] std::io::Error),
    /// The log or the state cannot be read, or do not fit together.
    #[error("Raft cannot start from what is on disk")]
    Storage(#[source] Box<Fatal<TypeConfig>>),
}

impl RaftNode {
    /// Starts a Raft node from what is on disk. If that is nothing, it takes no part until it has
    /// formed the group with others, or was let in (`door`). The tasks run
    /// on `tasks` until `cancel` is called. (openraft has tasks of its own: they end with
    /// [`RaftHandle::shutdown`].)
    ///
    /// # Errors
    /// See [`StartError`]. Nothing runs then.
    pub async fn start(
        options: Options,
        storage: Storage,
        tasks: TaskTracker,
        cancel: CancellationToken,
    ) -> Result<Self, StartError> {
        options.validate()?;
        let config = Arc::new(options.tuning.config(options.cluster, options.group)?);
        let (found, named) = (storage.state.group(), options.group);
        if found != named {
            return Err(StartError::OtherGroup { found, named });
        }
        let is_empty = is_empty(&storage)?;
        let state = Arc::new(storage.state);
        let reader = state.reader();
        let longest = Longest::open(options.tuning.lease, storage.lease, clock::now())
            .map_err(StartError::Lease)?;
        let peers = Peers::new(&options, Spoken::Of(reader.clone()), longest);
        let snapshots = Snapshots::new(storage.snapshots, options.group, tasks.clone());
        let (send_applied, applied) = mpsc::channel(options.tuning.actions_queue.get());
        let live = Arc::new(AtomicBool::new(false));
        let append_bytes = options.tuning.append_bytes.get();
        let log = LogStorage::new(storage.log, Arc::clone(&state), append_bytes, tasks.clone());
        let machine = StateMachine::new(state, snapshots.clone(), send_applied, Arc::clone(&live));
        let network = Network::new(peers.clone(), snapshots.clone());
        let raft = RaftInstance::build(options.node, config, network, log, machine)
            .await
            .map_err(|fatal| StartError::Storage(Box::new(fatal)))?;
        // What was applied again while it was built is in the state that the node is about to read.
        live.store(true, Ordering::Release);
        raft.run();
        let parts = Parts { raft, peers, snapshots, reader, tasks, cancel };
        let (handle, routes) = parts.assemble(&options, is_empty && !options.is_new);
        Ok(Self { handle, routes, applied })
    }
}

/// What the tasks are made of.
struct Parts {
    raft: RaftInstance,
    peers: Peers,
    snapshots: Snapshots,
    reader: holdline_storage::StateReader,
    tasks: TaskTracker,
    cancel: CancellationToken,
}

impl Parts {
    /// Starts the tasks around openraft.
    fn assemble(self, options: &Options, has_to_ask: bool) -> (RaftHandle, Routes) {
        let Self { raft, peers, snapshots, reader, tasks, cancel } = self;
        let tuning = &options.tuning;
        let observer = Observer::new(&raft);
        let (publish, leadership) = watch::channel(Leadership::default());
        tasks.spawn(leadership::follow(observer.clone(), publish, cancel.clone()));
        let board = board(tuning, peers.longest().clone());
        let lease = Lease::new();
        let (proposed, origins) = (Proposed::default(), Origins::default());
        tasks.spawn(lease::renew(
            lease.clone(),
            peers.clone(),
            observer.clone(),
            leadership.clone(),
            proposed.clone(),
            cancel.clone(),
        ));
        tasks.spawn(lease::tidy(peers.longest().clone(), tasks.clone(), cancel.clone()));
        tasks.spawn(lease::watch_nodes(
            board.clone(),
            peers.clone(),
            observer.clone(),
            leadership.clone(),
            cancel.clone(),
        ));
        let proposals =
            Proposals::start(&raft, &peers, &leadership, proposed.clone(), &tasks, &cancel);
        let gate = Gate::default();
        let (turned, turned_away) = watch::channel(None);
        let shared = Shared {
            raft: raft.clone(),
            peers,
            observer,
            leadership: leadership.clone(),
            lease: lease.clone(),
            board,
            proposals,
            reader,
            changing: tokio::sync::Mutex::default(),
            wall: options.wall.clone(),
            gate: gate.clone(),
            turned_away,
            fresh: Freshness::default(),
            round_trips: RoundTrips::default(),
        };
        let handle = RaftHandle { shared: Arc::new(shared) };
        let server = Server::new(&handle, snapshots, origins.clone(), tasks.clone());
        let door = Door {
            cluster: options.cluster,
            name: options.name.as_str().into(),
            handle: handle.clone(),
            gate: gate.clone(),
            wall: options.wall.clone(),
            set_aside: options.set_aside,
        };
        let spoken = Spoken::Of(handle.shared.reader.clone());
        let routes = server.routes(door, &options.token, spoken);
        look_around(&handle, &leadership, &tasks, &cancel);
        if tuning.follow_calls {
            let far = Far {
                above: tuning.follow_calls_above,
                after: tuning.follow_calls_after,
                told_every: tuning.lease_renew,
            };
            let follow =
                placement::follow_calls(handle.clone(), proposed, origins, far, cancel.clone());
            tasks.spawn(follow);
        }
        let at_door = AtDoor { raft, lease, leadership, gate, turned };
        at_door.start(options, has_to_ask, &tasks, cancel);
        (handle, routes)
    }
}

fn board(tuning: &Tuning, longest: Longest) -> Board {
    let Tuning { lease, lease_margin: margin, deaf_after, .. } = *tuning;
    Board::new(Rules { lease, margin, deaf_after }, longest)
}

/// Starts the tasks that measure how far the others are, and how fresh what is known here is.
fn look_around(
    handle: &RaftHandle,
    leadership: &watch::Receiver<Leadership>,
    tasks: &TaskTracker,
    cancel: &CancellationToken,
) {
    tasks.spawn(round_trips::measure(
        handle.shared.round_trips.clone(),
        handle.shared.peers.clone(),
        leadership.clone(),
        cancel.clone(),
    ));
    tasks.spawn(read::watch_freshness(handle.clone(), leadership.clone(), cancel.clone()));
}

/// What is needed to find out whether this node has a place in the group.
struct AtDoor {
    raft: RaftInstance,
    lease: Lease,
    leadership: watch::Receiver<Leadership>,
    gate: Gate,
    turned: watch::Sender<Option<String>>,
}

impl AtDoor {
    /// Asks to be let in if this node has no log, and watches whether it was removed.
    fn start(
        self,
        options: &Options,
        has_to_ask: bool,
        tasks: &TaskTracker,
        cancel: CancellationToken,
    ) {
        let Self { raft, lease, leadership, gate, turned } = self;
        let callers = Callers::new(&options.token, options.connect.clone(), options.tuning.clone());
        if has_to_ask {
            let entrance = entrance(options, raft, gate.clone(), callers.clone(), turned.clone());
            let cancel = cancel.clone();
            tasks.spawn(async move {
                tokio::select! {
                    () = door::enter(entrance) => {}
                    () = cancel.cancelled() => {}
                }
            });
        } else {
            gate.open();
        }
        let watch = door::Watch {
            cluster: options.cluster,
            me: options.node,
            lease,
            leadership,
            seeds: options.seeds.clone(),
            callers,
            gate,
            turned_away: turned,
        };
        tasks.spawn(door::watch(watch, cancel));
    }
}

/// What a node without a log brings to the door.
fn entrance(
    options: &Options,
    raft: RaftInstance,
    gate: Gate,
    callers: Callers,
    turned_away: watch::Sender<Option<String>>,
) -> Entrance {
    Entrance {
        cluster: options.cluster,
        me: options.node,
        members: options.members.clone(),
        set_aside: options.set_aside,
        seeds: options.seeds.clone(),
        joining: Joining {
            cluster: Some(options.cluster),
            node: Some(options.node),
            again: true,
            nonce: 1,
            rpc: options.member.rpc,
            pop: options.member.pop.clone(),
            role: options.member.role,
        },
        callers,
        wall: options.wall.clone(),
        gate,
        raft,
        turned_away,
    }
}

/// Whether there is neither a log nor a vote nor a state on disk.
fn is_empty(storage: &Storage) -> Result<bool, StartError> {
    let applied = storage.state.applied().map_err(|error| StartError::State(Box::new(error)))?;
    let has_log = storage.log.last_index().is_some() || storage.log.vote().is_some();
    Ok(applied.is_none() && !has_log)
}

impl std::fmt::Debug for RaftNode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RaftNode").field("handle", &self.handle).finish_non_exhaustive()
    }
}
