//! Makes the parts of a node, in order, and starts their tasks.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use holdline_call::{CallEngine, Directory, TrunkAddress, TrunkView, Trunks, WatchedTrunk};
use holdline_cluster::forward::{self, Forwarder};
use holdline_cluster::gossip::{Bulletin, ClusterView, Gossip};
use holdline_cluster::ownership::PlanOptions;
use holdline_model::{Incarnation, Name, NodeId, NodeUp};
use holdline_raft::{RaftHandle, RaftNode};
use holdline_sip::locate::Asked;
use holdline_storage::{DataDir, Space};
use holdline_transport::dns::Locator;
use holdline_transport::floating::{FloatingAddresses, FloatingOptions};
use holdline_transport::{Ports, Tls};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::api::Api;
use super::fit::Fit;
use super::hang_up::HangUps;
use super::links::{self, Links};
use super::machine::Machine;
use super::options::{GROUP, announcement, forward_options, mover, owners, raft_options};
use super::round_trips::Teller;
use super::tls::{ports, tls, tls_peers};
use super::{NodeError, gossip, keys, peers, round_trips};
use crate::admin::{AdminLimits, AdminOptions, AdminServer, ClusterApi};
use crate::clock::Clock;
use crate::config::{Config, DnsConfig};
use crate::node_runner::NodeContext;
use crate::protect::disk::{self, Fill};
use crate::protect::pressure::Pressure;
use crate::protect::{Protection, keeper, lender, pace};
use crate::switch::SharedTable;
use crate::switch::again::{self, Again, PutBy};
use crate::switch::cdrs::{self, CdrKeeper};
use crate::switch::directory::StateDirectory;
use crate::switch::dispatcher::{self, Dispatcher, Sources};
use crate::switch::egress::Egress;
use crate::switch::flows::Flows;
use crate::switch::formats;
use crate::switch::held::Held;
use crate::switch::leader::{self, Duties};
use crate::switch::lookups::Lookups;
use crate::switch::names::{self, KnownNames};
use crate::switch::ownership::{self, Keeper, Progress};
use crate::switch::shard::{self, ToShard};
use crate::switch::tls_peers::{Shown, TlsPeers};
use crate::switch::trunks::{self, TellTrunks, Wires};
use crate::trust::Book;

/// A running node.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) me: NodeId,
    pub(super) raft: RaftHandle,
    pub(super) book: Book,
    pub(super) clock: Clock,
    pub(super) progress: watch::Receiver<Progress>,
    pub(super) stopping: watch::Sender<bool>,
    pub(super) failed: mpsc::Receiver<String>,
}

/// How this node stands in the cluster when it starts.
#[derive(Debug)]
pub(super) struct Place {
    /// Other nodes that may be asked, besides the members.
    pub(super) seeds: Vec<SocketAddr>,
    /// The cluster has let it in a moment ago.
    pub(super) is_new: bool,
    /// How far voters are to be apart for its times.
    pub(super) fit: Fit,
}

/// What the tasks share.
struct Shared<'a> {
    context: &'a NodeContext,
    halt: &'a CancellationToken,
    raft: RaftHandle,
    table: SharedTable,
    forwarder: Forwarder,
    ports: Ports,
    again: Again,
    shards: Vec<mpsc::Sender<ToShard>>,
    protection: Arc<Protection>,
    locator: Locator,
    tls_peers: Arc<TlsPeers>,
    /// Our certificates, ours first.
    certificates: Vec<(PathBuf, Tls)>,
    /// How full the disk is, if that is watched.
    fill: Option<watch::Receiver<Fill>>,
    fit: Fit,
}

/// Where the shards count their calls.
#[derive(Default)]
struct Counts {
    calls: Vec<Arc<AtomicUsize>>,
    trunk_calls: Vec<watch::Receiver<BTreeMap<Name, u64>>>,
}

/// What the API shows of what changes.
struct Seen {
    progress: watch::Receiver<Progress>,
    stopping: watch::Receiver<bool>,
    view: watch::Receiver<ClusterView>,
    trunk_view: watch::Receiver<Arc<TrunkView>>,
    bulletin: Bulletin,
}

impl Parts {
    /// Makes and starts everything. What was started ends when `halt` is cancelled.
    pub(super) async fn start<M: Machine>(
        machine: &M,
        context: &NodeContext,
        place: Place,
        halt: &CancellationToken,
    ) -> Result<Self, NodeError> {
        let config = &context.config;
        let incoming = machine.listen(config.cluster.rpc).await?;
        machine.check_sip(config)?;
        let (data_dir, storage) = machine.open_storage(config, GROUP, &context.tasks)?;
        let token = keys::rpc_token(&config.cluster.key);
        let links = Links::new(machine, config)?;
        let raft_options = raft_options(context, &place, &data_dir, &token, links.raft)?;
        let node =
            RaftNode::start(raft_options, storage, context.tasks.clone(), halt.clone()).await?;
        let forward_options = forward_options(config, &token, links.forward)?;
        let forwarder =
            Forwarder::new(forward_options.clone(), context.tasks.clone(), halt.clone());
        let (sockets, datagrams) = machine.sockets(context.tasks.clone(), halt.clone());
        let tls = tls(config, &context.tasks, halt)?;
        let (tls_peers, certificates) = tls_peers(config, &tls, &context.tasks, halt)?;
        let (ports, streams) = ports(machine, context, sockets, tls, halt);
        let locator = locator(machine, context, halt)?;
        let (shards, inputs) = shard_queues(config.sip.shards.get());
        let (again, put_by) = Again::new();
        let (protection, news) = protection(context)?;
        let fill = guard_disk(machine.space(&data_dir), context, &protection, halt);
        let shared = Shared {
            context,
            halt,
            raft: node.handle.clone(),
            table: SharedTable::default(),
            forwarder,
            ports,
            again,
            shards,
            protection,
            locator,
            tls_peers,
            certificates,
            fill,
            fit: place.fit,
        };
        let hang_ups = shared.hang_ups();
        let (service, from_nodes) = forward::service(
            &forward_options,
            Arc::new(hang_ups.clone()),
            context.tasks.clone(),
            halt.clone(),
        );
        let (routes, state) = (node.routes.add_service(service), shared.raft.state());
        let book = links.trust.as_ref().map(|(trust, _)| trust.book.clone()).unwrap_or_default();
        links::serve::<M>(links.trust, incoming, routes, state, context, halt);
        let wires = Wires::new();
        let Counts { calls, trunk_calls } = shared.start_shards(inputs, &wires)?;
        let sources = Sources { sockets: datagrams, streams, nodes: from_nodes };
        shared.start_dispatcher(sources, wires.tell.clone(), put_by);
        let announcement = announcement(config)?;
        let gossip =
            gossip::start(machine.gossip(), context, &announcement, &shared.raft, calls, halt)
                .await?;
        let (view, bulletin) = (gossip.view(), gossip.bulletin());
        shared.start_protection(news, bulletin.clone(), announcement.incarnation);
        let trunk_view = shared.start_trunks(wires, trunk_calls, gossip)?;
        let (fail, failed) = mpsc::channel(1);
        let data_dir = shared.start_formats(data_dir, fail.clone());
        let progress = shared.start_ownership(announcement, node.applied, fail);
        shared.start_duties(&view);
        let (stopping, is_stopping) = watch::channel(false);
        let seen =
            Seen { progress: progress.clone(), stopping: is_stopping, view, trunk_view, bulletin };
        shared.start_api(machine, shared.api(hang_ups, data_dir, seen)).await?;
        let (me, raft, clock) = (config.node.id, shared.raft, context.clock.clone());
        Ok(Self { me, raft, book, clock, progress, stopping, failed })
    }
}

impl Shared<'_> {
    /// Shows the machine the node that was started, and listens for administrators if it is to.
    async fn start_api<M: Machine>(&self, machine: &M, api: Api) -> Result<(), NodeError> {
        let api: Arc<dyn ClusterApi> = Arc::new(api);
        if machine.started(&self.raft, &api) {
            self.start_admin(api).await?;
        }
        Ok(())
    }

    fn config(&self) -> &Config {
        &self.context.config
    }

    fn hang_ups(&self) -> HangUps {
        HangUps {
            me: self.config().node.id,
            state: self.raft.state(),
            shards: self.shards.clone(),
            lease: self.raft.lease(),
            clock: self.context.clock.clone(),
            tasks: self.context.tasks.clone(),
        }
    }

    fn egress(&self) -> Egress {
        Egress {
            me: self.config().node.id,
            ports: self.ports.clone(),
            forwarder: self.forwarder.clone(),
            table: self.table.clone(),
            tls_peers: Arc::clone(&self.tls_peers),
            flows: Flows { state: self.raft.state(), clock: self.context.clock.clone() },
            again: self.again.clone(),
        }
    }

    /// Starts the shards; for each, where it counts its calls.
    fn start_shards(
        &self,
        inputs: Vec<mpsc::Receiver<ToShard>>,
        wires: &Wires,
    ) -> Result<Counts, NodeError> {
        let mut counts = Counts::default();
        let routing = Arc::new(self.config().routing()?);
        let directory: Arc<dyn Directory> =
            Arc::new(StateDirectory { state: self.raft.state(), raft: self.raft.clone() });
        for (index, inputs) in inputs.into_iter().enumerate() {
            let seed = getrandom::u64()?;
            let mut options = self.config().sip.calls.clone();
            options.pop = self.config().node.pop.clone();
            let engine = CallEngine::new(options, Arc::clone(&routing), seed).with_registrar(
                self.config().registrar.clone(),
                keys::nonce_key(&self.config().cluster.key),
                Arc::clone(&directory),
            );
            let emergency = Arc::clone(&self.protection);
            let allowance = Arc::clone(&self.protection);
            let parts = shard::Parts {
                engine: engine
                    .with_emergency(emergency)
                    .with_allowance(allowance)
                    .with_certificates(Arc::new(Shown(self.ports.clone())))
                    .with_names(Arc::new(KnownNames(self.locator.clone()))),
                inputs,
                raft: self.raft.clone(),
                lease: self.raft.lease(),
                egress: self.egress(),
                clock: self.context.clock.clone(),
                protection: Arc::clone(&self.protection),
                watch: Pressure::shard(index),
                calls: Arc::new(AtomicUsize::new(0)),
                trunks: wires.view.clone(),
                trunk_calls: watch::Sender::default(),
                tell_trunks: wires.tell.clone(),
                lookups: Lookups::new(self.locator.clone()),
            };
            counts.calls.push(Arc::clone(&parts.calls));
            counts.trunk_calls.push(parts.trunk_calls.subscribe());
            self.context.tasks.spawn(shard::run(parts, self.halt.clone()));
        }
        Ok(counts)
    }

    /// The trunks that have names.
    fn named(&self) -> BTreeMap<Name, Asked> {
        let trunks = self.config().trunks.iter();
        trunks
            .filter_map(|trunk| match trunk.next().0 {
                TrunkAddress::Name(asked) => Some((trunk.name.clone(), asked.clone())),
                TrunkAddress::Socket(_) => None,
            })
            .collect()
    }

    /// Tells the forwarder who the others are.
    fn start_peers(&self, view: watch::Receiver<ClusterView>) {
        let (forwarder, leadership) = (self.forwarder.clone(), self.raft.leadership());
        self.context.tasks.spawn(peers::follow(forwarder, leadership, view, self.halt.clone()));
    }

    fn start_names(&self) {
        let named = self.named();
        if !named.is_empty() {
            let follow = names::follow(self.locator.clone(), named, self.halt.clone());
            self.context.tasks.spawn(follow);
        }
    }

    /// Starts the keeper of the trunks.
    fn start_trunks(
        &self,
        wires: Wires,
        calls: Vec<watch::Receiver<BTreeMap<Name, u64>>>,
        gossip: Arc<Gossip>,
    ) -> Result<watch::Receiver<Arc<TrunkView>>, NodeError> {
        let config = self.config();
        let watched = config.trunks.iter().map(|trunk| WatchedTrunk {
            name: trunk.name.clone(),
            address: trunk.next().0.clone(),
            transport: trunk.next().1,
            is_probed: trunk.probe,
        });
        let options = config.trunk_health.clone();
        let seed = getrandom::u64()?;
        let keeper = trunks::Keeper {
            me: config.node.id,
            pop: config.node.pop.clone(),
            trunks: Trunks::new(config.node.id, options, watched.collect(), seed),
            told: wires.told,
            calls,
            publish: wires.publish,
            cluster: gossip.view(),
            gossip,
            state: self.raft.state(),
            lease: self.raft.lease(),
            egress: self.egress(),
            clock: self.context.clock.clone(),
            locator: self.locator.clone(),
            named: self.named(),
        };
        self.context.tasks.spawn(trunks::run(keeper, self.halt.clone()));
        Ok(wires.view)
    }

    fn start_dispatcher(&self, sources: Sources, tell_trunks: TellTrunks, put_by: PutBy) {
        let looks = again::run(put_by, self.egress(), self.raft.clone(), self.halt.clone());
        self.context.tasks.spawn(looks);
        let dispatcher = Dispatcher {
            me: self.config().node.id,
            table: self.table.clone(),
            shards: self.shards.clone(),
            forwarder: self.forwarder.clone(),
            egress: self.egress(),
            protection: Arc::clone(&self.protection),
            tell_trunks,
            knows_certificates: self.knows_certificates(),
            held: Held::default(),
        };
        self.context.tasks.spawn(dispatcher::run(dispatcher, sources, self.halt.clone()));
    }

    fn knows_certificates(&self) -> bool {
        let mut trunks = self.config().trunks.iter();
        trunks.any(|trunk| trunk.policy.proof.by_certificate.is_some())
    }

    fn start_protection(
        &self,
        news: mpsc::Receiver<keeper::News>,
        bulletin: Bulletin,
        incarnation: Incarnation,
    ) {
        let (tasks, halt) = (&self.context.tasks, self.halt);
        let protection = || Arc::clone(&self.protection);
        let teller = Teller {
            me: self.config().node.id,
            raft: self.raft.clone(),
            bulletin: bulletin.clone(),
            fit: self.fit.clone(),
            tasks: tasks.clone(),
        };
        tasks.spawn(round_trips::tell(teller, halt.clone()));
        tasks.spawn(keeper::run(protection(), news, bulletin, halt.clone()));
        tasks.spawn(pace::run(protection(), self.ports.clone(), halt.clone()));
        let (me, raft) = (self.config().node.id, self.raft.clone());
        let keeper = lender::Keeper { me, incarnation, protection: protection(), raft };
        tasks.spawn(lender::run(keeper, halt.clone()));
    }

    fn start_ownership(
        &self,
        announcement: NodeUp,
        applied: mpsc::Receiver<holdline_raft::Applied>,
        failed: mpsc::Sender<String>,
    ) -> watch::Receiver<Progress> {
        let (publish, progress) = watch::channel(Progress::default());
        let floating = FloatingAddresses::start(
            FloatingOptions::default(),
            mover(&self.config().sip.floating),
            self.ports.clone(),
            &self.context.tasks,
            self.halt.clone(),
        );
        let keeper = Keeper {
            me: self.config().node.id,
            announcement,
            raft: self.raft.clone(),
            state: self.raft.state(),
            lease: self.raft.lease(),
            applied,
            table: self.table.clone(),
            shards: self.shards.clone(),
            floating,
            ports: self.ports.clone(),
            protection: Arc::clone(&self.protection),
            clock: self.context.clock.clone(),
            tasks: self.context.tasks.clone(),
            progress: publish,
            failed,
        };
        self.context.tasks.spawn(ownership::run(keeper, self.halt.clone()));
        progress
    }

    fn start_formats(&self, data_dir: DataDir, failed: mpsc::Sender<String>) -> Arc<DataDir> {
        let data_dir = Arc::new(data_dir);
        let (state, noting) = (self.raft.state(), Arc::clone(&data_dir));
        self.context.tasks.spawn(formats::follow(state, noting, failed, self.halt.clone()));
        data_dir
    }

    fn start_duties(&self, view: &watch::Receiver<ClusterView>) {
        self.start_names();
        self.start_leader(view.clone());
        self.start_cdr_keeper();
        self.start_peers(view.clone());
    }

    fn start_leader(&self, view: watch::Receiver<ClusterView>) {
        let cluster = &self.config().cluster;
        let duties = Duties {
            me: self.config().node.id,
            cluster: cluster.id(),
            slots: cluster.slots,
            owners: owners(cluster),
            auto_promote: cluster.auto_promote,
            leader_pops: cluster.leader_pops.clone(),
            plan: PlanOptions { hand_back_after: cluster.hand_back_after },
            raft: self.raft.clone(),
            state: self.raft.state(),
            view,
            clock: self.context.clock.clone(),
            tasks: self.context.tasks.clone(),
        };
        self.context.tasks.spawn(leader::run(duties, self.halt.clone()));
    }

    fn start_cdr_keeper(&self) {
        let keeper = CdrKeeper {
            raft: self.raft.clone(),
            state: self.raft.state(),
            clock: self.context.clock.clone(),
            tasks: self.context.tasks.clone(),
        };
        self.context.tasks.spawn(cdrs::run(keeper, self.halt.clone()));
    }

    fn api(&self, hang_ups: HangUps, data_dir: Arc<DataDir>, seen: Seen) -> Api {
        Api {
            me: self.config().node.id,
            pop: self.config().node.pop.clone(),
            cluster: self.config().cluster.name.as_str().into(),
            min_free_bytes: self.config().storage.min_free_bytes,
            raft: self.raft.clone(),
            state: self.raft.state(),
            clock: self.context.clock.clone(),
            forwarder: self.forwarder.clone(),
            tasks: self.context.tasks.clone(),
            hang_ups,
            data_dir,
            fill: self.fill.clone(),
            progress: seen.progress,
            stopping: seen.stopping,
            view: seen.view,
            trunk_view: seen.trunk_view,
            trunks: self.config().trunks.clone(),
            locator: self.locator.clone(),
            protection: Arc::clone(&self.protection),
            heard: seen.bulletin.heard(),
            fit: self.fit.clone(),
            table: self.table.clone(),
            ports: self.ports.clone(),
            certificates: self.certificates.clone(),
        }
    }

    async fn start_admin(&self, api: Arc<dyn ClusterApi>) -> Result<(), NodeError> {
        let admin = &self.config().admin;
        let options = AdminOptions {
            api,
            metrics: self.context.metrics.clone(),
            token: admin.token.clone(),
            limits: AdminLimits::default(),
        };
        AdminServer::start(admin.listen, options, &self.context.tasks, self.halt.clone()).await?;
        Ok(())
    }
}

/// Guards against a full disk, if there is one.
fn guard_disk(
    space: Option<Space>,
    context: &NodeContext,
    protection: &Arc<Protection>,
    halt: &CancellationToken,
) -> Option<watch::Receiver<Fill>> {
    let guard = disk::Guard { space: space?, marks: context.config.storage.watermarks };
    Some(guard.start(Arc::clone(protection), &context.tasks, halt.clone()))
}

fn protection(
    context: &NodeContext,
) -> Result<(Arc<Protection>, mpsc::Receiver<keeper::News>), NodeError> {
    let config = &context.config;
    let (me, shards) = (config.node.id, config.sip.shards.get());
    let seed = getrandom::u64()?;
    Ok(Protection::new(me, context.clock.clone(), config.protection.clone(), shards, seed))
}

fn locator<M: Machine>(
    machine: &M,
    context: &NodeContext,
    halt: &CancellationToken,
) -> Result<Locator, NodeError> {
    let means = names::means(&context.config.sip.listeners);
    let DnsConfig { servers, locator } = &context.config.dns;
    let has_names =
        context.config.trunks.iter().any(|trunk| matches!(trunk.next().0, TrunkAddress::Name(_)));
    let resolver = match machine.resolver(servers) {
        Ok(resolver) => resolver,
        Err(error) if has_names => return Err(error),
        // A host without name servers is no fault as long as nothing has a name.
        Err(_) => None,
    };
    Ok(match resolver {
        Some(resolver) => {
            let tasks = context.tasks.clone();
            Locator::new(resolver, means, locator.clone(), tasks, halt.clone())
        }
        None => Locator::deaf(means),
    })
}

fn shard_queues(count: usize) -> (Vec<mpsc::Sender<ToShard>>, Vec<mpsc::Receiver<ToShard>>) {
    (0..count).map(|_| mpsc::channel(SHARD_QUEUE)).unzip()
}

/// Inputs that may wait for a shard; more are dropped and counted, and the peer sends them again.
const SHARD_QUEUE: usize = 8_192;
